"""What Prometheus is told: well-formed, true to the database, for who has the token, of nobody."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from diagnoses.models import Alarm, Case, Escalation, Prediction, Scoring
from mlservice import reports
from mlservice.models import ModelVersion
from mlservice.serving import Shelf
from notifications import ledger
from notifications.ledger import Notice
from notifications.models import Event, Message
from portal.operations import storage
from portal.operations.exposition import Family, Sample, written
from tests.cases import RED, a_model_version, claimed, scored, submitted
from tests.cast import Cast

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]
TOKEN = "a-token-of-the-tests-and-of-nobody-else"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
_LABELS = r'\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*\}'
_SAMPLE = re.compile(rf"([a-zA-Z_:][\w:]*)({_LABELS})? (NaN|[+-]Inf|-?[\d.]+(?:e[+-]?\d+)?)")
_PAIR = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_UNESCAPED = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


def parsed(text: str) -> Samples:
    """As Prometheus reads it; fails where a line is none, or belongs to no family announced."""
    assert text.endswith("\n")
    samples: Samples = {}
    family = kind = ""
    for line in text.splitlines():
        if line.startswith("# HELP "):
            assert line.split(" ", 3)[3]
            continue
        if line.startswith("# TYPE "):
            family, kind = line.split(" ")[2:]
            assert kind in {"counter", "gauge", "summary"}
            continue
        found = _SAMPLE.fullmatch(line)
        assert found, line
        name, labels, value = found.groups()
        allowed = {family, f"{family}_sum", f"{family}_count"} if kind == "summary" else {family}
        assert name in allowed, f"{name} stands under {family}"
        pairs = {
            key: re.sub(r"\\.", lambda one: _UNESCAPED[one[0]], raw)
            for key, raw in _PAIR.findall(labels or "")
        }
        key = (name, frozenset(pairs.items()))
        assert key not in samples, f"{name} {pairs} comes twice"
        samples[key] = float(value.replace("Inf", "inf"))
    return samples


@pytest.fixture
def scraped(client: Client, settings: Settings) -> Any:
    settings.METRICS_TOKEN = TOKEN

    def scrape() -> Samples:
        answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 200
        assert answer["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert "no-store" in answer["Cache-Control"]
        return parsed(answer.content.decode())

    return scrape


def value(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((name, frozenset(labels.items())))


@pytest.mark.parametrize(
    "given",
    ["", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer ", "Bearer \u00e9", "bearer"],
)
def test_without_the_token_there_is_no_such_page(
    client: Client, settings: Settings, given: str
) -> None:
    settings.METRICS_TOKEN = TOKEN
    headers = {"Authorization": given} if given else {}
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == 404
    assert b"lentigo_" not in answer.content


def test_where_no_token_is_set_there_is_no_such_page_for_anyone(
    cast: Cast, settings: Settings
) -> None:
    settings.METRICS_TOKEN = ""
    for client in (Client(), cast.client(cast.root)):
        for given in ("Bearer ", "Bearer", "Bearer None"):
            assert client.get("/metrics", headers={"Authorization": given}).status_code == 404


def test_every_number_is_the_databases(cast: Cast, scraped: Any, media: Path) -> None:
    version = a_model_version(version='two "quoted"\\')
    for _ in range(3):
        scored(submitted(cast.ana))
    red = scored(submitted(cast.ana), **RED)
    claimed(submitted(cast.ana))
    retried = claimed(submitted(cast.ana))
    Scoring.objects.filter(pk=retried.pk).update(token=None, lease_until=None)
    submitted(cast.ana)
    Case.objects.filter(pk=red.pk).update(answer_due_at=timezone.now() - timedelta(hours=1))
    Escalation.objects.create(clinic=cast.north, case=red, step="late", about=f"case:{red.pk}")
    with transaction.atomic():
        ledger.tell(Notice(Event.CASE_SIGNED, cast.bo, "case:x", "/cases/"))
    Message.objects.filter(recipient=cast.bo).update(state="failed", settled_at=timezone.now())
    Message.objects.filter(recipient=cast.ruth).update(state="unknown")
    reports.report(7, Shelf())
    storage.measure()
    Alarm.objects.create(version=version, kind=Alarm.Kind.RED, measured=0.4, limit=0.3)
    Alarm.objects.create(version=version, kind=Alarm.Kind.FAR, ended_at=timezone.now())

    samples = scraped()
    for tier in ("green", "red"):
        said = value(
            samples, "lentigo_predictions_total",
            pack=version.pack, version=version.version, tier=tier,
        )  # fmt: skip
        assert said == Prediction.objects.filter(tier=tier).count() > 0
    waiting = Scoring.objects.waiting()
    assert value(samples, "lentigo_queue_rows", state="leased") == 1
    assert value(samples, "lentigo_queue_rows", state="due") == Scoring.objects.due().count() == 2
    assert value(samples, "lentigo_queue_rows", state="later") == waiting.count() - 3 == 0
    assert value(samples, "lentigo_queue_retried_rows") == 1
    assert value(samples, "lentigo_cases_unscored") == 3
    assert value(samples, "lentigo_cases_overdue", clinic=str(cast.north.pk)) == 1
    assert value(samples, "lentigo_escalations_total", step="late") == 1
    of = {"pack": version.pack, "version": version.version}
    assert value(samples, "lentigo_model_alarms", kind="red", **of) == 1
    assert value(samples, "lentigo_model_alarms", kind="far", **of) is None, "it is over"
    for state in ("pending", "unknown"):
        there = Message.objects.filter(state=state).count()
        assert value(samples, "lentigo_messages_open", state=state) == there > 0
    by = Message.objects.filter(state="failed").get().channel
    assert value(samples, "lentigo_messages_day", channel=by, state="failed") == 1
    assert value(samples, "lentigo_messages_failed_hour") == 1
    assert value(samples, "lentigo_scorings_failed_day") == 0
    assert value(samples, "lentigo_inference_workers", device="cpu") == 1
    assert value(samples, "lentigo_versions_unserved") == 1
    on_the_disk = [path for path in media.rglob("*") if path.is_file()]
    assert value(samples, "lentigo_pictures_files") == len(on_the_disk) > 0
    assert (value(samples, "lentigo_database_bytes") or 0) > 1_000_000
    assert (value(samples, "lentigo_models_bytes") or 0) > 1_000_000
    assert value(samples, "lentigo_scoring_seconds_count", stage="wait") == 4
    assert any(name == "lentigo_build_info" for name, _labels in samples)


def test_how_long_the_computer_took_is_of_the_last_minutes(cast: Cast, scraped: Any) -> None:
    a_model_version()
    for ms in (100, 200, 300):
        scored(submitted(cast.ana), receipt={"decode_ms": ms / 10, "predict_ms": ms})
    samples = scraped()
    half = value(samples, "lentigo_scoring_seconds", stage="predict", quantile="0.5")
    assert half == pytest.approx(0.2)
    assert value(samples, "lentigo_scoring_seconds_sum", stage="decode") == pytest.approx(0.06)
    assert value(samples, "lentigo_scoring_seconds_count", stage="predict") == 3


def test_of_an_empty_portal_it_can_be_read_too(scraped: Any) -> None:
    samples = scraped()
    assert value(samples, "lentigo_queue_rows", state="due") == 0
    assert value(samples, "lentigo_inference_workers", device="none") == 0
    nothing = value(samples, "lentigo_scoring_seconds", stage="wait", quantile="0.99")
    assert nothing is not None
    assert nothing != nothing  # noqa: PLR0124 - not a number


def test_it_costs_as_many_statements_for_much_as_for_little(
    cast: Cast, client: Client, settings: Settings
) -> None:
    settings.METRICS_TOKEN = TOKEN

    def statements() -> int:
        with CaptureQueriesContext(connection) as queries:
            client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        return len(queries)

    a_model_version()
    scored(submitted(cast.ana))
    few = statements()
    for _ in range(4):
        scored(submitted(cast.ana))
        submitted(cast.ana)
    ModelVersion.objects.update(threshold=F("threshold"))
    assert statements() == few <= 17


def test_it_names_nobody_and_no_clinic(cast: Cast, client: Client, settings: Settings) -> None:
    settings.METRICS_TOKEN = TOKEN
    a_model_version()
    Case.objects.filter(pk=submitted(cast.ana).pk).update(answer_due_at=timezone.now())
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).content.decode()
    for person in cast.everyone().values():
        assert person.name not in answer
        assert person.email not in answer
    for clinic in (cast.north, cast.south):
        assert clinic.name not in answer


def test_what_labels_hold_comes_out_as_it_went_in() -> None:
    odd = 'back\\slash, "quote", line\nbreak, é {}'
    family = Family("lentigo_odd", "gauge", "Two\nlines \\ of help.", [Sample(1.5, {"of": odd})])
    text = written([family])
    assert parsed(text) == {("lentigo_odd", frozenset({("of", odd)})): 1.5}
    assert "# HELP lentigo_odd Two\\nlines \\\\ of help." in text


@pytest.mark.parametrize(
    ("number", "said"),
    [(3.0, "3"), (0.25, "0.25"), (float("nan"), "NaN"), (float("inf"), "+Inf"), (-2, "-2")],
)
def test_numbers_are_written_as_prometheus_reads_them(number: float, said: str) -> None:
    assert written([Family("x", "gauge", "It.", [Sample(number)])]).splitlines()[-1] == f"x {said}"


def test_a_name_that_is_none_is_refused_and_so_is_one_that_comes_twice() -> None:
    with pytest.raises(ValueError, match="no metric"):
        Family("9lives", "gauge", "It.", [])
    with pytest.raises(ValueError, match="labels"):
        Family("x", "gauge", "It.", [Sample(1, {"__name__": "y"})])
    family = Family("x", "gauge", "It.", [Sample(1)])
    with pytest.raises(ValueError, match="twice"):
        written([family, family])
