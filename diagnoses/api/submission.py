"""From a request's fields to a case, once, however often the request is sent."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from rest_framework import serializers

from accounts import people, phone
from accounts.models import Consent, User
from diagnoses import intake, quota, workflow
from diagnoses.answering import AnswersField, checked_answers, known
from diagnoses.api.problems import Refused, unprocessable
from diagnoses.models import Case
from mlservice.packs import Pack, available_packs, load_pack

MOST_PHOTOS = 6
# Of keys that programs choose, so that the same key of two people never meets.
KEYS = uuid.UUID("5d9c1c1e-6a0e-4a53-9c6f-0a8a35e3f0b1")


class SubmissionSerializer(serializers.Serializer[dict[str, Any]]):
    """One photo and a site suffice. Its context holds the ``user`` who sends it."""

    patient = serializers.PrimaryKeyRelatedField(
        queryset=User.objects.none(),
        required=False,
        help_text="Whom you look after, by the id that GET /people says; left out: yourself.",
    )
    photo = serializers.ListField(
        child=serializers.FileField(allow_empty_file=True),
        min_length=1,
        max_length=MOST_PHOTOS,
        help_text="JPEG, PNG, WebP or HEIC, at most 30 MB and 50 megapixels. Repeat for more.",
    )
    kind = serializers.ListField(
        child=serializers.CharField(),
        required=False,
        help_text="The kind of each photo, in the same order; the pack's first kind by default.",
    )
    pack = serializers.ChoiceField(
        choices=available_packs(), required=False, help_text="The disease area."
    )
    site = serializers.CharField(help_text="Where it is: the name of one of the pack's sites.")
    answers = AnswersField(
        required=False,
        help_text='Answers by question, as JSON: {"change_size": "yes"}. None is required.',
    )
    contact_number = serializers.CharField(required=False, help_text="With country code.")
    doctor_name = serializers.CharField(
        required=False,
        max_length=120,
        help_text="A doctor to invite; any doctor of the clinic may answer meanwhile.",
    )
    doctor_number = serializers.CharField(
        required=False, help_text="The doctor's, with country code. Goes with doctor_name."
    )
    computer_check = serializers.BooleanField(
        required=False, default=True, help_text="No keeps the photos from the computer."
    )
    send_anyway = serializers.BooleanField(
        required=False,
        default=False,
        help_text="Send photos that cannot be judged all the same: to a doctor, unscored.",
    )

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        if user := self.context.get("user"):
            mine = User.objects.answered_for_by(user).select_related("carer", "clinic")
            fields["patient"] = serializers.PrimaryKeyRelatedField(queryset=mine, required=False)
        return fields

    def validate_contact_number(self, raw: str) -> str:
        return _e164(raw)

    def validate_doctor_number(self, raw: str) -> str:
        return _e164(raw)

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        data["pack"] = pack = load_pack(data.get("pack") or settings.PACK)
        kinds = data.setdefault("kind", [])
        if len(kinds) > len(data["photo"]):
            raise serializers.ValidationError({"kind": "There are more kinds than photos."})
        kinds += [pack.photo_kinds[0].name] * (len(data["photo"]) - len(kinds))
        if ("doctor_name" in data) != ("doctor_number" in data):
            missing = "doctor_number" if "doctor_name" in data else "doctor_name"
            raise serializers.ValidationError({missing: "A doctor needs a name and a number."})
        known("site", pack.site, data["site"])
        for kind in kinds:
            known("kind", pack.photo_kind, kind)
        checked_answers(pack, data.get("answers", {}))
        return data


@dataclass(frozen=True, slots=True)
class Submitted:
    """The case, and whether this request made it or found it."""

    case: Case
    new: bool


def submit(patient: User, data: Mapping[str, Any], idempotency_key: str, *, by: User) -> Submitted:
    """Submit what the serializer let through, sent ``by`` somebody. Raises :class:`Refused`.

    The same key gives the same case; with another content it is refused, because one of the two
    requests would be lost without a word.
    """
    _agreed_to_care(patient)
    key = submit_key(patient, idempotency_key)
    # Without a key of the sender's it is drawn for this request: there is nothing to be found.
    before = bool(idempotency_key) and patient.cases.filter(submit_key=key).exists()
    if not before:
        count(by, data["photo"])
    submission = workflow.Submission(
        pack_name=data["pack"].name,
        site=data["site"],
        photos=_photos(data),
        answers=data.get("answers", {}),
        submit_key=key,
        contact_e164=data.get("contact_number", ""),
        named_doctor=(data["doctor_name"], data["doctor_number"])
        if "doctor_name" in data
        else None,
        computer_check=data["computer_check"],
    )
    try:
        case = workflow.submit(patient, submission)
    except intake.Refusal as refusal:
        raise refused_photo(refusal) from refusal
    except workflow.WorkflowError as refusal:
        raise unprocessable("refused", refusal.sentence) from refusal
    if idempotency_key and not _says(case, submission):
        raise unprocessable(
            "idempotency_key_reused",
            "This Idempotency-Key was used for another case. Nothing was submitted.",
        )
    return Submitted(case, new=case.pk == submission.case_id)


def submit_key(person: User, idempotency_key: str) -> uuid.UUID:
    """Of this person's key; a new one where none was sent."""
    if not idempotency_key:
        return uuid.uuid4()
    return uuid.uuid5(KEYS, f"{person.pk}:{idempotency_key}")


