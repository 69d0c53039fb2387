"""What the demo's doctors have answered already, so that there is something to look back on.

Made by the code that makes every case, in two steps with the workers between them: the cases are
sent and read blind (:func:`send`), and signed once the computer's view is in (:func:`answer`).
"""

from __future__ import annotations

import io
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.models import Clinic, User
from diagnoses import intake, workflow
from diagnoses.models import Case, Outcome, Review
from diagnoses.models.case import OPEN
from mlservice.packs import load_pack
from mlservice.packs.skin.drawing import draw
from portal import demo
from portal.samples import jpeg

_KEYS = uuid.UUID("1d0c7e52-4a0f-4b2f-8f0e-6f6b3a1c2d90")  # the same case, the same form
_SEED = 4100
# What is drawn, again and again: half of it naevi, as in a clinic.
KINDS = ("bkl", "nv", "mel", "nv", "bcc", "nv", "akiec", "nv", "df", "nv", "vasc", "nv")
MOST = 3 * len(KINDS)
PLANS = {
    "nv": Review.Plan.REASSURE,
    "bkl": Review.Plan.REASSURE,
    "df": Review.Plan.REASSURE,
    "vasc": Review.Plan.REASSURE,
    "akiec": Review.Plan.TREAT,
    "bcc": Review.Plan.SEE,
    "mel": Review.Plan.REFER_URGENT,
}
# What some of them are taken for at first.
MISTAKEN = {
    "nv": "mel",
    "bkl": "nv",
    "df": "nv",
    "vasc": "nv",
    "akiec": "bkl",
    "bcc": "akiec",
    "mel": "nv",
}
BECAUSE = {
    "nv": "An even network out to the edge.",
    "bkl": "White dots, a sharp edge, no network.",
    "df": "A pale centre with a fine network around it.",
    "vasc": "Red lakes, nothing brown.",
    "akiec": "Scales on skin the sun has damaged.",
    "bcc": "Branching vessels and no network.",
    "mel": "Several colours, and a network that ends abruptly.",
}
HARMLESS = (
    "I have looked at your photo. This is a common harmless growth of the skin. It needs no "
    "treatment.\n\nIf it bleeds, grows quickly or changes colour, send us a new photo."
)
QUESTION = "I see no network here and would leave it. Would you?"


@dataclass(frozen=True, slots=True)
class Past:
    """One case of the past, by its number; whatever is not said follows from that."""

    number: int

    @property
    def key(self) -> uuid.UUID:
        return uuid.uuid5(_KEYS, str(self.number))

    @property
    def kind(self) -> str:
        return KINDS[self.number % len(KINDS)]

    @property
    def asks(self) -> bool:
        """Not signed: its doctor asks a colleague first."""
        return self.number == 0

    @property
    def is_drawn(self) -> bool:
        """To be read a second time."""
        return self.number == 1

    @property
    def doctor(self) -> demo.Person:
        return demo.SECOND_DOCTOR if self.number % len(KINDS) < 2 else demo.DOCTOR

    @property
    def patient(self) -> demo.Person:
        return demo.OTHER_PATIENTS[self.number % len(demo.OTHER_PATIENTS)]

    @property
    def first(self) -> str:
        """The doctor's own reading."""
        return MISTAKEN[self.kind] if self.number % 7 == 5 else self.kind

    @property
    def phone(self) -> bool:
        return self.number % 6 == 5

    def answer(self, case: Case) -> workflow.Answer:
        """As its doctor signs it, with the computer's view beside their own."""
        view = case.prediction
        says = view.top_label if view and view.names_a_class else ""
        label = self.kind if says == self.kind else self.first
        again = label == "nv" and self.number % 4 == 3
        return workflow.Answer(
            diagnosis=label,
            plan=Review.Plan.RECHECK if again else PLANS[label],
            advice=_words(label, again=again),
            recheck_days=90 if again else None,
            agrees=label == says if says else None,
            differs_because=BECAUSE[label] if says and label != says else "",
        )


