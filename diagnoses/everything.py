"""A copy of everything the portal keeps of one patient, for that patient.

What they may see on the pages stands in it and nothing else: the computer's view in the words of
the clinic's policy, answers whose seconds to undo are over, no note from doctor to doctor. The
number of queries does not grow with the number of cases, and pictures are only named here: whoever
packs them reads one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Prefetch
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import AuditEntry, Consent, User
from accounts.wording import as_read, version
from diagnoses import presenting, telling
from diagnoses.archive import came
from diagnoses.models import (
    Case,
    CaseEvent,
    CaseShare,
    Lesion,
    Nudge,
    Photo,
    Prediction,
    Remark,
    Review,
)
from notifications.models import Message

FORMAT = 1  # counted up when a reader of lentigo.json would have to change


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of the copy: its file in the private storage, and its name in the zip."""

    file: str
    name: str


@dataclass(frozen=True, slots=True)
class Everything:
    """``record`` is what lentigo.json holds: plain values only."""

    record: dict[str, Any]
    pictures: tuple[Picture, ...]


def gather(patient: User) -> Everything:
    """All of ``patient``'s, as of now."""
    cases = _cases(patient)
    folders = _folders(cases)
    pictures = tuple(
        Picture(str(photo.file.name), name)
        for case in cases
        for photo, name in _named(case, folders[case.pk])
    )
    record = {
        "format": FORMAT,
        "made_at": timezone.now(),
        "account": {
            "name": patient.name,
            "email": patient.email if patient.carer is None else None,
            "looked_after_by": patient.carer.name if patient.carer else None,
            "looks_after": [person.name for person in patient.cared_for.order_by("pk")],
            "clinic": patient.clinic.name if patient.clinic else None,
            "since": patient.date_joined,
            "last_login": patient.last_login,
            "language": patient.language or None,
        },
        "phone_numbers": [_number(number) for number in patient.numbers.order_by("pk")],
        "consents": [
            _consent(consent)
            for consent in patient.consents.select_related("given_by").order_by("pk")
        ],
        "marks": [_mark(mark) for mark in patient.lesions.order_by("created_at")],
        "cases": [_case(case, folders[case.pk]) for case in cases],
        "reminders": [_reminder(row) for row in patient.nudges.order_by("due_at", "pk")],
        "reminders_stopped": [
            {"what": stop.kind, "stopped_at": stop.stopped_at, "wanted_again_at": stop.resumed_at}
            for stop in patient.reminder_stops.order_by("pk")
        ],
        "messages": [_message(row) for row in patient.notices.order_by("created_at")],
        "who_did_what": list(_trail(patient, cases)),
    }
    return Everything(record, pictures)


def _cases(patient: User) -> list[Case]:
    live = Prediction.objects.live().order_by("pk")
    live = live.select_related("photo").defer("embedding", "heat", "probabilities", "photos")
    said = Review.objects.standing().filter(effective_at__lte=timezone.now()).order_by("pk")
    return list(
        Case.objects.filter(patient=patient)
        .order_by("submitted_at", "pk")
        .select_related("clinic", "doctor", "invitation__accepted_by", "came__by")
        .prefetch_related(
            "photos",
            "events",
            Prefetch("shares", CaseShare.objects.select_related("doctor__clinic", "shared_by")),
            Prefetch("remarks", Remark.objects.select_related("author")),
            Prefetch("predictions", live, to_attr="views"),
            Prefetch("reviews", said.select_related("doctor"), to_attr="said"),
        )
    )


def _folders(cases: list[Case]) -> dict[Any, str]:
    """One folder for each case: its reference, or its whole id where two share the reference."""
    first = {case.reference: case.pk for case in reversed(cases)}
    return {
        case.pk: case.reference if first[case.reference] == case.pk else str(case.pk)
        for case in cases
    }


def _named(case: Case, folder: str) -> list[tuple[Photo, str]]:
    return [
        (photo, f"photos/{folder}/{number}-{photo.kind}.jpg")
        for number, photo in enumerate(case.photos.all(), 1)
    ]


def _number(number: Any) -> dict[str, Any]:
    return {
        "number": number.e164,
        "messages_since": number.opted_in_at,
        "stopped_at": number.opted_out_at,
        "confirmed_at": number.verified_at,
        "given_at": number.created_at,
    }


def _consent(consent: Consent) -> dict[str, Any]:
    kind = Consent.Kind(consent.kind)
    return {
        "what": consent.kind,
        "words": as_read(kind, consent.language) if consent.version == version(kind) else None,
        "version": consent.version,
        "agreed_by": consent.given_by.name if consent.given_by else None,
        "language": consent.language,
        "given_at": consent.given_at,
        "taken_back_at": consent.withdrawn_at,
    }


