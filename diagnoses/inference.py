"""Claim what is due, score it, report to the workflow. Runs in the inference worker only.

Rows are the queue. A claim leases rows with ``FOR UPDATE SKIP LOCKED`` under a fresh fencing
token, by the database's clock. One batch goes through three steps, and only the first and the last
speak to the database, so that the middle one of another batch can run meanwhile:

:func:`take` leases rows and has their pictures prepared, :func:`predict` runs the network,
:func:`settle` files what came out or gives the rows back.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, transaction
from django.db.models import F
from django.db.models.functions import Now

from accounts import people
from accounts.models import Consent
from diagnoses import failpoints, workflow
from diagnoses.fetching import prepared
from diagnoses.models import Photo, Scoring
from diagnoses.models.scoring import tried
from diagnoses.prediction import Timing, prediction_of
from diagnoses.sealing import AwayError
from mlservice.engine import EngineError, Modality, PictureAssessment, PictureError, assess
from mlservice.engine.assess import views_of_one
from mlservice.engine.decoders import Decoder, Pending
from mlservice.engine.types import Metadata
from mlservice.models import ModelVersion
from mlservice.serving import Served, Shelf

logger = logging.getLogger(__name__)

# Claimed together where one forward at a time is as fast as many: a claim costs the database as
# much as a case, and a killed worker or an urgent newcomer waits for no more than this.
CASES_AT_ONCE = 4
BACKOFF = timedelta(seconds=2)  # times the attempts made
# While the storage is away: a little longer each time, so that a night of it makes few lines.
AWAY, LONGEST = timedelta(seconds=5), timedelta(minutes=5)


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One claimed row with the photos the network will see."""

    scoring: Scoring
    photos: Sequence[Photo]
    declared: Sequence[Modality]
    pictures: Sequence[Pending]

    @property
    def metadata(self) -> Metadata:
        """What is known beside the pictures; the version looks at the kinds it has learned."""
        case = self.scoring.case
        told = {name: said for name, said in case.answers.items() if isinstance(said, str)}
        return told | {"site": case.site}


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Rows of one model version, leased together."""

    served: Served
    jobs: Sequence[Job]

    @property
    def alone(self) -> bool:
        """Whether it holds a row that failed before: nothing else may be in hand with it."""
        return any(job.scoring.attempts > 1 for job in self.jobs)


@dataclass
class Outcome:
    """What became of a batch: results by the row's key, and what went wrong."""

    results: dict[int, Sequence[PictureAssessment]] = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)
    timing: Timing = field(default_factory=dict)


# --- Taking --------------------------------------------------------------------------------------


def take(
    shelf: Shelf, decoder: Decoder, holder: int | None = None, *, more: bool = False
) -> Batch | None:
    """Claim a batch and have its pictures prepared; ``None`` where nothing is due here.

    ``more``: another batch is in hand already. Then only rows that never failed are taken.
    """
    at_most = max((_pays(served) for served in shelf.loaded.values()), default=CASES_AT_ONCE)
    rows = claim(shelf.loaded, holder, at_most, fresh_only=more)
    if not rows:
        return None
    failpoints.reach("after_claim")
    served = shelf.loaded[rows[0].model_version_id]
    agreed = people.who_agreed((row.case.patient_id for row in rows), Consent.Kind.COMPUTER_CHECK)
    jobs = []
    for row in rows:
        if row.case.patient_id not in agreed:
            workflow.give_up(row, "consent taken back", reason="no_consent")
            continue
        try:
            jobs.append(_job(row, served, decoder))
        except AwayError as error:
            logger.warning("Scoring %s waits for its pictures: %s", row.pk, error)
            wait = min(AWAY * (1 + len(row.tries)), LONGEST)
            _give_back(row, str(error)[:300], run_after=Now() + wait)
    return Batch(served, jobs)


