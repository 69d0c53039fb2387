"""The resources that say what was asked and sent: who, where on the body, which photos, what was
said."""

from __future__ import annotations

from collections.abc import Iterator

from django.urls import reverse

from accounts.models import User
from diagnoses import talking, telling
from diagnoses.fhir import forms
from diagnoses.fhir.library import Resource
from diagnoses.fhir.told import Told
from diagnoses.models import Case, Lesion, Photo, Remark, TierChoices
from diagnoses.models.case import place_in_words
from mlservice.models import ModelVersion
from mlservice.readers import pack_for_reader

REQUEST_STATUS = {
    Case.Status.REGISTERED: "active",
    Case.Status.PARTIAL: "active",
    Case.Status.FINAL: "completed",
    Case.Status.AMENDED: "completed",
    Case.Status.CANCELLED: "revoked",
}


def patient(person: User) -> Resource:
    """A name and no more: numbers and addresses stay in the portal."""
    erased = person.erased_at is not None
    carer = person.carer
    by_carer = {
        "relationship": [forms.text("Looks after them and acts for them in the portal")],
        "name": {"text": carer.name} if carer else None,
    }
    return forms.filled(
        {
            "resourceType": "Patient",
            "id": str(person.public_id),
            "active": not erased,
            "name": [{"use": "anonymous" if erased else "usual", "text": person.name}],
            "contact": [by_carer] if carer else [],
            "managingOrganization": {"type": "Organization", "display": person.clinic.name}
            if person.clinic
            else None,
        }
    )


def body_structure(mark: Lesion) -> Resource:
    pack = pack_for_reader(mark.pack)
    return forms.filled(
        {
            "resourceType": "BodyStructure",
            "id": str(mark.pk),
            "active": True,
            "location": forms.text(place_in_words(pack, mark.site, "")),
            "description": mark.name,  # the patient's own word
            "patient": forms.to_patient(mark.patient),
        }
    )


def device(version: ModelVersion) -> Resource:
    """The network that looked: exactly this one, by its hashes, and what it is for."""
    pack = pack_for_reader(version.pack)
    hashes = {"weights": version.weights_hash, "manifest": version.manifest_hash}
    return {
        "resourceType": "Device",
        "id": version.manifest_hash,
        "status": "active" if version.state == ModelVersion.State.ACTIVE else "inactive",
        "deviceName": [
            {"name": f"Lentigo {pack.title} {version.version}", "type": "user-friendly-name"}
        ],
        "type": forms.text("Software: a neural network that looks at pictures"),
        "version": [
            {"type": forms.text("Version"), "value": version.version},
            *(
                {"type": forms.text(f"SHA-256 of the {what}"), "value": value}
                for what, value in hashes.items()
            ),
        ],
        "note": forms.notes([pack.intended_use.strip()]),
    }


def service_request(one: Told) -> Resource:
    """The question: the photos, the answers, by when a doctor is to look."""
    case, told = one.case, telling.answers_of(one.case)
    by_carer = case.patient.carer
    lesion = [forms.to("BodyStructure", case.lesion_id)] if case.lesion_id else []
    asked = case.asked_doctor
    wanted = ["A doctor asked for a new photo. It has not come yet."] if one.photo_wanted else []
    return forms.filled(
        {
            "resourceType": "ServiceRequest",
            "id": str(case.pk),
            "meta": {"lastUpdated": one.changed_at},
            "identifier": [
                {"use": "official", "system": "urn:ietf:rfc:3986", "value": case.pk.urn},
                {
                    "use": "secondary",
                    "type": forms.text("Reference, as people quote it"),
                    "value": case.reference,
                },
            ],
            "status": "active" if not one.is_over else REQUEST_STATUS[Case.Status(case.status)],
            "intent": "order",
            "priority": _priority(one),
            "code": forms.text(f"{case.pack.title}: a doctor looks at pictures and answers"),
            "subject": forms.to_patient(case.patient),
            "occurrencePeriod": {"start": case.submitted_at, "end": case.answer_due_at},
            "authoredOn": case.submitted_at,
            "requester": {"type": "RelatedPerson", "display": by_carer.name}
            if by_carer
            else forms.to_patient(case.patient),
            "performer": [forms.clinic(case), *([forms.doctor(asked)] if asked else [])],
            "bodySite": [forms.text(case.place)],
            "supportingInfo": [
                *lesion,
                *(forms.to("Media", photo.pk) for photo in one.photos),
            ],
            "note": forms.notes([*wanted, *(f"{question} {answer}" for question, answer in told)]),
        }
    )


def _priority(one: Told) -> str | None:
    """For doctors. Unscored there is none, and a doctor looks at it before all others."""
    if one.to_patient or one.case.tier is None:
        return None
    return "urgent" if one.case.tier == TierChoices.RED else "routine"


def media(one: Told) -> Iterator[Resource]:
    """The photos: where they are, and never the pictures themselves."""
    for photo in one.photos:
        yield _media(one, photo)


def _media(one: Told, photo: Photo) -> Resource:
    case, kind = one.case, one.case.pack.photo_kind(photo.kind)
    door = reverse("api-photo", args=[case.pk, photo.pk])  # it checks, and writes down who looks
    sent_anyway = ["It was sent though it could not be judged well."] if photo.sent_anyway else []
    return forms.filled(
        {
            "resourceType": "Media",
            "id": str(photo.pk),
            "meta": {"lastUpdated": photo.created_at},
            "identifier": [{"type": forms.text("SHA-256 of the file"), "value": photo.sha256}],
            "basedOn": [forms.to_request(case)],
            "status": "completed",
            "type": forms.coded("media-type", "image", "Picture"),
            "modality": forms.text(kind.modality),
            "view": forms.text(kind.text),
            "subject": forms.to_patient(case.patient),
            "issued": photo.created_at,  # when it was sent; when it was taken is not kept
            "bodySite": forms.text(case.place),
            "height": photo.height,
            "width": photo.width,
            "content": {"contentType": "image/jpeg", "url": f"{one.base}{door}"},
            "note": forms.notes(sent_anyway),
        }
    )


def communications(one: Told) -> Iterator[Resource]:
    """What patient and doctors said; reading it here is not a person's reading."""
    for number, remark in enumerate(one.remarks, 1):
        yield _communication(one.case, remark, number)


def _communication(case: Case, remark: Remark, number: int) -> Resource:
    by_patient = remark.author_id == case.patient_id
    quality = case.pack.quality
    asks = remark.kind == Remark.Kind.RETAKE_REQUEST
    said = [*talking.sentences(case.pack, remark), remark.text]
    patient_, clinic = forms.to_patient(case.patient), forms.clinic(case)
    return forms.filled(
        {
            "resourceType": "Communication",
            "id": f"{case.pk}-said-{number}",
            "meta": {"lastUpdated": remark.created_at},
            "basedOn": [forms.to_request(case)],
            "status": "completed",
            "category": [forms.text("Request for a new photo" if asks else "Message")],
            "subject": patient_,
            "sent": remark.created_at,
            "sender": patient_ if by_patient else forms.doctor(remark.author),
            "recipient": [clinic if by_patient else patient_],
            "reasonCode": [
                forms.text(quality[code].problem) for code in remark.reasons if code in quality
            ],
            "payload": [{"contentString": words} for words in said if words.strip()],
        }
    )
