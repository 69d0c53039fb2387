"""What the computer can show for its view, in JSON: as closed as the view it hangs on."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from rest_framework import serializers

from diagnoses import heat, presenting, similar
from diagnoses.models import Outcome


class HeatmapSerializer(serializers.Serializer[Any]):
    """Where the network found what speaks for a label. Not where a disease is."""

    photo = serializers.UUIDField(help_text="The photo whose frame the picture has.")
    label = serializers.CharField(  # type: ignore[assignment]  # taken out of the class by DRF
        help_text="Whose heatmap the address gives; ?label= asks for another's."
    )
    url = serializers.URLField(help_text="A PNG to lay over the photo, with the same token.")


class KnownOutcomeSerializer(serializers.ModelSerializer[Outcome]):
    class Meta:
        model = Outcome
        fields = ["source", "diagnosis"]


class SimilarSerializer(serializers.Serializer[similar.Similar]):
    """A signed case that looks alike. It is said without a name; alike is not the same disease."""

    photo_url = serializers.SerializerMethodField(help_text="Its photo, with the same token.")
    site = serializers.CharField(source="case.site")
    submitted_at = serializers.DateTimeField(source="case.submitted_at")
    diagnosis = serializers.CharField(help_text="A label's name; empty for none of them.")
    plan = serializers.CharField()
    outcome = KnownOutcomeSerializer(
        allow_null=True, help_text="What it turned out to be; null where that is not known."
    )
    likeness = serializers.FloatField(help_text="Cosine of the embeddings: 1 is the same picture.")
    same_patient = serializers.BooleanField()

    def get_photo_url(self, one: similar.Similar) -> str:
        return absolute(self, "api-photo", one.case.pk, one.photo_id)


def heatmap_of(
    serializer: serializers.BaseSerializer[Any], view: presenting.ComputerView
) -> dict[str, Any] | None:
    """What :class:`HeatmapSerializer` says of a view, or ``None``."""
    found = view.prediction
    label = heat.label_shown(found)
    if heat.heat_for(found, label) is None:
        return None
    url = absolute(serializer, "api-heatmap", found.case_id, found.photo_id)
    return {"photo": str(found.photo_id), "label": label, "url": url}


def similar_of(
    serializer: serializers.BaseSerializer[Any], view: presenting.ComputerView
) -> list[dict[str, Any]]:
    """What :class:`SimilarSerializer` says of the cases like this one, written to the trail."""
    doctor = serializer.context["request"].user
    found: Any = similar.shown_to(view.prediction.case, view.prediction, doctor, where="api")
    data: Any = SimilarSerializer(found, many=True, context=serializer.context).data
    return list(data)


def absolute(serializer: serializers.BaseSerializer[Any], name: str, *args: object) -> str:
    """The whole address of what is called ``name``, as the asker reached us."""
    path = reverse(name, args=args)
    request = serializer.context.get("request")
    return request.build_absolute_uri(path) if request else path
