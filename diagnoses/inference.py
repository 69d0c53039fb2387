"""Claim what is due, score it, report to the workflow. Runs in the inference worker only.

Rows are the queue. A claim leases rows with ``FOR UPDATE SKIP LOCKED`` under a fresh fencing
token, by the database's clock. While one batch computes the next forms by itself; there is no
timed window.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import groupby
from typing import Any

from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import F
from django.db.models.functions import Now

from accounts import people
from accounts.models import Consent
from diagnoses import workflow
from diagnoses.models import Photo, Prediction, Scoring
from mlservice.engine import (
    EngineError,
    Modality,
    Picture,
    PictureAssessment,
    PictureError,
    Tier,
    assess,
    prepare,
)
from mlservice.models import ModelVersion
from mlservice.serving import Served, Shelf

logger = logging.getLogger(__name__)

CASES_AT_ONCE = 8  # claimed together; the engine splits into what pays on its device
BACKOFF = timedelta(seconds=2)  # times the attempts made


@dataclass(frozen=True, slots=True)
class Job:
    """One claimed row with the pictures the network will see."""

    scoring: Scoring
    photos: Sequence[Photo]
    pictures: Sequence[Picture]
    declared: Sequence[Modality]


def score_next(shelf: Shelf, holder: int | None = None) -> int:
    """Claim one batch and settle it; returns how many rows were claimed."""
    give_up_exhausted()
    claimed = claim(servable(shelf), holder)
    for version_id, rows in groupby(claimed, key=lambda row: row.model_version_id):
        served = shelf.loaded[version_id]
        _score(served, list(rows))
    return len(claimed)


def servable(shelf: Shelf) -> list[int]:
    """Versions with work waiting whose bundle is loaded and proven here; others are not claimed."""
    wanted = ModelVersion.objects.filter(scorings__in=Scoring.objects.due()).distinct()
    return [version.pk for version in wanted if shelf.get(version)]


def claim(
    versions: Iterable[int], holder: int | None = None, at_most: int = CASES_AT_ONCE
) -> list[Scoring]:
    """Lease what is due, urgent and oldest first. A row on its second try goes alone."""
    with transaction.atomic():
        due = (
            Scoring.objects.due()
            .filter(model_version__in=list(versions), attempts__lt=settings.SCORING_ATTEMPTS)
            .select_related("case__patient", "model_version")
            .select_for_update(skip_locked=True, of=("self",))
            .order_by("priority", "run_after", "pk")
        )
        rows = list(due[:at_most])
        retried = [row for row in rows if row.attempts]
        rows = retried[:1] or rows
        token = uuid.uuid4()
        Scoring.objects.filter(pk__in=[row.pk for row in rows]).update(
            token=token,
            holder=holder,
            lease_until=Now() + settings.SCORING_LEASE,
            attempts=F("attempts") + 1,
        )
        for row in rows:
            row.token, row.attempts = token, row.attempts + 1
    return sorted(rows, key=lambda row: row.model_version_id)


def release(row: Scoring, error: str) -> None:
    """Give a failed row back, to be tried again a little later, alone."""
    Scoring.objects.waiting().filter(pk=row.pk, token=row.token).update(
        token=None,
        holder=None,
        lease_until=None,
        run_after=Now() + BACKOFF * row.attempts,
        error=error[:300],
    )


def give_up_exhausted() -> int:
    """Rows tried often enough, by workers that failed or died, go to the doctors unscored."""
    spent = Scoring.objects.due().filter(attempts__gte=settings.SCORING_ATTEMPTS)
    given_up = [row for row in spent[:100] if workflow.give_up(row, row.error or "worker died")]
    for row in given_up:
        logger.error("Gave up scoring %s after %s attempts", row.pk, row.attempts)
    return len(given_up)


def _score(served: Served, rows: list[Scoring]) -> None:
    """Predict one version's rows in one go; a failure gives every row back."""
    started = time.perf_counter()
    jobs = [job for row in rows if (job := _job(row, served.bundle.side))]
    decoded = time.perf_counter()
    try:
        results = assess(
            served.predictor,
            served.bundle,
            [picture for job in jobs for picture in job.pictures],
            [kind for job in jobs for kind in job.declared],
            # All rows of a group name one version, so they share its configured threshold.
            threshold=rows[0].model_version.threshold,
        )
    except EngineError as error:
        logger.exception("A batch of %s could not be scored", len(jobs))
        for job in jobs:
            release(job.scoring, str(error))
        return
    timing = {
        "decode_ms": round((decoded - started) * 1000, 1),
        "predict_ms": round((time.perf_counter() - decoded) * 1000, 1),
        "batch": len(jobs),
    }
    position = 0
    for job in jobs:
        own = results[position : position + len(job.pictures)]
        position += len(job.pictures)
        try:
            _file(served, job, own, timing)
        except (DatabaseError, ValueError) as error:
            # One row's trouble is its own: its batch-mates are filed all the same.
            logger.exception("Scoring %s could not be filed", job.scoring.pk)
            release(job.scoring, str(error))


