"""The folder itself: pictures, ``labels.csv``, ``manifest.json``, ``README.txt``.

Nothing of ours but pseudonyms, labels and body sites goes in: no dates, no names, no references.
A picture is copied byte by byte, if it still is what intake rebuilt from pixels and nothing else.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from django.core.files.storage import default_storage
from django.template.loader import render_to_string
from django.utils import translation

from accounts import wording
from diagnoses.learning.pseudonyms import pseudonym
from diagnoses.learning.which import RESEARCH, Item, Wanted

FORMAT = 1  # counted up when a reader of the table or the manifest would have to change
TABLE, MANIFEST, README = "labels.csv", "manifest.json", "README.txt"
COLUMNS = ("image_id", "lesion_id", "patient_id", "dx", "dx_source", "localization")


class Sink(Protocol):
    """Where the files of the folder go."""

    def put(self, name: str, content: bytes) -> None: ...


class Zipped:
    """Into a zip, in which every file is as old as the format itself."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def put(self, name: str, content: bytes) -> None:
        entry = zipfile.ZipInfo(name)  # of 1980: when we wrote it is nobody's business
        entry.external_attr = 0o644 << 16
        # A JPEG packed again would cost time and save nothing.
        entry.compress_type = zipfile.ZIP_STORED if name.endswith(".jpg") else zipfile.ZIP_DEFLATED
        self._archive.writestr(entry, content)


class Unpacked:
    """Into a folder on the disk that is empty or not there yet."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, name: str, content: bytes) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@dataclass(frozen=True, slots=True)
class Written:
    """What went in: ``counts`` as in the manifest, ``table_hash`` of labels.csv."""

    items: list[Item]
    counts: dict[str, Any]
    table_hash: str


def write(
    sink: Sink,
    wanted: Wanted,
    items: Sequence[Item],
    *,
    export: str,
    copies: int,
    step: Callable[[int], None],
) -> Written:
    """Pictures first, then what is said of them. ``step`` hears how many pictures are done.

    A picture whose file is gone or is not what was stored is left out and counted.
    """
    there: list[Item] = []
    for number, item in enumerate(items, 1):
        content = _picture(item)
        if content is not None:
            sink.put(f"images/{pseudonym('picture', item.photo)}.jpg", content)
            there.append(item)
        step(number)
    rows = table(there)
    written = Written(
        there,
        {
            "pictures": len(there),
            **counts(there),
            "left_out": {"copies": copies, "unreadable": len(items) - len(there)},
        },
        hashlib.sha256(rows).hexdigest(),
    )
    if there:
        sink.put(TABLE, rows)
        sink.put(MANIFEST, _manifest(wanted, written, export))
        sink.put(README, _readme(wanted, written))
    return written


def _picture(item: Item) -> bytes | None:
    try:
        with default_storage.open(item.file) as file:
            content: bytes = file.read()
    except OSError:
        return None
    return content if hashlib.sha256(content).hexdigest() == item.sha256 else None


def table(items: Sequence[Item]) -> bytes:
    """The csv, in the order of its names: nobody can read from it what came first."""
    lines = sorted(
        (
            pseudonym("picture", item.photo),
            pseudonym("lesion", item.lesion),
            pseudonym("patient", item.patient),
            item.dx,
            item.source.value,
            item.site,
        )
        for item in items
    )
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(lines)
    return buffer.getvalue().encode()


def counts(items: Sequence[Item]) -> dict[str, Any]:
    """By label: pictures, marks, people; by source of the label: marks."""
    labels = sorted({item.dx for item in items})
    by_label = {}
    for label in labels:
        ours = [item for item in items if item.dx == label]
        by_label[label] = {
            "pictures": len(ours),
            "lesions": len({item.lesion for item in ours}),
            "patients": len({item.patient for item in ours}),
        }
    sources = {item.lesion: item.source.value for item in items}
    return {
        "lesions": len(sources),
        "patients": len({item.patient for item in items}),
        "labels": by_label,
        "sources": dict(sorted(Counter(sources.values()).items())),
    }


def _manifest(wanted: Wanted, written: Written, export: str) -> bytes:
    said = {
        "format": FORMAT,
        "export": export,
        "pack": {"name": wanted.pack.name, "version": wanted.pack.version},
        "modality": wanted.modality,
        "scope": "one clinic" if wanted.clinic else "all clinics",
        "consent": {
            "kind": RESEARCH.value,
            "version": wording.version(RESEARCH),
            "text": wording.as_read(RESEARCH, "en-gb"),
        },
        "table": {"file": TABLE, "columns": COLUMNS, "sha256": written.table_hash},
        "counts": written.counts,
    }
    return json.dumps(said, ensure_ascii=False, indent=1).encode()


def _readme(wanted: Wanted, written: Written) -> bytes:
    context = {
        "pack": wanted.pack,
        "modality": wanted.modality,
        "consent": wording.WORDING[RESEARCH],
        "counts": written.counts,
        "labels": [
            (label.name, label.title, written.counts["labels"][label.name])
            for label in wanted.pack.labels
            if label.name in written.counts["labels"]
        ],
    }
    with translation.override("en-gb"):  # the field's language, whoever asked
        return render_to_string("learning/readme.txt", context).encode()