def _mark(mark: Lesion) -> dict[str, Any]:
    return {
        "id": str(mark.pk),
        "called": mark.name or None,
        "site": mark.site,
        "since": mark.created_at,
    }


def _case(case: Case, folder: str) -> dict[str, Any]:
    review, view = _newest(case)
    shown = view if telling.may_be_shown(case, review) else None
    return {
        "id": str(case.pk),
        "reference": case.reference,
        "mark": str(case.lesion_id),
        "site": case.place,
        "sent_at": case.submitted_at,
        "clinic": case.clinic.name,
        "doctor_asked": case.asked_doctor.name if case.asked_doctor else None,
        "state": telling.state_of(case, answered=review is not None),
        "contact_number": case.contact_e164 or None,
        "computer_check": case.computer_check,
        "answers": [{"question": q, "answer": a} for q, a in telling.answers_of(case)],
        "photos": [_photo(photo, name) for photo, name in _named(case, folder)],
        "computer": _computer(case, shown) if shown else None,
        "doctors": [_answer(answer) for answer in _said(case)],
        "second_opinions_elsewhere": [_share(share) for share in case.shares.all()],
        "talk": [_remark(case, remark) for remark in case.remarks.all()],
        "history": [_event(event) for event in case.events.all() if telling.line_of(event)],
        "came_from": came.told_to_patient(case),
    }


def _remark(case: Case, remark: Remark) -> dict[str, Any]:
    quality = case.pack.quality
    return {
        "from": remark.author.name,
        "at": remark.created_at,
        "asks_for_a_new_photo": remark.kind == Remark.Kind.RETAKE_REQUEST,
        "because": [quality[code].problem for code in remark.reasons if code in quality],
        "text": remark.text,
    }


def _share(share: CaseShare) -> dict[str, Any]:
    """Whom of another clinic the patient was asked about, and what became of it."""
    return {
        "doctor": share.doctor.name,
        "clinic": share.doctor.clinic.name if share.doctor.clinic else None,
        "asked_by": share.shared_by.name,
        "asked_at": share.created_at,
        "agreed_at": share.agreed_at,
        "until": share.ends_at,
        "ended_at": share.ended_at,
        "because": share.why_ended or None,
    }


def _newest(case: Case) -> tuple[Review | None, Prediction | None]:
    prefetched: Any = case
    review = prefetched.said[-1] if prefetched.said and case.is_signed else None
    return review, prefetched.views[-1] if prefetched.views else None


def _said(case: Case) -> list[Review]:
    prefetched: Any = case
    return list(prefetched.said) if case.is_signed else []


def _photo(photo: Photo, name: str) -> dict[str, Any]:
    return {
        "file": name,
        "kind": photo.kind,
        "sent_at": photo.created_at,
        "width": photo.width,
        "height": photo.height,
        "sha256": photo.sha256,
        "sent_as_it_is": photo.sent_anyway,
    }


def _computer(case: Case, view: Prediction) -> dict[str, Any]:
    card = presenting.view_card(case, view)
    return {
        "looked_at": view.created_at,
        "said": [card.headline, *card.body],
        "label": card.label_line or None,
        "receipt": dict(telling.receipt_of(view)),
    }


def _answer(review: Review) -> dict[str, Any]:
    return {
        "doctor": review.doctor.name,
        "signed_at": review.signed_at,
        "advice": review.advice,
        "plan": telling.plan_of(review),
    }


def _event(event: CaseEvent) -> dict[str, Any]:
    return {
        "at": event.at,
        "what": telling.line_of(event),
        "words": str(event.detail.get("what", "")) or None,
    }


def _reminder(nudge: Nudge) -> dict[str, Any]:
    return {
        "what": nudge.kind,
        "about_case": str(nudge.case_id) if nudge.case_id else None,
        "due_at": nudge.due_at,
        "state": nudge.state,
        "told_at": nudge.told_at,
        "opened_at": nudge.opened_at,
        "answer": nudge.reply or None,
    }


def _message(message: Message) -> dict[str, Any]:
    return {
        "about": str(message.get_event_display()),
        "by": message.channel,
        "to": message.address,
        "state": message.state,
        "written_at": message.created_at,
        "sent_at": message.sent_at,
    }


def _trail(patient: User, cases: list[Case]) -> Iterator[dict[str, Any]]:
    """Who looked at what, and who changed what: of the person, and of their cases."""
    abouts = [f"user:{patient.pk}", *(f"case:{case.pk}" for case in cases)]
    for entry in AuditEntry.objects.filter(about__in=abouts).select_related("actor").order_by("pk"):
        yield {
            "at": entry.at,
            "who": _who(entry.actor, patient),
            "what": entry.action,
            "of": entry.about,
        }


def _who(actor: User | None, patient: User) -> str:
    if actor is None:
        return _("the portal")
    return _("you") if actor == patient.reader else actor.name
