"""Pictures whose truth is known, sent through the running portal as if patients sent them.

Everything is made by the code that makes every case: intake, workflow, the workers (or, where none
runs, this process by the workers' own functions). Nothing is back-dated, so a replay is one day on
the pages. Who sends and who signs is made up: patients have no login and are never written to.
"""

from __future__ import annotations

import csv
import random
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts import people
from accounts.models import Clinic, Consent, Role, User
from diagnoses import inference, intake, workflow
from diagnoses.models import Case, Lesion, Outcome, Prediction, Review
from diagnoses.models.case import OPEN
from mlservice import reports
from mlservice.engine.decoders import Decoder, Decoders
from mlservice.engine.judging.subgroups import age_band
from mlservice.packs import Pack, PackError
from mlservice.packs.records import AGES, asked, site_of
from mlservice.serving import Shelf

_KEYS = uuid.UUID("3d7f3a52-0a0c-4be6-9d0f-5d1f0f6c2a11")  # the same picture, the same case
DOMAIN: Final = "replay.invalid"
SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".webp")
KIND: Final = "dermoscopic"
HISTOLOGY: Final = "histo"
ADVICE: Final = "A replayed case with a known label. Nobody is behind it."
DIFFERS: Final = "Known from the data set."


class ReplayError(Exception):
    """It cannot be replayed; the message says why in a sentence."""


@dataclass(frozen=True, slots=True)
class Known:
    """One picture with its truth, as a line of the csv has it."""

    image_id: str
    dx: str
    lesion_id: str
    path: Path
    age: float | None
    sex: str
    site: str
    by_histology: bool


@dataclass(frozen=True, slots=True)
class House:
    """Where the cases go, and who signs."""

    clinic: Clinic
    doctor: User
    pack: Pack

    def key(self, image_id: str) -> uuid.UUID:
        return uuid.uuid5(_KEYS, f"{self.clinic.pk}/{image_id}")

    def cases(self) -> QuerySet[Case]:
        return Case.objects.filter(clinic=self.clinic)


# --- The folder ----------------------------------------------------------------------------------


def read(folder: Path, table: Path, pack: Pack) -> list[Known]:
    """The lines of ``table`` in the order of their lesions; raises :class:`ReplayError`.

    Lesions are numbered alike by the portal, in the order they are first sent, and by
    ``python -m training evaluate``, in the order of their names: so are the draws of the intervals.
    """
    paths = {path.stem: path for path in sorted(folder.rglob("*")) if _is_picture(path, folder)}
    labels = {label.name for label in pack.labels}
    try:
        with table.open(encoding="utf-8-sig", newline="") as opened:
            lines = list(csv.DictReader(opened))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ReplayError(f"{table} cannot be read: {error}.") from error
    if not lines or not {"image_id", "dx"} <= set(lines[0]):
        raise ReplayError(f"{table} has no lines, or no columns image_id and dx.")
    rows = [_known(line, paths, labels, table) for line in lines]
    if len({row.image_id for row in rows}) < len(rows):
        raise ReplayError(f"{table} lists a picture twice.")
    return sorted(rows, key=lambda row: (row.lesion_id, row.image_id))


def some_of(rows: Sequence[Known], limit: int, seed: int) -> list[Known]:
    """``limit`` of ``rows``, drawn; in their order."""
    if limit >= len(rows):
        return list(rows)
    drawn = random.Random(seed).sample(range(len(rows)), limit)  # noqa: S311 - a draw to repeat
    return [rows[number] for number in sorted(drawn)]


def _is_picture(path: Path, folder: Path) -> bool:
    inside = path.relative_to(folder).parts
    return path.suffix.lower() in SUFFIXES and "masks" not in inside


def _known(line: dict[str, str], paths: dict[str, Path], labels: set[str], table: Path) -> Known:
    image, dx = line["image_id"], line["dx"]
    if image not in paths:
        raise ReplayError(f"The picture {image!r} of {table.name} is not in the folder.")
    if dx not in labels:
        raise ReplayError(f"The label {dx!r} of {image!r} is not one of the pack's.")
    try:
        age = float(line["age"]) if line.get("age") else None
    except ValueError:
        age = None
    return Known(
        image,
        dx,
        line.get("lesion_id") or image,
        paths[image],
        age,
        line.get("sex", ""),
        line.get("localization", ""),
        line.get("dx_type") == HISTOLOGY,
    )


# --- The people ----------------------------------------------------------------------------------


@transaction.atomic
def house(name: str, pack: Pack) -> House:
    """The replay's clinic and its doctor; a clinic with other people in it is refused."""
    clinic, _ = Clinic.objects.get_or_create(name=name, defaults={"double_reading_percent": 0})
    if clinic.people.exclude(email__endswith=f"@{DOMAIN}").exists():
        raise ReplayError(f"{name} is a clinic of real people: a replay needs one of its own.")
    email = f"doctor-{clinic.pk}@{DOMAIN}"
    doctor = User.objects.filter(email=email).first()
    if doctor is None:
        admin = User.objects.filter(role=Role.ADMIN, is_active=True, clinic=None).first()
        if admin is None:
            raise ReplayError("There is no admin of all clinics who could verify the doctor.")
        doctor = User.objects.create_user(email, name=f"Replay ({name})")
        people.make_doctor(doctor, clinic)
        people.verify_doctor(doctor, by=admin)
        doctor.refresh_from_db()
    return House(clinic, doctor, pack)