def planned(count: int) -> list[Past]:
    return [Past(number) for number in range(min(count, MOST))]


def send(count: int) -> Iterator[Past]:
    """Cases of the past as they come in: sent by their patients, read by their doctors, unaided."""
    for past in planned(count):
        if not Case.objects.filter(submit_key=past.key).exists():
            _send(past)
        yield past


def _send(past: Past) -> None:
    kind = "close_up" if past.phone else "dermoscopic"
    picture = draw(_SEED + past.number, kind=past.kind, phone=past.phone)
    pack = load_pack(settings.PACK)
    photo = intake.clean(io.BytesIO(jpeg(picture)), pack.glance_at(kind))
    doctor = _user(past.doctor)
    case = workflow.submit(
        _user(past.patient),
        workflow.Submission(
            pack_name=settings.PACK,
            site=demo.SITES[past.number * 3 % len(demo.SITES)],
            side=("left", "right")[past.number // 2 % 2],
            photos=[workflow.NewPhoto(kind, photo, sent_anyway=bool(photo.quality.reasons))],
            answers=demo.ANSWERS[past.number % len(demo.ANSWERS)],
            submit_key=past.key,
            doctor=doctor,
        ),
    )
    workflow.read_first(
        case,
        doctor,
        diagnosis=past.first,
        confidence="sure" if past.first == past.kind else "unsure",
        plan=PLANS[past.first],
    )
    if past.asks:
        workflow.ask_colleague(case, doctor, _user(demo.DOCTOR), QUESTION)


def answer(seconds: float) -> int:
    """Sign what was sent and is still open, as the views come in; how many are left.

    After so many ``seconds`` what the computer has not seen stays on the worklist.
    """
    open_ones = {past.key: past for past in planned(MOST) if not past.asks}
    deadline = time.monotonic() + seconds
    while True:
        waiting = Case.objects.filter(submit_key__in=open_ones).filter(OPEN)
        for case in waiting.exclude(status=Case.Status.REGISTERED).select_related("clinic"):
            with suppress(workflow.WorkflowError):  # somebody at the keyboard was faster
                _sign(open_ones[case.submit_key], case)
        left = waiting.count()
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.2)


def _sign(past: Past, case: Case) -> None:
    doctor = _user(past.doctor)
    if past.is_drawn:
        _sign_and_draw(case, doctor, past.answer(case))
    else:
        workflow.sign(case, doctor, past.answer(case))
    if found := _outcome(past):
        workflow.record_outcome(case, doctor, found_on=timezone.localdate(), **found)


def _sign_and_draw(case: Case, doctor: User, said: workflow.Answer) -> None:
    """No draw can be arranged; so for this one signature all are read twice."""
    clinic = Clinic.objects.filter(pk=case.clinic_id)
    usual = case.clinic.double_reading_percent
    with transaction.atomic():
        clinic.update(double_reading_percent=100)
        workflow.sign(case, doctor, said)
        clinic.update(double_reading_percent=usual)


def _outcome(past: Past) -> dict[str, str]:
    """What some turned out to be: the harmful ones, one of them less than was feared."""
    histology, follow_up = Outcome.Source.HISTOLOGY.value, Outcome.Source.FOLLOW_UP.value
    if past.number == 2 + len(KINDS):
        return {"source": histology, "diagnosis": "nv", "words": "Dysplastic, clear margins."}
    if load_pack(settings.PACK).label(past.kind).harmful:
        return {"source": histology, "diagnosis": past.kind, "words": ""}
    if past.number % 8 == 3:
        return {"source": follow_up, "diagnosis": past.kind, "words": "Unchanged."}
    return {}


def _words(label: str, *, again: bool) -> str:
    """The pack's own template for it, as a doctor would take it."""
    fitting = [one for one in load_pack(settings.PACK).templates if one.label == label]
    fitting.sort(key=lambda one: bool(one.recheck_days) != again)
    return fitting[0].text.strip() if fitting else HARMLESS


def _user(person: demo.Person) -> User:
    return User.objects.get(email=person.email)
