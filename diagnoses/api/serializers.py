"""What the API says of a case: to its patient words, to a doctor words and, later, numbers."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.models import User
from diagnoses import presenting, telling
from diagnoses.api.evidence import (
    HeatmapSerializer,
    SimilarSerializer,
    absolute,
    heatmap_of,
    similar_of,
)
from diagnoses.gathered import PHOTOS, RETAKES, REVIEWS
from diagnoses.models import Case, FirstReading, Photo, Review


class PersonSerializer(serializers.ModelSerializer[User]):
    class Meta:
        model = User
        fields = ["id", "name"]


class SiteSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    text = serializers.CharField()


class PhotoSerializer(serializers.ModelSerializer[Photo]):
    url = serializers.SerializerMethodField(help_text="The picture itself, with the same token.")
    hints = serializers.SerializerMethodField(
        help_text="What may be better about it, such as framing; nothing was refused for it."
    )

    class Meta:
        model = Photo
        fields = ["id", "kind", "width", "height", "sha256", "sent_anyway", "hints", "url"]

    def get_hints(self, photo: Photo) -> list[str]:
        return [str(code) for code in photo.quality.get("hints", ())]

    @extend_schema_field(serializers.URLField())
    def get_url(self, photo: Photo) -> str:
        return absolute(self, "api-photo", photo.case_id, photo.pk)


class CaseSummarySerializer(serializers.ModelSerializer[Case]):
    """One line of the list."""

    url = serializers.SerializerMethodField()
    reference = serializers.CharField(help_text="What people quote on the phone.")
    pack = serializers.CharField(source="pack_name")
    site = serializers.SerializerMethodField()
    status = serializers.SerializerMethodField(help_text="FHIR's report codes.")
    status_text = serializers.SerializerMethodField()

    class Meta:
        model = Case
        fields = [
            "id",
            "url",
            "reference",
            "pack",
            "site",
            "status",
            "status_text",
            "submitted_at",
            "answer_due_at",
        ]

    @extend_schema_field(serializers.URLField())
    def get_url(self, case: Case) -> str:
        return absolute(self, "api-case", case.pk)

    @extend_schema_field(serializers.ChoiceField(choices=Case.Status.choices))
    def get_status(self, case: Case) -> str:
        return case.status

    def get_status_text(self, case: Case) -> str:
        return str(Case.Status(self.get_status(case)).label)

    @extend_schema_field(SiteSerializer)
    def get_site(self, case: Case) -> dict[str, str]:
        return {"name": case.site, "text": case.pack.site(case.site).text}


class DoctorSummarySerializer(CaseSummarySerializer):
    """One line of a doctor's list: the urgency, and nothing else of the computer's."""

    urgency = serializers.CharField(
        source="tier", allow_null=True, help_text="red, amber, green; null while unscored."
    )
    patient_name = serializers.CharField(source="patient.name")
    sent_by = serializers.CharField(
        source="patient.reader.name", help_text="The patient, or who looks after them."
    )

    class Meta(CaseSummarySerializer.Meta):
        fields = [*CaseSummarySerializer.Meta.fields, "urgency", "patient_name", "sent_by"]


class StepSerializer(serializers.Serializer[presenting.Step]):
    name = serializers.CharField()
    state = serializers.ChoiceField(choices=["done", "now", "todo"])
    when = serializers.DateTimeField(allow_null=True)


class ResultSerializer(serializers.Serializer[presenting.Card]):
    """The result in the words the patient reads. It holds no numbers."""

    key = serializers.CharField(help_text="Which result this is; stays the same.")
    tone = serializers.ChoiceField(choices=["green", "amber", "red", "neutral", "signed"])
    headline = serializers.CharField()
    body = serializers.ListField(child=serializers.CharField())
    label_line = serializers.CharField(help_text="The automatic label; empty where none stands.")
    next_steps = serializers.ListField(child=serializers.CharField())


class PatientAnswerSerializer(serializers.ModelSerializer[Review]):
    """The doctor's signed answer to the patient."""

    doctor = serializers.CharField(source="doctor.name")
    text = serializers.CharField(source="advice")

    class Meta:
        model = Review
        fields = ["doctor", "signed_at", "text", "recheck_days"]


class PatientSummarySerializer(CaseSummarySerializer):
    """One line of a patient's list. An answer that can still be undone is not there yet."""

    patient = PersonSerializer(help_text="Whose mark it is: yours, or of whom you look after.")

    class Meta(CaseSummarySerializer.Meta):
        fields = [*CaseSummarySerializer.Meta.fields, "patient"]

    @extend_schema_field(serializers.ChoiceField(choices=Case.Status.choices))
    def get_status(self, case: Case) -> str:
        sent = case.status != Case.Status.FINAL or _has_left(case)
        return case.status if sent else Case.Status.PARTIAL.value


class PatientCaseSerializer(PatientSummarySerializer):
    """A case as its patient sees it on the page."""

    result = serializers.SerializerMethodField()
    steps = serializers.SerializerMethodField()
    answer = serializers.SerializerMethodField()
    photos = serializers.SerializerMethodField()

    class Meta(PatientSummarySerializer.Meta):
        fields = [*PatientSummarySerializer.Meta.fields, "result", "steps", "answer", "photos"]

    @extend_schema_field(PhotoSerializer(many=True))
    def get_photos(self, case: Case) -> Any:
        return PhotoSerializer(PHOTOS.of(case), many=True, context=self.context).data

    @extend_schema_field(ResultSerializer)
    def get_result(self, case: Case) -> Any:
        return ResultSerializer(presenting.patient_card(case)).data

    @extend_schema_field(StepSerializer(many=True))
    def get_steps(self, case: Case) -> Any:
        steps: Any = presenting.steps(case)
        return StepSerializer(steps, many=True).data

    @extend_schema_field(PatientAnswerSerializer(allow_null=True))
    def get_answer(self, case: Case) -> Any:
        review = presenting.answer_for_patient(case)
        return PatientAnswerSerializer(review).data if review else None