def _patient(where: House, lesion_id: str) -> User:
    """One made-up person for each lesion; inactive, so that nothing is ever sent to them."""
    email = f"{uuid.uuid5(_KEYS, lesion_id).hex}-{where.clinic.pk}@{DOMAIN}"
    found = User.objects.filter(email=email).first()
    if found is None:
        with transaction.atomic():
            found = User.objects.create_user(
                email, name="Replayed", clinic=where.clinic, is_active=False
            )
            for kind in (Consent.Kind.CARE, Consent.Kind.COMPUTER_CHECK):
                people.give_consent(found, kind)
    return found


# --- The cases -----------------------------------------------------------------------------------


def send(where: House, row: Known) -> str:
    """One picture as a case, read first by the doctor; the sentence that refuses it, or "".

    Stopped in between, the next run finds the case and goes on with it.
    """
    case = where.cases().filter(submit_key=where.key(row.image_id)).first()
    if case is None:
        try:
            case = _sent(where, row)
        except intake.Refusal as refusal:
            return refusal.sentence
    if case.is_open:
        plan = _plan(row, where.pack)
        workflow.read_first(case, where.doctor, diagnosis=row.dx, confidence="sure", plan=plan)
    return ""


def _sent(where: House, row: Known) -> Case:
    """Raises ``intake.Refusal``."""
    with row.path.open("rb") as upload:
        photo = intake.clean(upload, where.pack.glance_at(KIND))
    patient = _patient(where, row.lesion_id)
    site = site_of(row.site)
    return workflow.submit(
        patient,
        workflow.Submission(
            pack_name=where.pack.name,
            site=site if site in asked(where.pack, "site") else "unknown",
            # Whoever photographed it would not take it again: the network sees it as it is.
            photos=[workflow.NewPhoto(KIND, photo)],
            answers=_answers(row, where.pack),
            submit_key=where.key(row.image_id),
            lesion=Lesion.objects.filter(patient=patient).first(),
        ),
    )


def sign(where: House, rows: Sequence[Known]) -> int:
    """Sign what the computer has looked at with the csv's label; how many are still open."""
    by_key = {where.key(row.image_id): row for row in rows}
    waiting = where.cases().filter(OPEN, submit_key__in=by_key)
    for case in waiting.exclude(status=Case.Status.REGISTERED).select_related("clinic"):
        row = by_key[case.submit_key]
        with transaction.atomic():  # signed without its histology it would not be found again
            _answered(where, case, row)
    return waiting.count()


def _answered(where: House, case: Case, row: Known) -> None:
    workflow.sign(case, where.doctor, _answer(row, case, where.pack))
    if row.by_histology:
        workflow.record_outcome(
            case,
            where.doctor,
            source=Outcome.Source.HISTOLOGY,
            diagnosis=row.dx,
            words="",
            found_on=timezone.localdate(),
        )


class Scorer:
    """Looks at what waits: the workers do, or this process where there are none."""

    def __init__(self) -> None:
        self.here = reports.workers() == 0
        self._shelf = Shelf()
        self._decoder: Decoder | None = Decoders() if self.here else None

    def turn(self) -> None:
        """One batch, or a short wait for those who do it."""
        if self._decoder is None:
            time.sleep(0.2)
            return
        inference.load_wanted(self._shelf)
        batch = inference.take(self._shelf, self._decoder)
        if batch is not None:
            inference.settle(batch, inference.predict(batch))

    def close(self) -> None:
        if isinstance(self._decoder, Decoders):
            self._decoder.close()


def keep(where: House, rows: Sequence[Known], folder: Path) -> int:
    """The pictures as the portal keeps them, with their labels, as ``evaluate`` reads a folder.

    Only of cases with a view; returns how many.
    """
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    kept = []
    for row, view in _seen(where, rows):
        with view.photo.file.open("rb") as picture:
            (images / f"{row.image_id}.jpg").write_bytes(picture.read())
        kept.append(row)
    columns = ("lesion_id", "image_id", "dx", "age", "sex", "localization")
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as opened:
        table = csv.writer(opened)
        table.writerow(columns)
        for row in kept:
            age = "" if row.age is None else row.age
            table.writerow((row.lesion_id, row.image_id, row.dx, age, row.sex, row.site))
    return len(kept)


def _seen(where: House, rows: Sequence[Known]) -> Iterator[tuple[Known, Prediction]]:
    by_key = {where.key(row.image_id): row for row in rows}
    live = Prediction.objects.live().filter(case__clinic=where.clinic)
    views = live.select_related("photo", "case").defer("embedding", "heat").order_by("pk")
    newest = {view.case.submit_key: view for view in views}
    for key, row in by_key.items():
        if key in newest:
            yield row, newest[key]


def _answers(row: Known, pack: Pack) -> dict[str, str]:
    """What the csv knows that the pack asks; nothing is made up."""
    said = {"sex": row.sex, "age": AGES.get(age_band(row.age), "")}
    found = {}
    for name, value in said.items():
        try:
            found[name] = pack.question(name).choice(value).value
        except PackError:
            continue
    return found


def _plan(row: Known, pack: Pack) -> str:
    """Never an urgent one: nobody is to be called about it."""
    harmful = pack.label(row.dx).harmful
    return (Review.Plan.SEE if harmful else Review.Plan.REASSURE).value


def _answer(row: Known, case: Case, pack: Pack) -> workflow.Answer:
    view = case.prediction
    says = view.top_label if view and view.names_a_class else ""
    return workflow.Answer(
        diagnosis=row.dx,
        plan=_plan(row, pack),
        advice=ADVICE,
        agrees=row.dx == says if says else None,
        differs_because=DIFFERS if says and row.dx != says else "",
    )
