"""What a load balancer and an operator are told."""

from __future__ import annotations

from typing import cast

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection
from django.db.models.functions import Now
from django.test import Client
from pytest_django import Settings

from mlservice import registry, reports
from mlservice.models import ModelVersion, WorkerReport
from mlservice.serving import Refused, Served, Shelf
from portal.machine.servers import free_port
from tests.cases import a_model_version
from tests.cast import Cast

pytestmark = pytest.mark.django_db


def test_alive_asks_nobody_else(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise AssertionError("the database was asked")

    monkeypatch.setattr(connection, "ensure_connection", refuse)
    assert client.get("/health/live").json() == {"status": "alive"}
    assert client.get("/healthz").json() == {"status": "alive"}


def test_ready_with_tables_a_model_and_a_broker(client: Client) -> None:
    call_command("register_model", verbosity=0)
    answer = client.get("/health/ready")
    assert client.get("/readyz").json() == answer.json(), "as it was first called"
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "reasons": [],
        "broker": "answers",
        "inference_workers": 0,
    }
    assert "no-store" in answer["Cache-Control"]


def test_without_an_active_model_it_is_not_ready_and_says_so(client: Client) -> None:
    a_model_version(state=ModelVersion.State.RETIRED)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["reasons"] == ["no model version is active"]
    assert int(answer["Retry-After"]) > 0


@pytest.mark.django_db(transaction=True)
def test_an_active_model_whose_files_are_gone_is_said_and_mended_by_an_upgrade(
    client: Client,
) -> None:
    version = a_model_version()
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "files are not those" in answer.json()["reasons"][0]
    call_command("register_model", verbosity=0)
    version.refresh_from_db()
    assert version.state == "retired"
    assert client.get("/readyz").status_code == 200


def test_with_a_migration_to_apply_it_is_not_ready(client: Client) -> None:
    call_command("register_model", verbosity=0)
    call_command("migrate", "portal", "zero", verbosity=0)
    try:
        answer = client.get("/readyz")
    finally:
        call_command("migrate", "portal", verbosity=0)
    assert answer.status_code == 503
    assert answer.json()["reasons"] == ["migrations are waiting to be applied"]


def test_without_a_database_it_is_not_ready(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OperationalError("connection refused: host=secret-host password=secret")

    monkeypatch.setattr("portal.health.MigrationExecutor", fail)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["reasons"] == ["the database does not answer"]
    assert "secret" not in answer.content.decode()


def test_a_dead_broker_is_told_and_is_no_reason(client: Client, settings: Settings) -> None:
    call_command("register_model", verbosity=0)
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["broker"] == "does not answer"


def test_health_answers_over_plain_http_from_inside_where_pages_ask_for_https(
    client: Client, settings: Settings
) -> None:
    settings.SECURE_SSL_REDIRECT = True
    assert client.get("/accounts/login/").status_code == 301
    call_command("register_model", verbosity=0)
    for address in ("/health/live", "/health/ready", "/healthz", "/readyz"):
        assert client.get(address).status_code == 200, address
    assert client.get("/metrics").status_code == 404, "asked in plain HTTP from inside, too"


def test_health_holds_nothing_of_anybody(cast: Cast) -> None:
    call_command("register_model", verbosity=0)
    body = cast.client(cast.ana).get("/readyz").content.decode()
    for person in cast.everyone().values():
        assert person.email not in body
        assert person.name not in body


def test_a_model_that_every_worker_refuses_is_a_reason(client: Client) -> None:
    call_command("register_model", verbosity=0)
    version = registry.active("skin")
    assert version is not None
    broken = Shelf(refused={version.pk: Refused("model.tflite is not what was registered.", 0.0)})
    reports.report(1, broken)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "model.tflite is not what was registered" in answer.json()["reasons"][0]
    assert answer.json()["inference_workers"] == 1

    reports.report(2, Shelf(loaded={version.pk: cast("Served", None)}))
    assert client.get("/readyz").status_code == 200, "another worker serves it"
    reports.leave(2)
    WorkerReport.objects.filter(worker=1).update(heard_at=Now() - reports.SILENT_AFTER)
    assert client.get("/readyz").status_code == 200, "nobody has said anything lately"
