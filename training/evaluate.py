"""Any labelled folder through a bundle, by the engine's own functions: what is served is judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from tqdm import tqdm

from mlservice.engine import (
    Bundle,
    Modality,
    Picture,
    PictureAssessment,
    Predictor,
    RawScores,
    check_golden,
    open_predictor,
)
from mlservice.engine.assess import assess_scores, views, views_of_one
from mlservice.engine.judging.bootstrap import RESAMPLES
from mlservice.engine.judging.judged import Judged
from mlservice.engine.judging.metrics import measure
from mlservice.engine.reading import Doubles, calibrated, informed, known_of, weight_of
from mlservice.engine.types import Metadata
from training.data import Row
from training.pictures import prepare_row

CHUNK = 16


def evaluate(judged: Judged, bundle: Bundle, *, resamples: int = RESAMPLES) -> dict[str, Any]:
    """The numbers of ``bundle`` on pictures it has judged."""
    return {"bundle": full_name(bundle), **measure(judged, resamples=resamples)}


def heard(bundle: Bundle, rows: Sequence[Row]) -> dict[str, int]:
    """Of how many pictures the names were read with each kind of metadata that the bundle knows."""
    evidence = bundle.manifest.metadata or {}
    told = Counter(kind for row in rows for kind, _ in known_of(evidence, row.metadata))
    return {kind: told[kind] for kind in evidence}


def judge_rows(bundle: Bundle, rows: Sequence[Row], declared: Modality | None = None) -> Judged:
    """:func:`judge` with the bundle's own network, proved first.

    ``declared`` is how they were taken, by default the kind of picture the bundle is for. Raises
    :class:`~mlservice.engine.BundleError` when the network does not compute here what it did where
    it was made.
    """
    predictor = open_predictor(bundle)
    check_golden(bundle, predictor)
    return judge(bundle, predictor, rows, declared or bundle.modality)


def full_name(bundle: Bundle) -> str:
    """``skin-1``, whatever its folder is called here."""
    return f"{bundle.name}-{bundle.version}"


def judge(
    bundle: Bundle,
    predictor: Predictor,
    rows: Sequence[Row],
    declared: Modality,
    *,
    metadata: bool = True,
) -> Judged:
    """Assess the pictures of ``rows``, all declared as taken by ``declared``.

    Without ``metadata`` the names are those of the picture alone.
    """
    assessed: list[PictureAssessment] = []
    raw, each = [], views_of_one(bundle.fields)
    for pictures in _prepared(rows, bundle.side):
        scores = predictor.predict(views(pictures, bundle.fields))
        for number in range(len(pictures)):
            own = scores[each * number : each * (number + 1)]
            known = rows[len(assessed)].metadata if metadata else {}
            assessed.append(
                assess_scores(bundle, own, declared, metadata=known, threshold=bundle.threshold)
            )
            raw.append(_uncalibrated(bundle, own, known))
    return Judged.of(bundle, rows, assessed, np.stack(raw))


def _uncalibrated(bundle: Bundle, scores: Sequence[RawScores], known: Metadata) -> Doubles:
    """``(c,)``: as served, but with temperature 1."""
    mean: Doubles = calibrated(np.stack([one.logits for one in scores]).astype(float), 1.0).mean(0)
    evidence = bundle.manifest.metadata
    return informed(mean, weight_of(evidence, known, bundle.labels)) if evidence else mean


def _prepared(rows: Sequence[Row], side: int) -> Iterator[list[Picture]]:
    """Chunks of prepared pictures, the next ones made while the last are scored."""
    chunks = [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
    with ThreadPoolExecutor() as pool, tqdm(total=len(rows), desc="assess", unit="") as bar:
        ahead = [pool.submit(prepare_row, row, side) for row in chunks[0]]
        for following in [*chunks[1:], []]:
            now, ahead = ahead, [pool.submit(prepare_row, row, side) for row in following]
            yield [one.result() for one in now]
            bar.update(len(now))
