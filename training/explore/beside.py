"""The numbers of whole folders as a bundle carries them: aggregates, no picture and no name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from mlservice.engine import Bundle
from mlservice.engine.explored import AGES, Explored, Folder, trained_on
from mlservice.packs.records import site_of
from training.data import Row, data_hash, file_hashes
from training.errors import TrainingError
from training.explore.numbers import recorded
from training.sources import BY_FOLDER, source_of


def folder_of(rows: Sequence[Row], name: str) -> Folder:
    """The aggregates of one folder; where it is a published one, with its source."""
    digest = data_hash(rows, file_hashes(rows))
    source = source_of(rows) or BY_FOLDER.get(digest)
    pictures = Counter(row.lesion_id for row in rows)
    sites: dict[str, Counter[str]] = {}
    for row in rows:
        sites.setdefault(_site(row), Counter())[_sex(row)] += 1
    return Folder(
        name=source.name if source else name,
        citation=source.citation if source else "",
        licence=source.licence if source else "",
        data_hash=digest,
        pictures=len(rows),
        lesions=len(pictures),
        lesions_of_several=sum(count > 1 for count in pictures.values()),
        classes=_sorted(Counter(row.dx for row in rows)),
        sexes=_sorted(Counter(_sex(row) for row in rows)),
        ages=dict(sorted(Counter(map(_age, rows)).items(), key=lambda age: int(age[0] or -1))),
        sites={site: _sorted(counts) for site, counts in sorted(sites.items())},
    )


def beside(bundle: Bundle, folders: Sequence[Folder]) -> Explored:
    """``folders`` for ``bundle``; raises :class:`TrainingError` where it was trained on others."""
    wanted = trained_on(bundle.manifest)
    for folder in folders:
        if folder.data_hash not in wanted:
            raise TrainingError(f"The bundle was not trained on the folder {folder.name!r}.")
    if {folder.data_hash for folder in folders} != wanted:
        raise TrainingError(
            f"The bundle was trained on {len(wanted)} folders; name them all (--also)."
        )
    full_name = f"{bundle.name}-{bundle.version}"
    return Explored(full_name, bundle.manifest_hash, tuple(folders))


def _site(row: Row) -> str:
    """As packs write it: "lower_extremity"."""
    named = recorded(row.localization)
    return site_of(row.localization) if named else ""


def _sex(row: Row) -> str:
    return row.sex if recorded(row.sex) else ""


def _age(row: Row) -> str:
    return "" if row.age is None else str(int(row.age // AGES) * AGES)


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items()))
