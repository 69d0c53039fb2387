"""A worklist for the demo, sent in the way patients send: through intake and workflow."""

from __future__ import annotations

import io
import itertools
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models.functions import Now
from tqdm import tqdm

from accounts.models import User
from diagnoses import intake, workflow
from diagnoses.models import Case, Review
from mlservice import registry
from mlservice.packs import load_pack
from mlservice.packs.skin.drawing import draw, draw_cast
from portal import demo, past
from portal.samples import SEED, jpeg, the_same_mark

COUNT = 24
PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".heic"}
_KEYS = uuid.UUID("5f0c0f0e-7d1b-4c3a-9c49-1a6c0ad6f9e4")  # the same case, the same form

# What the doctor wrote about the mark that is sent twice.
AGAIN = workflow.Answer(
    diagnosis="nv",
    plan=Review.Plan.RECHECK,
    recheck_days=84,
    advice="This is an ordinary mole. It is even in shape and colour.\n\nTake a new photo in "
    "twelve weeks from the same distance, so that we can lay the two over each other. Tell us "
    "before then if it grows, changes colour, bleeds or itches.",
)


@dataclass(frozen=True, slots=True)
class Source:
    """One picture to come: its name makes the case's key, so that it is sent once."""

    name: str
    kind: str
    path: Path | None = None
    content: bytes = b""

    def open(self) -> IO[bytes]:
        return self.path.open("rb") if self.path else io.BytesIO(self.content)


class Command(BaseCommand):
    help = "Send cases in the names of the demo's patients. What was sent before is left alone."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--photos", type=Path, help="a folder of pictures to send")
        parser.add_argument("--count", type=int, default=COUNT)

    def handle(self, *_: Any, photos: Path | None, count: int, **__: Any) -> None:
        if not settings.DEMO:
            raise CommandError("Cases of made-up patients are sent only in the demo (DEMO=1).")
        if photos is None and Case.objects.exists():
            return
        sources = from_folder(photos, count) if photos else drawn(count)
        patients = list(
            User.objects.filter(email__in=[p.email for p in (demo.PATIENT, *demo.OTHER_PATIENTS)])
        )
        if not patients:
            raise CommandError("The demo's patients are missing: run demo_people first.")
        if photos is None:
            send_the_past(count)
        bar = tqdm(
            sources, total=count, desc="  Sending cases", unit="case", leave=False, disable=None
        )
        for number, source in enumerate(bar):
            sentence = send(source, number, patients[number % len(patients)])
            if sentence:
                bar.write(f"  {source.name}: {sentence}")
        if photos is None:
            patient = User.objects.get(email=demo.PATIENT.email)
            send_one_mark_twice(patient)
            send_one_to_be_reminded_of(patient)
            send_one_of_a_child(patient)
            send_other_kinds(patient)


