"""The resources that say what was found: the computer's view, the urgency, the doctor's answer.

The computer's view is preliminary and stays so, unless the doctor who signed said that they agree:
another program must not take for a fact what a doctor has overruled.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.utils.text import capfirst

from diagnoses import presenting, telling
from diagnoses.fhir import forms
from diagnoses.fhir.library import Resource
from diagnoses.fhir.told import Told
from diagnoses.models import Case, Prediction, Review
from mlservice.engine.types import Modality, Tier

NOT_SIGNED = "Not signed yet: this is not an answer."
WITHDRAWN = "The patient withdrew this case. No doctor answers it."
FROM_COMPUTER = "From a computer, and not from a doctor."
DOCTOR_COUNTS = "A doctor has answered since. The doctor’s answer counts."
IMAGING = [forms.coded("observation-category", "imaging", "Imaging")]


def observations(one: Told) -> Iterator[Resource]:
    """In the order they come about. Patients have the computer's view alone, in words."""
    if not one.to_patient and one.case.tier and one.case.status != Case.Status.CANCELLED:
        yield _urgency(one)
    if one.view is not None:
        yield _view(one, one.view)
    if not one.to_patient and one.answer is not None:
        yield _finding(one, one.answer)


def diagnostic_report(one: Told) -> Resource:
    """The answer. Final is what a doctor has signed and cannot take back any more."""
    case, answer = one.case, one.answer
    return forms.filled(
        {
            "resourceType": "DiagnosticReport",
            "id": str(case.pk),
            "meta": {"lastUpdated": one.changed_at},
            "text": forms.narrative([*_in_words(one), *case.pack.intended_use.splitlines()]),
            "basedOn": [forms.to_request(case)],
            "status": one.status,
            "code": forms.text(f"{case.pack.title}: a doctor’s answer about pictures"),
            "subject": forms.to_patient(case.patient),
            "effectiveDateTime": case.submitted_at,
            "issued": answer.signed_at if answer else None,
            "performer": [forms.clinic(case)],
            "resultsInterpreter": [forms.doctor(answer.doctor)] if answer else [],
            "result": [forms.to("Observation", each["id"]) for each in observations(one)],
            "media": [{"link": forms.to("Media", photo.pk)} for photo in one.photos],
            "conclusion": "\n".join(_conclusion(one, answer)) if answer else None,
            "conclusionCode": [_diagnosis(one, answer)] if answer and not one.to_patient else [],
        }
    )


def _diagnosis(one: Told, answer: Review) -> dict[str, Any]:
    pack = one.case.pack
    if not answer.diagnosis:
        return forms.text(presenting.diagnosis_title(pack, ""))
    return forms.disease(pack.label(answer.diagnosis))


def _conclusion(one: Told, answer: Review) -> list[str]:
    """The patient reads what was written to them; doctors also what it is, and why."""
    if one.to_patient:
        return [answer.advice, telling.plan_of(answer)]
    title = presenting.diagnosis_title(one.case.pack, answer.diagnosis)
    return [f"{title}. {answer.get_plan_display()}.", answer.advice]


def _in_words(one: Told) -> list[str]:
    """The report for a person, the answer first."""
    case, answer = one.case, one.answer
    if one.to_patient:
        card = presenting.card_of(case, one.view, answer)
        said = [card.headline, *card.body, capfirst(card.label_line)]
        return [*said, *(_conclusion(one, answer) if answer else [NOT_SIGNED])]
    if answer is not None:
        signed = presenting.dated(answer.signed_at)
        return [f"{answer.doctor.name} signed on {signed}.", *_conclusion(one, answer)]
    return [WITHDRAWN if case.status == Case.Status.CANCELLED else NOT_SIGNED]


def _about(one: Told, what: str, status: str) -> dict[str, Any]:
    """What all observations of a case have in common."""
    case = one.case
    return {
        "resourceType": "Observation",
        "id": f"{case.pk}-{what}",
        "meta": {"lastUpdated": one.changed_at},
        "basedOn": [forms.to_request(case)],
        "status": status,
        "category": IMAGING,
        "subject": forms.to_patient(case.patient),
        "focus": [forms.to("BodyStructure", case.lesion_id)] if case.lesion_id else [],
        "bodySite": forms.text(case.place),
    }


# --- How soon a doctor must look -----------------------------------------------------------------


def _urgency(one: Told) -> Resource:
    said = "How soon a doctor must look. It says nothing about what it is."
    return forms.filled(
        {
            **_about(one, "urgency", "final" if one.answer else "preliminary"),
            "code": forms.text("Urgency"),
            "effectiveDateTime": one.case.submitted_at,
            "valueCodeableConcept": forms.text(one.case.tier),
            "note": forms.notes([said]),
        }
    )


# --- What the computer says ----------------------------------------------------------------------


