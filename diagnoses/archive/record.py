"""``case.json``: a case as one reader may know it, in plain values.

No name, address or number of the patient stands in it: who they are is said in ``fhir.json``, and
where the case is brought to, by whoever brings it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from diagnoses import presenting, talking, telling
from diagnoses.fhir.told import Told
from diagnoses.gathered import EVENTS
from diagnoses.history import event_lines
from diagnoses.models import CaseEvent, Photo, Prediction, Remark, Review
from mlservice.models import ModelVersion

Names = Mapping[UUID, str]  # of the photos that are in the archive, by their key
SIGNATURES = frozenset({"signed", "amended", "signature_undone"})


def record_of(one: Told, names: Names) -> dict[str, Any]:
    """Shape: docs/archive.md. ``one`` was read for its reader, and holds nothing else."""
    case = one.case
    return {
        "seen_by": "patient" if one.to_patient else "doctor",
        "id": str(case.pk),
        "reference": case.reference,
        "clinic": case.clinic.name,
        "pack": {"name": case.pack_name, "version": case.pack.version},
        "mark": {"id": str(case.lesion_id), "called": case.lesion.name if case.lesion else ""},
        "site": case.site,
        "side": case.side,
        "spot": case.spot,
        "place": case.place,
        "sent_at": case.submitted_at,
        "status": one.status,
        "urgency": None if one.to_patient else case.tier,
        "computer_check": case.computer_check,
        "answers": case.answers,
        "answers_in_words": [{"question": q, "answer": a} for q, a in telling.answers_of(case)],
        "photos": [_photo(photo, names) for photo in one.photos],
        "computer": list(_computer(one, names)),
        "own_reading": _own_reading(one),
        "reviews": [_review(one, review) for review in one.answers],
        "talk": [_remark(one, remark) for remark in one.remarks],
        "events": list(_events(one)),
    }


def _photo(photo: Photo, names: Names) -> dict[str, Any]:
    """``file`` is null where the picture could not be given."""
    return {
        "file": names.get(photo.pk),
        "kind": photo.kind,
        "sent_at": photo.created_at,
        "width": photo.width,
        "height": photo.height,
        "sha256": photo.sha256,
        "sent_as_it_is": photo.sent_anyway,
    }


def _computer(one: Told, names: Names) -> Iterator[dict[str, Any]]:
    """Every view the reader may see, oldest first: a patient's is the newest, in words."""
    if one.view is None:
        return
    if one.to_patient:
        card = presenting.view_card(one.case, one.view)
        words = {"said": [card.headline, *card.body], "label_in_words": card.label_line}
        yield _seen(one.view, names) | words
        return
    for view in one.case.live_predictions().select_related("model_version").reverse():
        yield _seen(view, names) | _numbers(one, view)


def _seen(view: Prediction, names: Names) -> dict[str, Any]:
    return {
        "at": view.created_at,
        "photo": names.get(view.photo_id),
        "model": _model(view.model_version),
    }


def _model(version: ModelVersion) -> dict[str, str]:
    return {
        "version": version.version,
        "weights_sha256": version.weights_hash,
        "manifest_sha256": version.manifest_hash,
    }


def _numbers(one: Told, view: Prediction) -> dict[str, Any]:
    pack = one.case.pack
    return {
        "label": view.label,
        "label_in_words": pack.label(view.label).title if view.label else "",
        "no_disease": view.no_disease,
        "confidence": view.confidence,
        "threshold": view.threshold,
        "risk": view.risk,
        "urgency": view.tier,
        "probabilities": view.probabilities,
        "possible": view.conformal_set,
        "reasons": view.reasons,
        "modality": view.modality,
        "stable": view.stable,
        "out_of_distribution": view.out_of_distribution,
        "read_with": view.receipt.get("metadata", {}),
    }


def _own_reading(one: Told) -> dict[str, Any] | None:
    """The doctor's who takes it along; nobody else's."""
    own = None if one.to_patient else presenting.own_reading(one.case, one.reader)
    if own is None:
        return None
    said = {name: getattr(own, name) for name in ("diagnosis", "confidence", "plan")}
    return {"at": own.created_at, **said}


def _review(one: Told, review: Review) -> dict[str, Any]:
    """A signed answer that stands. What is for colleagues is in no patient's copy."""
    said = {
        "doctor": review.doctor.name,
        "signed_at": review.signed_at,
        "advice": review.advice,
        "plan": review.plan,
        "plan_in_words": telling.plan_of(review),
        "recheck_days": review.recheck_days,
    }
    if one.to_patient:
        return said
    return said | {
        "diagnosis": review.diagnosis,
        "diagnosis_in_words": presenting.diagnosis_title(one.case.pack, review.diagnosis),
        "note": review.note,
        "agrees": review.agrees,
        "differs_because": review.differs_because,
    }


def _remark(one: Told, remark: Remark) -> dict[str, Any]:
    by_patient = remark.author_id == one.case.patient_id
    return {
        "at": remark.created_at,
        "from": "patient" if by_patient else "doctor",
        "doctor": "" if by_patient else remark.author.name,
        "asks_for_a_new_photo": remark.kind == Remark.Kind.RETAKE_REQUEST,
        "says": list(talking.sentences(one.case.pack, remark)),
        "text": remark.text,
    }


def _events(one: Told) -> Iterator[dict[str, Any]]:
    """As the reader's page tells them; a signature once it stands."""
    if one.to_patient:
        for line in telling.history(one.case, one.answer):
            yield {"at": line.at, "what": line.text, "words": line.words}
        return
    events = EVENTS.of(one.case)
    undone = max((event.pk for event in events if event.kind == "signature_undone"), default=0)
    for event in events:
        if not _never_left(event, one, undone):
            for shown in event_lines([event]):
                yield {"at": shown.at, "what": shown.words, "words": shown.told}


def _never_left(event: CaseEvent, one: Told, undone: int) -> bool:
    return event.kind in SIGNATURES and (not one.answers or event.pk <= undone)