class FirstReadingSerializer(serializers.ModelSerializer[FirstReading]):
    class Meta:
        model = FirstReading
        fields = ["diagnosis", "confidence", "plan", "created_at"]


class ReviewSerializer(serializers.ModelSerializer[Review]):
    """A signed answer, for doctors. ``undone`` ones never left."""

    doctor = serializers.CharField(source="doctor.name")
    undone = serializers.BooleanField(source="is_undone")

    class Meta:
        model = Review
        fields = [
            "id",
            "doctor",
            "signed_at",
            "diagnosis",
            "plan",
            "recheck_days",
            "advice",
            "note",
            "agrees",
            "differs_because",
            "undone",
        ]


class ComputerViewSerializer(serializers.Serializer[presenting.ComputerView]):
    """Everything the computer said. Closed until the doctor's own reading is in."""

    probabilities = serializers.DictField(
        source="prediction.probabilities", child=serializers.FloatField(), help_text="Calibrated."
    )
    by_picture = serializers.SerializerMethodField(
        help_text="What they were before the patient’s age and place were heard (which were is in "
        "receipt.metadata); null where nothing was. The risk is of the picture alone, always."
    )
    confidence = serializers.FloatField(source="prediction.confidence")
    threshold = serializers.FloatField(source="prediction.threshold")
    no_disease = serializers.BooleanField(source="prediction.no_disease")
    label = serializers.CharField(  # type: ignore[assignment]  # taken out of the class by DRF
        source="prediction.label",
        help_text="Empty when no_disease, and when the photo shows nothing the computer knows.",
    )
    risk = serializers.FloatField(source="prediction.risk")
    conformal_set = serializers.ListField(
        source="prediction.conformal_set", child=serializers.CharField()
    )
    tier = serializers.CharField(source="prediction.tier")
    reasons = serializers.ListField(source="prediction.reasons", child=serializers.CharField())
    reasons_text = serializers.ListField(source="reasons", child=serializers.CharField())
    modality = serializers.CharField(source="prediction.modality")
    stable = serializers.BooleanField(source="prediction.stable")
    out_of_distribution = serializers.BooleanField(source="prediction.out_of_distribution")
    receipt = serializers.DictField(source="prediction.receipt")
    heatmap = serializers.SerializerMethodField(
        help_text="null where the model version gave none, or it would mean nothing."
    )
    similar = serializers.SerializerMethodField(
        help_text="Signed cases of the clinic that look alike to the network, most alike first."
    )

    @extend_schema_field(serializers.DictField(child=serializers.FloatField(), allow_null=True))
    def get_by_picture(self, view: presenting.ComputerView) -> dict[str, float] | None:
        return telling.by_picture(view.prediction)

    @extend_schema_field(HeatmapSerializer(allow_null=True))
    def get_heatmap(self, view: presenting.ComputerView) -> Any:
        return heatmap_of(self, view)

    @extend_schema_field(SimilarSerializer(many=True))
    def get_similar(self, view: presenting.ComputerView) -> Any:
        return similar_of(self, view)


class DoctorCaseSerializer(DoctorSummarySerializer):
    """A case as a doctor of its clinic sees it."""

    answers = serializers.DictField()
    photos = serializers.SerializerMethodField()
    newest_retake = serializers.SerializerMethodField(
        help_text="Which new photo was the last to come, to be said when you sign; 0 for none."
    )
    own_first_reading = serializers.SerializerMethodField()
    computer_view = serializers.SerializerMethodField(
        help_text="null until the doctor's own first reading is in, and where there is no view."
    )
    reviews = serializers.SerializerMethodField()

    class Meta(DoctorSummarySerializer.Meta):
        fields = [
            *DoctorSummarySerializer.Meta.fields,
            "answers",
            "photos",
            "newest_retake",
            "own_first_reading",
            "computer_view",
            "reviews",
        ]

    def get_newest_retake(self, case: Case) -> int:
        return max((retake.pk for retake in RETAKES.of(case)), default=0)

    @extend_schema_field(PhotoSerializer(many=True))
    def get_photos(self, case: Case) -> Any:
        return PhotoSerializer(PHOTOS.of(case), many=True, context=self.context).data

    @extend_schema_field(FirstReadingSerializer(allow_null=True))
    def get_own_first_reading(self, case: Case) -> Any:
        own = presenting.own_reading(case, self.context["request"].user)
        return FirstReadingSerializer(own).data if own else None

    @extend_schema_field(ComputerViewSerializer(allow_null=True))
    def get_computer_view(self, case: Case) -> Any:
        view = presenting.computer_view(case, self.context["request"].user)
        return ComputerViewSerializer(view, context=self.context).data if view else None

    @extend_schema_field(ReviewSerializer(many=True))
    def get_reviews(self, case: Case) -> Any:
        if not presenting.may_see_computer(case, self.context["request"].user):
            return []  # an undone signature says whether its doctor agreed with the computer
        return ReviewSerializer(REVIEWS.of(case), many=True).data


class SharedCaseSerializer(DoctorCaseSerializer):
    """A case that another clinic shares with a doctor: what its page shows them, and no name."""

    class Meta(CaseSummarySerializer.Meta):
        fields = [
            *("id", "url", "reference", "pack", "site", "submitted_at", "answers", "photos"),
            *("own_first_reading", "computer_view"),
        ]


def _has_left(case: Case) -> bool:
    """Whether the seconds in which a signature can be undone are over."""
    return case.signed_at is not None and case.signed_at + settings.UNDO_SIGNATURE <= timezone.now()
