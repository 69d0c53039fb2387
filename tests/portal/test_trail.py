"""The audit trail's page: admins read it, of their clinic or of all."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts import audit, chain
from accounts.models import AuditEntry
from portal.trail_words import ACTIONS
from tests.cases import submitted
from tests.cast import Cast
from tests.diagnoses.pages import text_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]
PAGE = reverse("manage_trail")
ROOT = Path(__file__).resolve().parents[2]
# Put together where they are recorded.
MADE = {"admin.invited", "doctor.invited", "case.wrote", "case.retake_asked"}


def read(cast: Cast, **asked: str) -> str:
    return text_of(cast.client(cast.root).get(PAGE, asked))


def test_who_looked_and_who_changed_in_words(cast: Cast) -> None:
    case = submitted(cast.ana)
    audit.record("case.viewed", actor=cast.ruth, about=f"case:{case.pk}", where="page")
    chain.seal()
    page = read(cast)
    assert f"Opened a case : {case.reference}" in page or f"Opened a case: {case.reference}" in page
    assert "Ruth Okafor" in page
    assert "Sent a case" in page
    assert "was linked" in page
    assert "Opened a case" not in read(cast, kind="changes")
    assert "Sent a case" not in read(cast, kind="looks")
    assert "Sent a case" in read(cast, kind="nonsense")


def test_it_is_found_by_a_case_and_by_a_name(cast: Cast) -> None:
    case, other = submitted(cast.ana), submitted(cast.bo)
    for asked in (case.reference, str(case.pk), f"case:{case.pk}", case.reference.lower()):
        page = read(cast, q=asked)
        assert "Sent a case" in page
        assert other.reference not in page
    assert other.reference in read(cast, q="bo@example.org")
    assert case.reference not in read(cast, q="Bo Berg")
    assert "No line fits" in read(cast, q="nobody of this name")
    assert "Sent a case" in read(cast, q="\0")


def test_an_admin_of_one_clinic_reads_what_its_people_did(cast: Cast) -> None:
    here, there = submitted(cast.ana), submitted(cast.ana)
    audit.record("case.viewed", actor=cast.ruth, about=f"case:{here.pk}")
    audit.record("case.viewed", actor=cast.xu, about=f"case:{there.pk}")
    page = text_of(cast.client(cast.ada).get(PAGE, {"kind": "looks"}))
    assert here.reference in page
    assert there.reference not in page
    assert "No line fits" in text_of(cast.client(cast.ada).get(PAGE, {"q": "Xu Lin"}))
    for who in (cast.ana, cast.ruth):
        assert cast.client(who).get(PAGE).status_code == 404


def test_older_lines_are_a_press_away_and_cost_no_more(cast: Cast) -> None:
    for number in range(60):
        audit.record("case.viewed", actor=cast.ruth, about=f"lesion:{number}-")
    client = cast.client(cast.root)
    with CaptureQueriesContext(connection) as queries:
        first = client.get(PAGE, {"q": "Ruth", "kind": "looks"})
    assert len(queries) <= 8
    assert "lesion 59-" in text_of(first)
    assert "lesion 9-" not in text_of(first)
    oldest = AuditEntry.objects.get(about="lesion:10-")
    second = client.get(PAGE, {"q": "Ruth", "kind": "looks", "before": str(oldest.pk)})
    assert "lesion 9-" in text_of(second)
    assert "lesion 10-" not in text_of(second)
    assert client.get(PAGE, {"before": "9" * 40}).status_code == 200


def test_every_action_that_is_recorded_has_words() -> None:
    """Whatever is recorded by a literal name, wherever in the rooms."""
    named = set()
    for room in ("accounts", "diagnoses", "mlservice", "notifications", "portal"):
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and _name(node.func) == "record" and node.args:
                    first = node.args[0]
                    if isinstance(first, ast.Constant) and isinstance(first.value, str):
                        named.add(first.value)
    assert len(named) > 50
    assert named <= set(ACTIONS)
    assert set(ACTIONS) >= MADE


def _name(node: ast.expr) -> str:
    return str(node.attr) if isinstance(node, ast.Attribute) else getattr(node, "id", "")
