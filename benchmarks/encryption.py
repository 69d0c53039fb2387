"""What it costs that pictures rest sealed: opened, shown, scored and kept, against plain files.

In this process, on the disk both lie on: the portal's own storage with its row for each key, and
Django's for plain files in its place, in turn. Scoring is what an inference worker does with a
case: its photo read, decoded, and the forwards of one view.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from typing import TYPE_CHECKING, Any
from uuid import UUID

from benchmarks.measuring import Report, in_turn, ratio
from benchmarks.rig import LARGE, SMALL, RawLoop, Rig, drawn

if TYPE_CHECKING:
    from diagnoses.models import Photo

SIZES = {"600×450": (SMALL, 40), "12 megapixels": (LARGE, 8)}
DISTINCT = 4
PLAIN = "diagnoses.places.Disk"  # flushed to the disk, as the sealed ones are
Work = Callable[[Sequence["Photo"]], None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cases", type=float, default=1.0, help="times the usual number of cases")


def run(options: argparse.Namespace) -> Report:
    report = Report("–", "sealed ÷ plain: time to open, show, score and keep a photo")
    with Rig() as rig:
        from diagnoses.models import Photo

        raw = RawLoop()
        logging.getLogger("portal.access").setLevel(logging.WARNING)
        for name, (size, usual) in SIZES.items():
            count = round(usual * options.cases)
            before = set(Photo.objects.values_list("pk", flat=True))
            rig.queue(rig.senders(1)[0], drawn(min(DISTINCT, count), size), count)
            photos = [one.pk for one in Photo.objects.exclude(pk__in=before)]
            with _plain_copies(rig, photos) as plain:
                for what, work in _works(raw).items():
                    _compare(report, f"{what}, {name}", work, photos, plain, options.pairs)
    return report


def _compare(
    report: Report, name: str, work: Work, photos: Sequence[UUID], plain: Any, pairs: int
) -> None:
    from django.test.utils import override_settings

    from diagnoses.models import Photo

    def timed() -> float:
        rows = list(Photo.objects.filter(pk__in=photos).select_related("case__patient"))
        started = time.perf_counter()
        work(rows)
        return (time.perf_counter() - started) / len(rows)

    def without() -> float:
        with override_settings(STORAGES=plain):
            return timed()

    timed(), without()  # warm
    found = in_turn({"sealed": timed, "plain": without}, pairs)
    report.figures.append(ratio(f"sealed ÷ plain: {name}", found["sealed"], found["plain"]))
    ms = {key: round(1000 * median(values), 2) for key, values in found.items()}
    report.detail[f"{name}, ms a photo"] = ms
    report.notes.append(f"{name}: {ms['sealed']} ms a photo sealed, {ms['plain']} plain")


@contextmanager
def _plain_copies(rig: Rig, photos: Sequence[UUID]) -> Iterator[dict[str, Any]]:
    """``STORAGES`` with plain copies of the photos under the same names."""
    from django.conf import settings

    from diagnoses.models import Photo

    folder = rig.folder / "plain"
    for photo in Photo.objects.filter(pk__in=photos):
        path = folder / str(photo.file.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with photo.file.open("rb") as file:
            path.write_bytes(file.read())
    plain = {"BACKEND": PLAIN, "OPTIONS": {"location": str(folder)}}
    yield settings.STORAGES | {"default": plain}


def _works(raw: RawLoop) -> dict[str, Work]:
    def scored(photos: Sequence[Photo]) -> None:
        from mlservice.engine import prepare
        from mlservice.engine.assess import views

        for content in _contents(photos):
            picture = prepare(content, raw.bundle.side)
            raw.predictor.predict(views([picture], raw.bundle.fields))

    return {"opened": _opened, "shown": _shown, "scored": scored, "kept and deleted": _kept}


def _contents(photos: Sequence[Photo]) -> Iterator[bytes]:
    for photo in photos:
        with photo.file.open("rb") as file:
            yield file.read()


def _opened(photos: Sequence[Photo]) -> None:
    for _ in _contents(photos):
        pass


def _shown(photos: Sequence[Photo]) -> None:
    from django.test import Client

    client = Client(HTTP_HOST="localhost")
    client.force_login(photos[0].case.patient)
    for photo in photos:
        response = client.get(f"/photos/{photo.pk}/")
        if response.status_code != 200 or not response.content.startswith(b"\xff\xd8"):
            raise RuntimeError(f"{photo.pk} was not shown")


def _kept(photos: Sequence[Photo]) -> None:
    from django.core.files.base import ContentFile
    from django.core.files.storage import default_storage

    for number, content in enumerate(_contents(photos)):
        name = default_storage.save(f"drafts/bench/{number}.jpg", ContentFile(content))
        default_storage.delete(name)