def send(source: Source, number: int, patient: User) -> str:
    """Send one picture as a case; the sentence that refuses it, empty when it was taken."""
    key = uuid.uuid5(_KEYS, source.name)
    if Case.objects.filter(submit_key=key).exists():
        return ""
    try:
        with source.open() as upload:
            photo = intake.clean(upload, load_pack(settings.PACK).glance_at(source.kind))
    except intake.Refusal as refusal:
        return refusal.sentence
    case = workflow.submit(
        patient,
        workflow.Submission(
            pack_name=settings.PACK,
            # Varied for each patient.
            site=demo.SITES[(number + number // len(demo.SITES)) % len(demo.SITES)],
            photos=[
                # A poor picture goes to the doctor unscored: its sender chose not to retake it.
                workflow.NewPhoto(source.kind, photo, sent_anyway=bool(photo.quality.reasons))
            ],
            answers=demo.ANSWERS[number % len(demo.ANSWERS)],
            submit_key=key,
            doctor=User.objects.get(email=demo.DOCTOR.email) if number % 4 == 1 else None,
        ),
    )
    if question := demo.QUESTIONS.get(number):
        workflow.ask(case, patient, question, key)
    return ""


def send_the_past(count: int) -> None:
    """Half as many again as will wait. They come first, so that their views are soon in.

    A file says that they are to be signed, which is done beside the workers.
    """
    (settings.DATA_DIR / demo.PAST_WAITS).touch()
    number = min(past.MOST, count * 3 // 2)
    for _each in tqdm(
        past.send(number), "  The past", number, unit="case", leave=False, disable=None
    ):
        pass


def send_one_mark_twice(patient: User) -> None:
    """A mark with a past, so that there is something to compare: answered, then sent again.

    The first was not shown to the computer, so that it needs no worker to be answered.
    """
    first, later = (_photo(content) for content in the_same_mark())
    doctor = User.objects.get(email=demo.DOCTOR.email)
    case = workflow.submit(patient, _about_the_shoulder(first, "first", computer_check=False))
    workflow.read_first(case, doctor, diagnosis="nv", confidence="sure", plan=Review.Plan.RECHECK)
    workflow.sign(case, doctor, AGAIN)
    workflow.submit(patient, _about_the_shoulder(later, "later", lesion=case.lesion))
    if case.lesion:
        workflow.name_mark(case.lesion, patient, "The one on my shoulder blade")


def send_one_to_be_reminded_of(patient: User) -> None:
    """A mark whose new photo is due: the first sweep in the daytime reminds its patient."""
    photo = _photo(jpeg(draw(SEED + COUNT, kind="nv", phone=True)))
    case = workflow.submit(
        patient,
        workflow.Submission(
            pack_name=settings.PACK,
            site="upper_extremity",
            side="left",
            photos=[photo],
            answers=demo.CALM,
            submit_key=uuid.uuid5(_KEYS, "reminder"),
            computer_check=False,
        ),
    )
    doctor = User.objects.get(email=demo.DOCTOR.email)
    workflow.read_first(case, doctor, diagnosis="nv", confidence="sure", plan=Review.Plan.RECHECK)
    workflow.sign(case, doctor, AGAIN)
    case.nudges.update(due_at=Now(), not_before=Now())


def send_one_of_a_child(carer: User) -> None:
    """Sent by a mother for her child: the computer looks at it, and no doctor has yet."""
    child = carer.cared_for.get(name=demo.CHILD)
    workflow.submit(
        child,
        workflow.Submission(
            pack_name=settings.PACK,
            site="lower_extremity",
            side="right",
            photos=[_photo(jpeg(draw(SEED + COUNT + 1, kind="nv", phone=True)))],
            answers=demo.CALM | {"duration": "over_year", "skin_type": "iv"},
            submit_key=uuid.uuid5(_KEYS, "child"),
        ),
    )


def send_other_kinds(carer: User) -> None:
    """Of every other disease area that is offered a picture of each label, sent for the child."""
    child = carer.cared_for.get(name=demo.CHILD)
    for name in registry.offered()[1:]:
        pack, drawing = load_pack(name), import_module(f"mlservice.packs.{name}.drawing")
        for label in pack.labels:
            content = jpeg(drawing.draw(SEED, kind=label.name, size=(1000, 1000)))
            kind = pack.photo_kinds[0].name
            photo = intake.clean(io.BytesIO(content), pack.glance_at(kind))
            workflow.submit(
                child,
                workflow.Submission(
                    pack_name=name,
                    site=pack.sites[0].name,
                    photos=[
                        workflow.NewPhoto(kind, photo, sent_anyway=bool(photo.quality.reasons))
                    ],
                    answers=demo.OTHER_ANSWERS.get(name, {}),
                    submit_key=uuid.uuid5(_KEYS, f"{name}-{label.name}"),
                ),
            )


def _about_the_shoulder(photo: workflow.NewPhoto, name: str, **more: Any) -> workflow.Submission:
    return workflow.Submission(
        pack_name=settings.PACK,
        site="back",
        side="right",
        photos=[photo],
        answers=demo.CALM | {"change_size": "not_sure"},
        submit_key=uuid.uuid5(_KEYS, f"twice-{name}"),
        **more,
    )


def _photo(content: bytes) -> workflow.NewPhoto:
    photo = intake.clean(io.BytesIO(content), load_pack(settings.PACK).glance_at("close_up"))
    return workflow.NewPhoto("close_up", photo, sent_anyway=bool(photo.quality.reasons))


def from_folder(folder: Path, count: int) -> list[Source]:
    """``count`` pictures of ``folder``, spread evenly over it."""
    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in PICTURES)
    if not found:
        raise CommandError(f"There is no JPEG, PNG, WebP or HEIC picture in {folder}.")
    step = max(1.0, len(found) / count)
    chosen = [found[int(i * step)] for i in range(min(count, len(found)))]
    return [Source(path.name, "dermoscopic", path=path) for path in chosen]


def drawn(count: int) -> Iterator[Source]:
    """Pictures drawn by code: mostly through a dermatoscope, some by phone, one out of focus."""
    cast = itertools.islice(draw_cast(count, SEED), count)
    for number, (kind, image) in enumerate(cast):
        name = f"drawn-{number}"
        if number % 5 == 3:
            yield Source(name, "close_up", content=jpeg(draw(SEED + number, kind=kind, phone=True)))
        elif number == 10:
            yield Source(name, "dermoscopic", content=jpeg(draw(SEED, kind=kind, blur=6.0)))
        else:
            yield Source(name, "dermoscopic", content=jpeg(image))