def load_wanted(shelf: Shelf) -> None:
    """Load and prove what rows wait for; what is refused is not claimed.

    A candidate's network is loaded beside the work, because that takes seconds.
    """
    due = Scoring.objects.due().wanted()
    waited_for = set(due.values_list("model_version", "purpose").distinct())
    versions = ModelVersion.objects.in_bulk({pk for pk, _ in waited_for} - shelf.loaded.keys())
    live = {pk for pk, purpose in waited_for if purpose == Scoring.Purpose.LIVE}
    for version in versions.values():
        (shelf.get if version.pk in live else shelf.prepare)(version)


def _pays(served: Served) -> int:
    """How many cases (of one photo) fill what the engine computes at once."""
    forwards = views_of_one(served.bundle.fields)
    return max(CASES_AT_ONCE, -(-served.predictor.batch_size // forwards))


def claim(
    versions: Iterable[int],
    holder: int | None = None,
    at_most: int = CASES_AT_ONCE,
    *,
    fresh_only: bool = False,
) -> list[Scoring]:
    """Lease what is due, urgent and oldest first, all of one version.

    A row on its second try goes alone: it may be what ended the first. With ``fresh_only`` it
    stays where it is, and so does everything behind it, until nothing else is in hand.
    """
    with transaction.atomic():
        due = (
            Scoring.objects.due()
            .not_spent()
            .filter(model_version__in=list(versions))
            .wanted()
            .select_related("case", "model_version")
            .prefetch_related("case__photos")
            .select_for_update(skip_locked=True, of=("self",))
            .order_by("priority", "run_after", "pk")
        )
        # A candidate waits until nothing is in hand, and is given one case: a live one that comes
        # meanwhile waits for no more than that.
        rows = list((due.live() if fresh_only else due)[:at_most])
        retried = [row for row in rows if row.attempts]
        if retried:
            rows = [] if fresh_only else retried[:1]
        rows = [row for row in rows if _go_together(row, rows[0])]
        if rows:
            _lease(rows, holder)
    return rows


def _go_together(row: Scoring, first: Scoring) -> bool:
    if first.purpose == Scoring.Purpose.SHADOW:
        return row is first
    return (row.purpose, row.model_version_id) == (first.purpose, first.model_version_id)


def _lease(rows: Sequence[Scoring], holder: int | None) -> None:
    token = uuid.uuid4()
    Scoring.objects.filter(pk__in=[row.pk for row in rows]).update(
        token=token,
        holder=holder,
        lease_until=Now() + settings.SCORING_LEASE,
        attempts=F("attempts") + 1,
        tries=tried("leased"),
    )
    for row in rows:
        row.token, row.attempts = token, row.attempts + 1


def _job(row: Scoring, served: Served, decoder: Decoder) -> Job:
    pack = row.case.pack
    photos = [
        photo
        for photo in row.case.photos.all()
        if pack.photo_kind(photo.kind).scored and not photo.sent_anyway
    ]
    declared = [Modality(pack.photo_kind(photo.kind).modality) for photo in photos]
    return Job(row, photos, declared, prepared(photos, decoder, served.bundle.side))


# --- Predicting ----------------------------------------------------------------------------------


def predict(batch: Batch) -> Outcome:
    """Run the network over a batch; asks no database, and raises nothing that a picture causes."""
    outcome, started = Outcome(), time.perf_counter()
    ready = []
    for job in batch.jobs:
        try:
            ready.append((job, [pending.result() for pending in job.pictures]))
        except PictureError as error:
            outcome.errors[job.scoring.pk] = f"photo unreadable: {error}"
    failpoints.reach("after_decode")
    decoded = time.perf_counter()
    try:
        results = assess(
            batch.served.predictor,
            batch.served.bundle,
            [picture for _, pictures in ready for picture in pictures],
            [kind for job, _ in ready for kind in job.declared],
            metadata=[job.metadata for job, pictures in ready for _ in pictures],
            # All rows of a batch name one version, so they share its configured threshold.
            threshold=batch.jobs[0].scoring.model_version.threshold if batch.jobs else None,
        )
    except EngineError as error:
        outcome.errors |= {job.scoring.pk: str(error) for job, _ in ready}
        return outcome
    failpoints.reach("after_predict")
    for job, pictures in ready:
        outcome.results[job.scoring.pk] = results[: len(pictures)]
        results = results[len(pictures) :]
    outcome.timing = {
        "decode_ms": round((decoded - started) * 1000, 1),  # waited for, beside other work
        "predict_ms": round((time.perf_counter() - decoded) * 1000, 1),
        "batch": len(ready),
    }
    return outcome


# --- Settling ------------------------------------------------------------------------------------


def settle(batch: Batch, outcome: Outcome) -> None:
    """File every result; give every row back that has none. One row's trouble is its own.

    Raises :class:`OperationalError` or :class:`InterfaceError` while the database is away: call it
    again with the same outcome. What was filed already is then refused by its token.
    """
    scored = []
    for job in batch.jobs:
        if error := outcome.errors.get(job.scoring.pk):
            logger.error("Scoring %s failed: %s", job.scoring.pk, error, extra=_named(job.scoring))
            release(job.scoring, error)
        else:
            scored.append(job)
    if len(scored) > 1 and _filed_together(batch, scored, outcome):
        return
    for job in scored:
        _file_alone(batch, job, outcome)


def _filed_together(batch: Batch, jobs: Sequence[Job], outcome: Outcome) -> bool:
    """One transaction for all: what a view costs the database is mostly the same for many."""
    try:
        return _attached(batch, jobs, outcome)
    except (OperationalError, InterfaceError):
        raise
    except (DatabaseError, ValueError):
        logger.warning("%s views could not be filed together; one by one, then", len(jobs))
        return False


def _file_alone(batch: Batch, job: Job, outcome: Outcome) -> None:
    row = job.scoring
    try:
        if not _attached(batch, [job], outcome):
            late = "Scoring %s was no longer ours; its late answer is refused"
            logger.warning(late, row.pk, extra=_named(row))
    except (OperationalError, InterfaceError):
        raise
    except (DatabaseError, ValueError) as trouble:
        logger.exception("Scoring %s could not be filed", row.pk, extra=_named(row))
        release(row, str(trouble))


def _attached(batch: Batch, jobs: Sequence[Job], outcome: Outcome) -> bool:
    views = []
    for job in jobs:
        results = outcome.results[job.scoring.pk]
        view = prediction_of(batch.served, job.scoring, job.photos, results, outcome.timing)
        views.append((job.scoring, view))
    attached = workflow.attach(*views)
    failpoints.reach("after_commit")
    return attached


def release(row: Scoring, error: str) -> None:
    """Give a failed row back, to be tried again a little later, alone."""
    Scoring.objects.waiting().filter(pk=row.pk, token=row.token).update(
        token=None,
        holder=None,
        lease_until=None,
        run_after=Now() + BACKOFF * row.attempts,
        error=error[:300],
        tries=tried("failed", error[:300]),
    )


def hand_back(batch: Batch) -> None:
    """Return a batch nobody has begun: no attempt was made, so none is counted."""
    for job in batch.jobs:
        _give_back(job.scoring)


def _give_back(row: Scoring, why: str = "", **changes: Any) -> None:
    Scoring.objects.waiting().filter(pk=row.pk, token=row.token).update(
        token=None,
        holder=None,
        lease_until=None,
        attempts=F("attempts") - 1,
        tries=tried("handed_back", why),
        **changes,
    )


def give_up_exhausted() -> int:
    """Rows tried often enough, by workers that failed or died, go to the doctors unscored.

    Those of a candidate go nowhere: its comparison lacks a case.
    """
    spent = Scoring.objects.due().spent()
    given_up = [row for row in spent[:100] if workflow.give_up(row, row.error or "worker died")]
    for row in given_up:
        given_up_after = "Gave up scoring %s after %s attempts"
        logger.error(given_up_after, row.pk, row.attempts, extra=_named(row))
    return len(given_up)


def _named(row: Scoring) -> dict[str, int]:
    """For a line of the log: which row, and which try."""
    return {"scoring_id": row.pk, "attempt": row.attempts}
