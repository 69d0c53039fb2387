"""What the engine said of a case's pictures, as the row that keeps it. Touches no database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from diagnoses.models import Photo, Prediction, Scoring
from mlservice.engine import PictureAssessment, Tier
from mlservice.serving import Served

Timing = Mapping[str, float | int]


def prediction_of(
    served: Served,
    scoring: Scoring,
    photos: Sequence[Photo],
    results: Sequence[PictureAssessment],
    timing: Timing,
) -> Prediction:
    """The unsaved prediction of a case: the picture with the highest risk decides.

    Its tier is the most urgent of all pictures': a second photo never calms the first.
    """
    worst = max(range(len(results)), key=lambda i: (_known(results[i]), results[i].risk))
    tier = Tier.GREEN
    for one in results:
        tier = tier.raised_to(one.tier)
    decides = replace(results[worst], tier=tier)
    reasons = list(dict.fromkeys(r for one in [decides, *results] for r in one.reasons))
    return Prediction(
        photo=photos[worst],
        model_version_id=scoring.model_version_id,
        probabilities=dict(decides.probabilities),
        top_label=decides.top_label,
        confidence=decides.confidence,
        threshold=scoring.model_version.threshold,
        no_disease=decides.no_disease,
        label=(decides.label or "") if _known(decides) else "",
        risk=min(decides.risk, 1.0),
        picture_tier=decides.tier.value,
        reasons=reasons,
        stable=all(one.stable for one in results),
        out_of_distribution=any(one.out_of_distribution for one in results),
        distance=decides.distance,
        modality=decides.modality.value,
        conformal_set=list(decides.conformal_set),
        embedding=decides.embedding.astype("<f4").tobytes(),
        heat=None if decides.heat is None else decides.heat.tobytes(),
        photos=[_short(photo, one) for photo, one in zip(photos, results, strict=True)],
        receipt=_receipt(served, timing) | _beside(decides),
    )


def _known(result: PictureAssessment) -> bool:
    """Whether the picture shows anything the network learned of."""
    return result.modality.shows_a_mark


def _beside(result: PictureAssessment) -> dict[str, Any]:
    """The patient's answers that the names were read with, as they were then."""
    return {"metadata": dict(result.metadata)} if result.metadata else {}


def _short(photo: Photo, result: PictureAssessment) -> dict[str, Any]:
    alone = {} if result.by_picture is None else {"by_picture": dict(result.by_picture)}
    return alone | {
        "photo": str(photo.pk),
        "sha256": photo.sha256,
        "risk": result.risk,
        "top_label": result.top_label,
        "confidence": result.confidence,
        "tier": result.tier.value,
        "rotation_risks": list(result.rotation_risks),
        "modality": result.modality.value,
    }


def _receipt(served: Served, timing: Timing) -> dict[str, Any]:
    """What anybody needs to compute the same numbers again."""
    bundle, own = served.bundle, served.bundle.manifest.risk
    return {
        "model": bundle.version,
        "weights_sha256": bundle.weights_hash,
        "manifest_sha256": bundle.manifest_hash,
        "preprocess_sha256": bundle.manifest.preprocess_hash,
        "temperature": bundle.temperature,
        "r95": bundle.r95,
        "r99": bundle.r99,
        **({"risk_temperature": own.temperature} if own else {}),
        "device": served.predictor.name,
        **timing,
    }