def _file(
    served: Served, job: Job, results: Sequence[PictureAssessment], timing: dict[str, Any]
) -> None:
    """One case's result to the workflow."""
    if not workflow.attach(job.scoring, prediction_of(served, job, results, timing)):
        logger.warning("Scoring %s was no longer ours; its late answer is refused", job.scoring.pk)


def _job(row: Scoring, side: int) -> Job | None:
    """Read and prepare a row's scored photos; None where that cannot or may not be."""
    if not people.has_consent(row.case.patient, Consent.Kind.COMPUTER_CHECK):
        workflow.give_up(row, "consent taken back", reason="no_consent")
        return None
    pack = row.case.pack
    photos = [
        photo
        for photo in row.case.photos.all()
        if pack.photo_kind(photo.kind).scored and not photo.sent_anyway
    ]
    declared = [Modality(pack.photo_kind(photo.kind).modality) for photo in photos]
    try:
        pictures = [prepare(_content(photo), side) for photo in photos]
    except (PictureError, OSError) as error:
        logger.exception("A photo of scoring %s cannot be read", row.pk)
        release(row, f"photo unreadable: {error}")
        return None
    return Job(row, photos, pictures, declared)


def _content(photo: Photo) -> bytes:
    with photo.file.open("rb") as file:
        content: bytes = file.read()
    return content


def prediction_of(
    served: Served, job: Job, results: Sequence[PictureAssessment], timing: dict[str, Any]
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
        photo=job.photos[worst],
        model_version_id=job.scoring.model_version_id,
        probabilities=dict(decides.probabilities),
        top_label=decides.top_label,
        confidence=decides.confidence,
        threshold=job.scoring.model_version.threshold,
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
        photos=[_short(photo, one) for photo, one in zip(job.photos, results, strict=True)],
        receipt=_receipt(served, timing),
    )


def _known(result: PictureAssessment) -> bool:
    """Whether the picture shows anything the network learned of."""
    return result.modality.shows_a_mark


def _short(photo: Photo, result: PictureAssessment) -> dict[str, Any]:
    return {
        "photo": str(photo.pk),
        "sha256": photo.sha256,
        "risk": result.risk,
        "top_label": result.top_label,
        "confidence": result.confidence,
        "tier": result.tier.value,
        "rotation_risks": list(result.rotation_risks),
        "modality": result.modality.value,
    }


def _receipt(served: Served, timing: dict[str, Any]) -> dict[str, Any]:
    """What anybody needs to compute the same numbers again."""
    bundle = served.bundle
    return {
        "model": bundle.version,
        "weights_sha256": bundle.weights_hash,
        "manifest_sha256": bundle.manifest_hash,
        "preprocess_sha256": bundle.manifest.preprocess_hash,
        "temperature": bundle.temperature,
        "r95": bundle.r95,
        "r99": bundle.r99,
        "device": served.predictor.name,
        **timing,
    }
