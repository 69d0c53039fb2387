"""What a doctor's system reads and writes, field by field."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from diagnoses.api.serializers import DoctorSummarySerializer
from diagnoses.api.vocabulary import diagnoses, sites
from diagnoses.doctor_forms import RECHECKS
from diagnoses.models import FirstReading, Review
from diagnoses.strict import StrictSerializer
from diagnoses.worklist import Row, Show
from mlservice.packs import available_packs


class OpenWithSerializer(serializers.Serializer[Any]):
    doctor = serializers.CharField()
    since = serializers.DateTimeField()


class ClaimSerializer(serializers.Serializer[Any]):
    """When you were last heard of, and which colleagues have it open, the longest first."""

    alive_at = serializers.DateTimeField()
    open_with = OpenWithSerializer(many=True)


class WorklistRowSerializer(DoctorSummarySerializer):
    """One case that waits."""

    late = serializers.BooleanField(help_text="Past its due time.")
    due_soon = serializers.BooleanField(help_text="Due so soon that it goes ahead of its tier.")
    photo_wanted = serializers.BooleanField(help_text="A new photo was asked for.")
    photo_came = serializers.BooleanField(help_text="One came since the case was sent.")
    open_with = OpenWithSerializer(allow_null=True, help_text="The colleague who has it open.")

    class Meta(DoctorSummarySerializer.Meta):
        fields = [
            *DoctorSummarySerializer.Meta.fields,
            *("late", "due_soon", "photo_wanted", "photo_came", "open_with"),
        ]


class WorklistQuery(serializers.Serializer[dict[str, Any]]):
    """What part of the list is asked for."""

    show = serializers.ChoiceField(choices=[show.value for show in Show], required=False)
    q = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=100,
        help_text="A patient's name, a case's reference, a body site.",
    )
    site = serializers.ChoiceField(choices=sites(), required=False)
    area = serializers.ChoiceField(
        choices=available_packs(), required=False, help_text="Of one pack."
    )
    after = serializers.UUIDField(
        required=False, default=None, help_text="The case the page starts behind: see `next`."
    )


class WorklistSerializer(serializers.Serializer[Any]):
    next = serializers.URLField(allow_null=True)
    results = WorklistRowSerializer(many=True)


def worklist_row(row: Row, request: Request) -> dict[str, Any]:
    """What :class:`WorklistRowSerializer` says of a row."""
    case: Any = row.case
    case.late, case.due_soon = row.late, row.soon
    case.photo_wanted, case.photo_came = row.photo_wanted, row.photo_came
    claim = row.open_with
    case.open_with = claim and {"doctor": claim.doctor.name, "since": claim.since}
    return dict(WorklistRowSerializer(case, context={"request": request}).data)


class OwnReadingSerializer(StrictSerializer):
    diagnosis = serializers.ChoiceField(
        choices=diagnoses(), help_text="A label of the case's pack; empty for none of them."
    )
    confidence = serializers.ChoiceField(choices=FirstReading.CONFIDENCE)
    plan = serializers.ChoiceField(choices=Review.Plan.choices)


class AnswerSerializer(StrictSerializer):
    """What is signed."""

    diagnosis = serializers.ChoiceField(
        choices=diagnoses(), help_text="A label of the case's pack; empty for none of them."
    )
    plan = serializers.ChoiceField(choices=Review.Plan.choices)
    advice = serializers.CharField(max_length=4000, help_text="What the patient reads.")
    note = serializers.CharField(
        max_length=4000, required=False, default="", allow_blank=True, help_text="For colleagues."
    )
    recheck_days = serializers.ChoiceField(
        choices=list(RECHECKS),
        required=False,
        default=None,
        allow_null=True,
        help_text="When the patient shall photograph it again. The plan “recheck” needs it.",
    )
    agrees = serializers.BooleanField(
        required=False,
        default=None,
        allow_null=True,
        help_text="With the computer; needed once its view is open to you.",
    )
    differs_because = serializers.CharField(
        max_length=300, required=False, default="", allow_blank=True
    )
    sure = serializers.BooleanField(
        required=False,
        default=False,
        help_text="Needed where the diagnosis is harmful and nothing is to follow.",
    )
    saw = serializers.IntegerField(
        min_value=0,
        max_value=2**31 - 1,
        required=False,
        default=0,
        help_text="`newest_retake` of the case as you read it: a photo that came since is 409.",
    )
    after = serializers.IntegerField(
        min_value=1,
        max_value=2**31 - 1,
        required=False,
        default=None,
        allow_null=True,
        help_text="To amend: the id of the answer that you amend.",
    )
