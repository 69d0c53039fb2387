"""What a form says so far: as a line in a list, as its fields' first values, as a summary."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import QueryDict
from django.utils.translation import gettext

from accounts import people, phone
from accounts.models import User
from diagnoses import conversation
from diagnoses.conversation import Step
from diagnoses.forms import SubmitForm
from diagnoses.models import Draft, DraftPhoto
from diagnoses.models.case import place_in_words
from mlservice.packs import PackError
from mlservice.readers import pack_for_reader


@dataclass(frozen=True, slots=True)
class Begun:
    """A form that was begun, as its line in a list shows it."""

    key: UUID
    title: str  # the place, or that none is chosen yet
    step: str  # where to go on
    touched_at: datetime
    photo: DraftPhoto | None
    patient: User


@dataclass(frozen=True, slots=True)
class Said:
    """One line of the summary."""

    title: Any
    answer: str  # "" where it was left open
    step: Step


def line_of(draft: Draft) -> Begun:
    pack = pack_for_reader(draft.pack_name)
    photo = DraftPhoto.objects.filter(patient=draft.patient_id, submit_key=draft.submit_key)
    return Begun(
        draft.submit_key,
        _place(draft) or gettext("A mark, no place chosen yet"),
        draft.step or conversation.steps(pack)[0].name,
        draft.touched_at,
        photo.order_by("created_at").first(),
        draft.patient,
    )


def initial(draft: Draft) -> dict[str, Any]:
    """What the fields show: what is kept in the draft, and nothing where that is nothing."""
    data = conversation.typed(draft)
    pack = pack_for_reader(draft.pack_name)
    several = {f"q_{q.name}" for q in pack.questions if q.kind == "choices"}
    return {name: data.getlist(name) if name in several else data.get(name) for name in draft.data}


def summary(draft: Draft, form: SubmitForm) -> dict[str, Any]:
    """The lines of the last screen, and what still stands in the way, each with its screen."""
    pack = form.pack
    every = conversation.steps(pack)
    by_name = {step.name: step for step in every}
    answers = [
        Said(step.title, _answer(draft, step), step) for step in every if step.question is not None
    ]
    data = conversation.typed(draft)
    return {
        "photos": _photos(form, data),
        "photo_step": by_name["photo"],
        "place": _said_of_place(draft, by_name.get("place")),
        "answers": answers,
        "open_answers": sum(not said.answer for said in answers),
        "people": [
            Said(by_name["doctor"].title, _doctor(data), by_name["doctor"]),
            Said(by_name["contact"].title, _contact(draft, data), by_name["contact"]),
        ],
        "problems": [
            (error, conversation.step_of(field, pack))
            for field, errors in form.errors.items()
            for error in errors
        ],
    }


def _said_of_place(draft: Draft, step: Step | None) -> Said | None:
    """``None`` where there is only one place: nobody was asked."""
    return None if step is None else Said(step.title, _place(draft), step)


def _photos(form: SubmitForm, data: QueryDict) -> list[tuple[DraftPhoto, str]]:
    """Those that will be sent, each with what it is."""
    found = []
    for name, slot in form.slots.items():
        if slot.draft is None or data.get(f"{name}_left_out"):
            continue
        chosen = data.get(f"{name}_kind")
        kind = next((kind for kind in slot.kinds if kind.name == chosen), slot.kinds[0])
        found.append((slot.draft, kind.text))
    return found


def _place(draft: Draft) -> str:
    data = conversation.typed(draft)
    try:
        pack = pack_for_reader(draft.pack_name)
        if pack.only_site is not None:
            return pack.only_site.text
        return place_in_words(pack, data.get("site", ""), data.get("side", ""))
    except PackError:
        return ""


def _answer(draft: Draft, step: Step) -> str:
    if step.question is None:
        return ""
    given = draft.data.get(step.fields[0], [])
    if step.question.kind == "text":
        return "".join(given)
    return ", ".join(choice.text for choice in step.question.choices if choice.value in given)


def _doctor(data: QueryDict) -> str:
    if data.get("doctor_name"):
        return gettext("%(name)s, to be invited") % {"name": data["doctor_name"]}
    chosen = data.get("doctor", "")
    doctor = (
        User.objects.reading_doctors().filter(pk=chosen).first() if chosen.isdecimal() else None
    )
    return str(doctor) if doctor else gettext("Any doctor at my clinic")


def _contact(draft: Draft, data: QueryDict) -> str:
    if number := data.get("contact"):
        return number
    known = people.reachable_number(draft.patient.reader)
    return phone.spoken(known.e164) if known else ""
