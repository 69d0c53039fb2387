"""Send photos as a patient and print each one's whole journey with its times.

``manage.py submit PHOTO … --as EMAIL`` runs against whatever workers are running. The clock
starts where the web process has the upload in its hands; ``benchmarks/journey.py`` measures the
same over HTTP.
"""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from diagnoses import workflow
from diagnoses.intake import Refusal, clean
from diagnoses.models import Case, Scoring
from diagnoses.presenting import patient_card
from diagnoses.states import NewPhoto, Submission, WorkflowError
from mlservice.packs import load_pack
from notifications.models import Message

PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".heic"}
POLL = 0.005  # seconds


class Command(BaseCommand):
    help = "Submit photos as a patient and print the whole journey with times."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("photos", nargs="+", type=Path, help="picture files or folders")
        parser.add_argument("--as", dest="email", required=True, help="the patient's e-mail")
        parser.add_argument("--pack", default=settings.PACK)
        parser.add_argument("--site", default="unknown", help="a body site of the pack")
        parser.add_argument("--kind", default="dermoscopic", help="a photo kind of the pack")
        parser.add_argument("--count", type=int, default=50, help="at most this many photos")
        parser.add_argument("--timeout", type=float, default=60, help="seconds to wait for each")

    def handle(self, *_: Any, **options: Any) -> None:
        patient = User.objects.filter(email=options["email"].lower()).first()
        if patient is None or not patient.is_patient:
            raise CommandError(f"There is no patient with the address {options['email']}.")
        paths = list(pictures(options["photos"]))[: options["count"]]
        if not paths:
            raise CommandError("There are no pictures there.")
        predicted: list[float] = []
        for path in paths:
            seconds = self._journey(path, patient, options)
            predicted += [] if seconds is None else [seconds]
        if len(predicted) > 1:
            self._summary(predicted, len(paths))

    def _journey(self, path: Path, patient: User, options: dict[str, Any]) -> float | None:
        """Send one photo and follow it; returns the seconds until its prediction could be read."""
        start = time.perf_counter()
        try:
            pack = load_pack(options["pack"])
            photo = clean(io.BytesIO(path.read_bytes()), pack.glance_at(options["kind"]))
            case = workflow.submit(
                patient,
                Submission(
                    pack_name=pack.name,
                    site=options["site"],
                    # As on the page: a poor photo sent as it is goes to a doctor, unscored.
                    photos=[NewPhoto(options["kind"], photo, bool(photo.quality.reasons))],
                ),
            )
        except (Refusal, WorkflowError, OSError) as error:
            self.stderr.write(f"{path.name}: refused. {error}")
            return None
        accepted = time.perf_counter() - start
        scored = _wait(lambda: not _open_rows(case), start, options["timeout"])
        sent = _wait(lambda: not _unsent(case), start, options["timeout"])
        case.refresh_from_db()
        self.stdout.write(
            f"{path.name}: case {case.reference}  accepted {_ms(accepted)}  "
            f"predicted {_ms(scored)}  messages sent {_ms(sent)}\n"
            f"    {case.get_tier_display() or 'unscored'}: {patient_card(case).headline}"
        )
        return scored if case.prediction else None

    def _summary(self, predicted: list[float], sent: int) -> None:
        ordered = sorted(predicted)
        p95 = ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]
        self.stdout.write(
            f"{len(predicted)} of {sent} predicted. From submission to visible prediction: "
            f"p50 {_ms(statistics.median(ordered))}, p95 {_ms(p95)}, max {_ms(ordered[-1])}"
        )


def pictures(places: list[Path]) -> Iterator[Path]:
    """The picture files among ``places`` and in the folders among them, sorted."""
    for place in places:
        if place.is_dir():
            yield from sorted(p for p in place.iterdir() if p.suffix.lower() in PICTURES)
        elif place.is_file():
            yield place
        else:
            raise CommandError(f"There is no {place}.")


def _open_rows(case: Case) -> bool:
    return Scoring.objects.live().waiting().filter(case=case).exists()


def _unsent(case: Case) -> bool:
    about = f"case:{case.pk}"
    return Message.objects.filter(about=about, state=Message.State.PENDING).exists()


def _wait(done: Callable[[], bool], start: float, timeout: float) -> float | None:
    """Seconds since ``start`` until ``done()``, or ``None`` after ``timeout``."""
    while not done():
        if time.perf_counter() - start > timeout:
            return None
        time.sleep(POLL)
    return time.perf_counter() - start


def _ms(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds * 1000:.0f} ms"
