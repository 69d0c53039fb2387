"""What the two files that we read must look like. What stands in them besides is kept, and not
shown."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from rest_framework import serializers

from diagnoses.answering import AnswersField
from diagnoses.models.case import Side
from diagnoses.strict import StrictSerializer

PHOTO = re.compile(r"photos/[0-9]{2}-[a-z][a-z0-9_]{0,19}\.jpg")
WORDS, LONG = 300, 5000  # characters
MOST = 500  # events, or things that were said


def words(longest: int = WORDS) -> Any:
    return serializers.CharField(
        max_length=longest, allow_blank=True, required=False, default="", trim_whitespace=False
    )


def share() -> Any:
    return serializers.FloatField(
        min_value=0, max_value=1, required=False, allow_null=True, default=None
    )


def moment() -> Any:
    """One that every clock can tell, in whatever zone."""
    return serializers.DateTimeField(validators=[_of_our_time])


def _of_our_time(when: datetime) -> None:
    if not 1900 < when.year < 3000:
        raise serializers.ValidationError("This is no moment of ours.")


def some(child: Any) -> Any:
    return serializers.ListField(child=child, max_length=MOST, required=False, default=list)


class FileShape(StrictSerializer):
    name = serializers.CharField(max_length=60)
    size = serializers.IntegerField(min_value=0)
    sha256 = serializers.RegexField(r"^[0-9a-f]{64}\Z")


class ManifestShape(StrictSerializer):
    """Of the format whose number it says."""

    portal = serializers.CharField(max_length=200)
    case = serializers.UUIDField()
    written_at = moment()
    files = FileShape(many=True)


class PackShape(StrictSerializer):
    name = serializers.CharField(max_length=40)
    version = serializers.CharField(max_length=40)


class PhotoShape(StrictSerializer):
    file = serializers.RegexField(rf"^{PHOTO.pattern}\Z", allow_null=True)
    kind = serializers.CharField(max_length=20)


class SpotShape(StrictSerializer):
    view = serializers.CharField(max_length=40)
    x = serializers.FloatField(min_value=0, max_value=1)
    y = serializers.FloatField(min_value=0, max_value=1)


class ModelShape(StrictSerializer):
    version = words()
    weights_sha256 = words()


class ViewShape(StrictSerializer):
    """A patient's copy has words, a doctor's the numbers."""

    at = moment()
    model = ModelShape()
    said = some(words(LONG))
    label_in_words = words()
    no_disease = serializers.BooleanField(required=False, default=False)
    confidence = share()
    threshold = share()
    urgency = words(20)


class ReviewShape(StrictSerializer):
    doctor = words()
    signed_at = moment()
    diagnosis_in_words = words()
    plan_in_words = words(LONG)
    advice = words(LONG)
    note = words(LONG)


class RemarkShape(StrictSerializer):
    at = moment()
    doctor = words()
    says = some(words(LONG))
    text = words(LONG)


class AnswerShape(StrictSerializer):
    question = words(LONG)
    answer = words(LONG)


class CaseShape(StrictSerializer):
    id = serializers.UUIDField()
    clinic = words()
    pack = PackShape()
    site = serializers.CharField(max_length=40)
    side = serializers.ChoiceField(choices=["", *Side.values], required=False, default="")
    spot = SpotShape(required=False, allow_null=True, default=None)
    computer_check = serializers.BooleanField()
    sent_at = moment()
    answers = AnswersField()
    answers_in_words = AnswerShape(many=True, required=False, default=list)
    photos = PhotoShape(many=True)
    computer = ViewShape(many=True, required=False, default=list)
    reviews = ReviewShape(many=True, required=False, default=list)
    talk = RemarkShape(many=True, required=False, default=list)
