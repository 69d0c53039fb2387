"""``/metrics``: how the portal is doing, for Prometheus. Nothing of anybody, and clinics by number.

Everything is read from the database when somebody asks, so that several web processes say the same.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count
from django.db.models.functions import Now
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from diagnoses.models import Alarm, Case, Escalation, Prediction
from mlservice.models import ModelVersion
from notifications.models import Message
from portal.operations import build, figures, storage
from portal.operations.exposition import CONTENT_TYPE, Family, Sample, written

LATELY = timedelta(minutes=5)
MOST_LATELY = 500  # scorings, the newest first
QUANTILES = (0.5, 0.9, 0.99)
STAGES = ("wait", "decode", "predict")
_BEARER = "Bearer "


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """For who knows the token of the settings; for anyone else there is no such page."""
    given = request.headers.get("Authorization", "")
    expected = settings.METRICS_TOKEN
    known = constant_time_compare(given.removeprefix(_BEARER), expected)
    if not (expected and given.startswith(_BEARER) and known):
        raise Http404
    return HttpResponse(written(families()), content_type=CONTENT_TYPE)


def families() -> Iterator[Family]:
    """Every metric there is; docs/operations.md has them in a table."""
    yield gauge("lentigo_build_info", "Which revision runs.", {"commit": build.commit()}, 1)
    yield from _queue()
    yield from _messages()
    signs = figures.signs()
    yield from _alive(signs)
    yield from _totals()
    yield from _alarms()
    yield from _failures()
    yield from _storage(signs)
    yield _durations()


def gauge(name: str, told: str, labels: Mapping[str, str], value: float) -> Family:
    return Family(name, "gauge", told, [Sample(value, labels)])


def gauges(name: str, told: str, label: str, values: Mapping[str, float]) -> Family:
    """One sample for each value of ``label``."""
    return Family(name, "gauge", told, [Sample(n, {label: of}) for of, n in values.items()])


def _age(since: datetime | None) -> float:
    """In seconds; 0 where nothing waits."""
    return max(0.0, (datetime.now(UTC) - since).total_seconds()) if since else 0.0


def _queue() -> Iterator[Family]:
    queue, unscored, checks = figures.queue(), figures.unscored(), figures.checks()
    states = {"due": queue.due, "leased": queue.leased, "later": queue.later}
    most = f"Counted up to {figures.COUNT_UP_TO}."
    yield gauges("lentigo_queue_rows", f"Rows waiting for the computer. {most}", "state", states)
    yield gauge("lentigo_queue_retried_rows", "Of these, tried before.", {}, queue.retried)
    yield gauge("lentigo_queue_shadow_rows", "Of these, of a shadow version.", {}, queue.shadow)
    told = "How long the oldest row that nobody is at has been claimable."
    yield gauge("lentigo_queue_oldest_seconds", told, {}, _age(queue.oldest))
    told = f"Cases that neither computer nor doctor has come to. {most}"
    yield gauge("lentigo_cases_unscored", told, {}, unscored.n)
    told = "Age of the oldest of them."
    yield gauge("lentigo_cases_unscored_oldest_seconds", told, {}, _age(unscored.oldest))
    yield gauge("lentigo_bundle_checks_waiting", "Bundles to be proved.", {}, checks.n)
    overdue = Case.objects.filter(
        status__in=[Case.Status.REGISTERED, Case.Status.PARTIAL], answer_due_at__lt=Now()
    )
    by_clinic = overdue.order_by().values_list("clinic").annotate(Count("pk"))
    late: dict[str, float] = {str(clinic): n for clinic, n in by_clinic}
    told = "Open cases past their time, by the clinic's number."
    yield gauges("lentigo_cases_overdue", told, "clinic", late)


def _messages() -> Iterator[Family]:
    waiting = figures.messages()
    told = "Messages not sent yet, or in doubt; without the staff's tasks."
    yield gauges(
        "lentigo_messages_open", told, "state", {state: one.n for state, one in waiting.items()}
    )
    told = "Age of the oldest of them that could leave, or be looked up, now."
    ages = {state: _age(one.oldest) for state, one in waiting.items()}
    yield gauges("lentigo_messages_oldest_seconds", told, "state", ages)
    written_lately = Message.objects.filter(created_at__gt=Now() - timedelta(days=1)).order_by()
    counted = written_lately.values_list("channel", "state").annotate(Count("pk"))
    told = "Messages written in the last 24 hours, by channel and by what became of them."
    samples = [Sample(n, {"channel": by, "state": state}) for by, state, n in counted]
    yield Family("lentigo_messages_day", "gauge", told, samples)


def _alive(signs: figures.Signs) -> Iterator[Family]:
    fleet = figures.fleet()
    devices: dict[str, float] = {}
    serves: dict[str, float] = {}
    refuses: dict[str, float] = {}
    for worker in fleet.workers:
        device = worker.report.device or "unknown"
        devices[device] = devices.get(device, 0) + 1
        for version in worker.serves:
            serves[str(version)] = serves.get(str(version), 0) + 1
        for version, _why in worker.refuses:
            refuses[str(version)] = refuses.get(str(version), 0) + 1
    yield gauges("lentigo_inference_workers", "Heard of lately.", "device", devices or {"none": 0})
    yield gauges("lentigo_version_workers", "Workers that serve a version.", "version", serves)
    told = "Workers that refuse a version."
    yield gauges("lentigo_version_refusing_workers", told, "version", refuses)
    told = "Active versions that no worker serves, though nobody has paused them."
    yield gauge("lentigo_versions_unserved", told, {}, len(fleet.unserved))
    yield gauge("lentigo_packs_paused", "Packs the computer is paused for.", {}, len(fleet.paused))
    yield gauge("lentigo_io_workers", "Heard of lately.", {}, len(signs.io))
    if signs.beat:
        told = "Since a call of beat's arrived."
        yield gauge("lentigo_beat_seconds", told, {}, _age(signs.beat.heard_at))
    ages = {name: _age(one.heard_at) for name, one in sorted(signs.sweeps.items())}
    yield gauges("lentigo_sweep_seconds", "Since it last came to its end.", "task", ages)


def _totals() -> Iterator[Family]:
    names = {row.pk: row for row in ModelVersion.objects.only("pack", "version")}
    views = Prediction.objects.live().order_by().values_list("model_version", "tier")
    samples = [
        Sample(n, {"pack": names[pk].pack, "version": names[pk].version, "tier": tier})
        for pk, tier, n in views.annotate(Count("pk"))
    ]
    told = "What the computer said, by version and tier."
    yield Family("lentigo_predictions_total", "counter", told, samples)
    steps = Escalation.objects.order_by().values_list("step").annotate(Count("pk"))
    samples = [Sample(n, {"step": step}) for step, n in steps]
    told = "Steps taken because something waited too long."
    yield Family("lentigo_escalations_total", "counter", told, samples)


def _alarms() -> Iterator[Family]:
    """Of the monitoring: what is wrong with a version and not over."""
    counted = (
        Alarm.objects.open().order_by().values_list("version__pack", "version__version", "kind")
    )
    samples = [
        Sample(n, {"pack": pack, "version": version, "kind": kind})
        for pack, version, kind, n in counted.annotate(Count("pk"))
    ]
    yield Family("lentigo_model_alarms", "gauge", "Open alarms of the monitoring.", samples)


def _failures() -> Iterator[Family]:
    hours = figures.failures()
    for what, told in (
        ("scorings", "Scorings given up, {}."),
        ("messages", "Messages that did not arrive, {}."),
    ):
        numbers = [getattr(hour, what) for hour in hours]
        name = f"lentigo_{what}_failed"
        yield gauge(f"{name}_hour", told.format("this hour and the last"), {}, sum(numbers[-2:]))
        yield gauge(f"{name}_day", told.format("in the last 24 hours"), {}, sum(numbers))


def _storage(signs: figures.Signs) -> Iterator[Family]:
    yield gauge("lentigo_database_bytes", "Size of the database.", {}, figures.database_bytes())
    if disk := storage.disk():
        yield gauge("lentigo_disk_bytes", "Size of the pictures' disk.", {}, disk.size)
        yield gauge("lentigo_disk_free_bytes", "What is free of it.", {}, disk.free)
    if room := storage.measured(signs.storage):
        yield gauge("lentigo_pictures_bytes", "What the pictures take.", {}, room.pictures)
        yield gauge("lentigo_pictures_files", "How many files that is.", {}, room.files)
        told = "Files of pictures that were found changed, moved or cut."
        yield gauge("lentigo_pictures_refused", told, {}, room.refused)
        yield gauge("lentigo_models_bytes", "What the bundles take.", {}, room.models)


def _durations() -> Family:
    """Of the last minutes: how long rows waited till they were filed, and what took how long."""
    live = Prediction.objects.live()
    newest = live.order_by("-pk").values_list("pk", flat=True).first() or 0
    rows = live.filter(pk__gt=newest - MOST_LATELY, created_at__gt=Now() - LATELY)
    seconds: dict[str, list[float]] = {stage: [] for stage in STAGES}
    for receipt, filed, queued in rows.values_list("receipt", "created_at", "scoring__queued_at"):
        for stage, value in _stages(receipt, filed, queued):
            seconds[stage].append(value)
    samples = [one for stage, values in seconds.items() for one in _summary(stage, values)]
    told = (
        "Seconds from the queue to the filed view (wait), and in a batch to decode and to predict; "
        "sum and count are of the last five minutes too, so ask for no rate of them."
    )
    return Family("lentigo_scoring_seconds", "summary", told, samples)


def _stages(
    receipt: Mapping[str, Any], filed: datetime, queued: datetime | None
) -> Iterator[tuple[str, float]]:
    if queued is not None:
        yield "wait", (filed - queued).total_seconds()
    for stage in STAGES[1:]:
        if (ms := receipt.get(f"{stage}_ms")) is not None:
            yield stage, ms / 1000


def _summary(stage: str, values: list[float]) -> Iterable[Sample]:
    for share in QUANTILES:
        found = _quantile(values, share)
        yield Sample(found, {"stage": stage, "quantile": str(share)})
    yield Sample(sum(values), {"stage": stage}, "_sum")
    yield Sample(len(values), {"stage": stage}, "_count")


def _quantile(values: list[float], share: float) -> float:
    """NaN of nothing, as Prometheus has it."""
    if len(values) < 2:
        return values[0] if values else float("nan")
    return statistics.quantiles(values, n=100, method="inclusive")[round(share * 100) - 1]
