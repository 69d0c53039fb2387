"""Celery's part: wake-up calls and the sweep. What must be done is in the rows."""

from __future__ import annotations

import time
from typing import Any

from celery import shared_task
from celery.signals import worker_ready, worker_shutdown
from django.conf import settings

from diagnoses import claims, drafts, erasure, inference, learning, worker, workflow
from diagnoses.models import Scoring
from diagnoses.monitoring import alarms
from notifications.wake import wake

# A worker that is asked to stop waits for its task; the rest waits for the next sweep.
ROUND_SECONDS = 30
INFERENCE_QUEUE = settings.CELERY_TASK_ROUTES["diagnoses.score_due"]["queue"]


@shared_task(name="diagnoses.score_due")
def score_due() -> None:
    """Work is waiting: wake this process's clerk. Without one the rows wait for who has one."""
    if clerk := worker.running():
        clerk.wake()


@shared_task(name="diagnoses.sweep")
def sweep() -> None:
    """Catch what a lost message or a dead worker left behind. Any io worker may run it."""
    worker.free_rows_of_the_dead()
    inference.give_up_exhausted()
    workflow.pass_on_the_late()
    workflow.pass_on_the_paused()
    workflow.close_the_shadows()
    claims.sweep()
    if Scoring.objects.due().exists():
        wake("diagnoses.score_due")


@shared_task(name="diagnoses.sweep_drafts")
def sweep_drafts() -> None:
    """Forget the photos of forms that nobody sent."""
    drafts.sweep()


@shared_task(name="diagnoses.sweep_erasures")
def sweep_erasures() -> None:
    """Erase the accounts whose days to undo it are over, and the training exports that are."""
    erasure.sweep()
    learning.sweep()


@shared_task(name="diagnoses.sweep_reminders")
def sweep_reminders() -> None:
    """Tell whose turn has come. Any io worker may run it, and two at once."""
    workflow.begin_sun_season()
    ends = time.monotonic() + ROUND_SECONDS
    while workflow.tell_next() and time.monotonic() < ends:
        pass


@shared_task(name="diagnoses.sweep_escalations")
def sweep_escalations() -> None:
    """Tell of what waits too long. Any io worker may run it, and two at once."""
    workflow.escalate()


@shared_task(name="diagnoses.look_out")
def look_out() -> None:
    """Look at the versions in service. Any io worker may run it, and two at once."""
    alarms.look()


@shared_task(name="diagnoses.make_exports")
def make_exports() -> None:
    """Make the training exports that wait. Any io worker may run it, and two at once."""
    learning.make_due()


@worker_ready.connect
def _start_scoring(sender: Any, **_: Any) -> None:
    """A Celery worker that listens to the inference queue is an inference worker."""
    if INFERENCE_QUEUE in sender.app.amqp.queues.consume_from:
        # Celery calls it "inference-1@machine", or "celery@machine" where nobody gave it a name.
        called = str(sender.hostname or "").partition("@")[0]
        worker.start("" if called == "celery" else called)


@worker_shutdown.connect
def _stop_scoring(**_: Any) -> None:
    if clerk := worker.running():
        clerk.stop(timeout=settings.SCORING_LEASE.total_seconds())
