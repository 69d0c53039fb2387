"""Whoever has found a hole is told whom to tell."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.test import Client
from django.utils import timezone
from pytest_django import Settings

WHERE = "/.well-known/security.txt"


def test_it_names_whom_the_installation_names(client: Client, settings: Settings) -> None:
    settings.SECURITY_CONTACT = ["mailto:security@clinic.example", "https://clinic.example/holes"]
    answer = client.get(WHERE)
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    lines = [line.split(": ", 1) for line in answer.text.splitlines()]
    assert [value for name, value in lines if name == "Contact"] == settings.SECURITY_CONTACT
    said = dict(lines)
    assert said["Canonical"] == f"{settings.PUBLIC_URL}{WHERE}"
    until = datetime.fromisoformat(said["Expires"])
    assert timedelta(days=80) < until - timezone.now() < timedelta(days=365)


def test_an_installation_that_names_nobody_has_no_such_page(client: Client) -> None:
    assert client.get(WHERE).status_code == 404
