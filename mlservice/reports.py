"""What the inference workers say of themselves, for whoever asks whether cases can be scored."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db.models.functions import Now

from mlservice.models import ModelVersion, WorkerReport
from mlservice.serving import Shelf

EVERY = 2.0  # seconds between two reports of a worker
SILENT_AFTER = timedelta(seconds=15)
FORGOTTEN_AFTER = timedelta(days=1)


def report(worker: int, shelf: Shelf, name: str = "") -> None:
    """This worker is alive, serves these versions on its device and refuses those."""
    said = {
        "name": name[:60],
        "device": _device(shelf)[:60],
        "heard_at": Now(),
        "serves": sorted(shelf.loaded),
        "refuses": {str(pk): refused.reason for pk, refused in shelf.refused.items()},
    }
    first = {**said, "started_at": Now()}
    WorkerReport.objects.update_or_create(worker=worker, defaults=said, create_defaults=first)


def _device(shelf: Shelf) -> str:
    """As its networks say it; before there is one, what it was told to use."""
    served = (one.predictor.name for one in shelf.loaded.values() if one)
    return next(served, settings.MODEL_DEVICE)


def leave(worker: int) -> None:
    """This worker ends. Those that died without a word a day ago are forgotten too."""
    WorkerReport.objects.filter(worker=worker).delete()
    WorkerReport.objects.filter(heard_at__lt=Now() - FORGOTTEN_AFTER).delete()


def workers() -> int:
    """How many inference workers were heard of lately."""
    return WorkerReport.objects.filter(heard_at__gt=Now() - SILENT_AFTER).count()


def refusal(version: ModelVersion) -> str:
    """Why no worker serves ``version``; empty where one does, or where none has tried yet."""
    heard = WorkerReport.objects.filter(heard_at__gt=Now() - SILENT_AFTER)
    said = list(heard.values_list("serves", "refuses"))
    if any(version.pk in serves for serves, _ in said):
        return ""
    reasons = [refuses[str(version.pk)] for _, refuses in said if str(version.pk) in refuses]
    return reasons[0] if reasons else ""
