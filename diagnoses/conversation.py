"""The form of a new case as a conversation: one question after another, kept after each.

Which questions there are is the pack's; nothing here names one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from diagnoses import drafts
from diagnoses.models import Case, Draft
from mlservice.packs import Pack, Question, load_pack

# Forms begun and not sent; the one that lay longest makes room.
MOST_DRAFTS = 5


@dataclass(frozen=True, slots=True)
class Step:
    """One screen: the fields of the form it asks for, and what it looks like."""

    name: str  # in its address
    title: Any  # for the summary and the browser's tab; a text, or one to be translated
    fields: tuple[str, ...]
    template: str
    slots: tuple[str, ...] = ()  # places for photos on it
    question: Question | None = None


CHECK = "check"


def steps(pack: Pack) -> tuple[Step, ...]:
    """All screens in their order; the last one is where the form is sent."""
    extra = tuple(kind.name for kind in pack.photo_kinds if not kind.scored)
    found = [
        Step(
            "photo",
            _("The photo"),
            ("main_photo", "main_kind", "main_as_it_is"),
            "cases/new/photo.html",
            slots=(drafts.MAIN,),
        )
    ]
    if extra:
        every = (f"{name}_{what}" for name in extra for what in ("photo", "as_it_is", "left_out"))
        found.append(
            Step("views", _("More photos"), tuple(every), "cases/new/views.html", slots=extra)
        )
    if pack.only_site is None:
        fields = ("site", "side", "spot")
        found.append(Step("place", _("The place"), fields, "cases/new/place.html"))
    found += [
        Step(q.name, q.text, (f"q_{q.name}",), "cases/new/question.html", question=q)
        for q in pack.questions
    ]
    doctor = ("doctor", "doctor_name", "doctor_number")
    found += [
        Step("doctor", _("The doctor"), doctor, "cases/new/doctor.html"),
        Step("contact", _("How to reach you"), ("contact", "messages"), "cases/new/contact.html"),
        Step(CHECK, _("Check and send"), ("care", "computer_check"), "cases/new/check.html"),
    ]
    return tuple(found)


def step_of(field: str, pack: Pack) -> Step:
    """The screen that asks for ``field``; the last one for what belongs to none."""
    every = steps(pack)
    return next((step for step in every if field in step.fields), every[-1])


def neighbours(step: Step, every: tuple[Step, ...]) -> tuple[Step | None, Step | None]:
    """The screens before and after this one."""
    i = every.index(step)
    return (every[i - 1] if i else None, every[i + 1] if i + 1 < len(every) else None)


def begun_by(user: User) -> QuerySet[Draft]:
    """What this person began, for themselves and for whom they look after, and has not sent; the
    newest first."""
    mine = Draft.objects.filter(patient__in=User.objects.answered_for_by(user))
    return mine.select_related("about", "patient__carer", "patient__clinic").order_by("-touched_at")


def typed(draft: Draft, posted: QueryDict | None = None, fields: Iterable[str] = ()) -> QueryDict:
    """All that was filled in so far; of ``fields``, what ``posted`` says now."""
    data = QueryDict(mutable=True)
    for name, values in draft.data.items():
        data.setlist(name, values)
    for name in fields:
        data.pop(name, None)
        if posted is not None and any(posted.getlist(name)):
            data.setlist(name, posted.getlist(name))
    return data


def begin(patient: User, key: UUID, pack: Pack, about: Case | None) -> Draft:
    """The row of what is begun, made where there is none yet: a photo is enough to go on with."""
    with transaction.atomic():
        drafts.one_at_a_time(patient)
        draft, made = Draft.objects.get_or_create(
            patient=patient,
            submit_key=key,
            defaults={"pack_name": pack.name, "about": about},
        )
        if made:
            for forgotten in Draft.objects.filter(patient=patient).order_by("-touched_at")[
                MOST_DRAFTS:
            ]:
                forget(forgotten)
    return draft


def keep(draft: Draft, step: Step, data: QueryDict, after: Step | None) -> None:
    """Save this step's fields, and nothing about the others: another tab may have them newer."""
    answered = {name: data.getlist(name) for name in step.fields if any(data.getlist(name))}
    with transaction.atomic():
        pack = load_pack(draft.pack_name)
        kept = begin(draft.patient, draft.submit_key, pack, draft.about)
        rest = {name: value for name, value in kept.data.items() if name not in step.fields}
        draft.data = rest | answered
        Draft.objects.filter(pk=kept.pk).update(
            data=draft.data, step=after.name if after else step.name, touched_at=Now()
        )


def forget(draft: Draft) -> None:
    """The draft and its photos: it was sent, or its owner wants it gone."""
    drafts.discard(drafts.slots(draft.patient, draft.submit_key, load_pack(draft.pack_name)))
    Draft.objects.filter(patient=draft.patient, submit_key=draft.submit_key).delete()