def _agreed_to_care(patient: User) -> None:
    if not people.has_consent(patient, Consent.Kind.CARE):
        raise Refused(
            HTTPStatus.FORBIDDEN,
            "consent_needed",
            "Agree on the website that a doctor may look at your photos. Nothing was submitted.",
        )


def _photos(data: Mapping[str, Any]) -> list[workflow.NewPhoto]:
    return [
        clean_photo(data["pack"], upload, kind, send_anyway=data["send_anyway"])
        for upload, kind in zip(data["photo"], data["kind"], strict=True)
    ]


def count(by: User, photos: Sequence[Any]) -> None:
    """Hold uploaded photos against what ``by`` may send in a day. Raises :class:`Refused`."""
    try:
        quota.spend(by, [photo.size for photo in photos])
    except intake.Refusal as refusal:
        raise refused_photo(refusal) from refusal


def clean_photo(pack: Pack, upload: Any, kind: str, *, send_anyway: bool) -> workflow.NewPhoto:
    try:
        photo = intake.clean(upload, pack.glance_at(kind))
    except intake.Refusal as refusal:
        raise refused_photo(refusal) from refusal
    poor = [pack.quality[code] for code in photo.quality.reasons]
    if poor and not send_anyway:
        verdict = pack.outcomes["photo_fails"].fill(
            problem=" and ".join(reason.problem for reason in poor)
        )
        advice = [line for reason in poor for line in reason.advice]
        raise unprocessable(
            "photo_quality",
            f"{verdict.headline}. Take it again, or repeat with send_anyway.",
            reasons=list(photo.quality.reasons),
            advice=advice,
        )
    return workflow.NewPhoto(kind, photo, sent_anyway=bool(poor))


def _says(case: Case, submission: workflow.Submission) -> bool:
    """Whether this case is what was submitted: same words, same pictures."""
    sent = sorted((new.kind, new.photo.sha256) for new in submission.photos)
    return bool(
        (case.pack_name, case.site, case.contact_e164)
        == (submission.pack_name, submission.site, submission.contact_e164)
        # What was told or sent since, on the page, is no other submission.
        and (case.answers == dict(submission.answers) or case.events.filter(kind="told_more"))
        and sorted(case.photos.filter(retake=None).values_list("kind", "sha256")) == sent
    )


def refused_photo(refusal: intake.Refusal) -> Refused:
    refused = Refused(refusal.http, refusal.code, refusal.sentence)
    if refusal.wait:
        refused.wait = refusal.wait  # DRF says it in Retry-After
    return refused


def _e164(raw: str) -> str:
    try:
        return phone.to_e164(raw)
    except ValidationError as error:
        raise serializers.ValidationError(error.messages) from error