def _view(one: Told, view: Prediction) -> Resource:
    overruled = [DOCTOR_COUNTS] if one.answer else []
    agreed = not one.to_patient and one.answer is not None and one.answer.agrees is True
    photo = forms.to("Media", view.photo_id)
    return forms.filled(
        {
            **_about(one, "check", "final" if agreed else "preliminary"),
            "code": forms.text("Automatic check of a picture"),
            "effectiveDateTime": view.created_at,
            "issued": view.created_at,
            "method": forms.text("A neural network looked at the picture"),
            "device": forms.to("Device", view.model_version.manifest_hash),
            "derivedFrom": [photo],
            **(_in_the_patients_words(one, view) if one.to_patient else _in_numbers(one, view)),
        }
        | {"note": forms.notes([*overruled, FROM_COMPUTER, *_notes(one, view)])}
    )


def _in_the_patients_words(one: Told, view: Prediction) -> dict[str, Any]:
    """Whoever shows the value alone must not show an all-clear."""
    card = presenting.view_card(one.case, view)
    calm = card.tone == Tier.GREEN.value
    said = f"{card.headline}. {one.case.pack.not_an_all_clear}" if calm else card.headline
    return {"valueCodeableConcept": forms.text(said)}


def _notes(one: Told, view: Prediction) -> list[str]:
    pack = one.case.pack
    if one.to_patient:
        card = presenting.view_card(one.case, view)
        return [*card.body, capfirst(card.label_line)]
    differs = one.answer.differs_because if one.answer else ""
    said = [f"The doctor who signed differs from it: {differs}"] if differs else []
    return [pack.not_an_all_clear, *said]


def _in_numbers(one: Told, view: Prediction) -> dict[str, Any]:
    """Everything, for a doctor who may see it. A photo with nothing to judge has no numbers."""
    pack = one.case.pack
    reasons = [forms.text(pack.reasons.get(code, code)) for code in view.reasons]
    found: dict[str, Any] = {"interpretation": reasons, "component": list(_components(one, view))}
    if not view.names_a_class:
        empty = view.modality == Modality.NO_LESION.value
        absent = pack.no_lesion if empty else pack.not_judged
        return found | {"dataAbsentReason": forms.text(capfirst(absent))}
    if view.no_disease:
        percent = presenting.percent(view.threshold)
        words = capfirst(pack.no_label.format(threshold=percent))
        return found | {"valueCodeableConcept": forms.text(f"{words}. {pack.not_an_all_clear}")}
    return found | {"valueCodeableConcept": forms.disease(pack.label(view.label))}


def _components(one: Told, view: Prediction) -> Iterator[dict[str, Any]]:
    pack = one.case.pack
    yield _component("Urgency by this view", valueCodeableConcept=forms.text(view.tier))
    yield _component("What the picture shows", valueString=pack.modalities[view.modality])
    if not view.names_a_class:
        return
    top = pack.label(view.top_label)
    yield _component("No disease named, by the rule of the threshold", valueBoolean=view.no_disease)
    yield _component(
        "Confidence in the likeliest class", valueQuantity=forms.share(view.confidence)
    )
    yield _component("Threshold of the rule", valueQuantity=forms.share(view.threshold))
    yield _component("Likeliest class", valueCodeableConcept=forms.disease(top))
    if pooled := forms.among(top):
        yield _component("Among the diagnoses of that class", valueCodeableConcept=pooled)
    yield _component("Risk: all harmful classes together", valueQuantity=forms.share(view.risk))
    for name, probability in sorted(view.probabilities.items(), key=lambda item: -item[1]):
        probable = forms.disease(pack.label(name))
        yield {"code": probable, "valueQuantity": forms.share(probability)}
    if told := telling.read_with(view, pack):
        yield _component("The probabilities were read with", valueString=told)
    for name in view.conformal_set:
        possible = forms.disease(pack.label(name))
        yield _component("Cannot be ruled out", valueCodeableConcept=possible)
    yield _component("The same for all four rotations", valueBoolean=view.stable)
    yield _component("Unlike what it was trained on", valueBoolean=view.out_of_distribution)


def _component(words: str, **value: object) -> dict[str, Any]:
    return {"code": forms.text(words), **value}


# --- What the doctor says ------------------------------------------------------------------------


def _finding(one: Told, answer: Review) -> Resource:
    """The diagnosis that was signed, for doctors; the newest of several."""
    earlier = len(one.answers) - 1
    differs = f"Differs from the computer’s view: {answer.differs_because}"
    again = [f"Photograph again in {answer.recheck_days} days."] if answer.recheck_days else []
    return forms.filled(
        {
            **_about(one, "finding", "amended" if one.status == Case.Status.AMENDED else "final"),
            "code": forms.text("Diagnosis by a doctor"),
            "effectiveDateTime": answer.signed_at,
            "issued": answer.signed_at,
            "performer": [forms.doctor(answer.doctor)],
            "valueCodeableConcept": _diagnosis(one, answer),
            "derivedFrom": [forms.to("Media", photo.pk) for photo in one.photos],
            "note": forms.notes(
                [
                    f"{answer.get_plan_display()}.",
                    *again,
                    *([differs] if answer.differs_because else []),
                    *(["It replaces an earlier answer."] if earlier else []),
                    answer.note,
                ]
            ),
        }
    )
