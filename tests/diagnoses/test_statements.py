"""What the doctors' pages and the API cost in statements: the same for one row and for thirty."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from diagnoses import claims, workflow
from diagnoses.models import Case
from diagnoses.worklist import PAGE
from tests.cases import RED, a_model_version, scored, submitted
from tests.cast import Cast

pytestmark = pytest.mark.usefixtures("media")

MANY = PAGE + 5
LISTS = {
    "all": "/worklist/",
    "mine": "/worklist/?show=mine",
    "unassigned": "/worklist/?show=unassigned",
    "today": "/worklist/?show=today",
    "asked": "/worklist/?show=asked",
    "a name": "/worklist/?q=ana",
    "a site": "/worklist/?q=back",
    "a chosen site": "/worklist/?site=back",
    "a name on a site": "/worklist/?q=an&site=back",
    "a reference": "/worklist/?q=0123abcd",
    "whether it is new": "/worklist/state/",
    "whether a search is": "/worklist/state/?q=ana&site=back",
    "answered lately": "/worklist/done/",
}
LIST_AT_MOST = 8
READING = {"diagnosis": "nv", "confidence": "sure", "plan": "reassure"}


@pytest.fixture(autouse=True)
def model(db: None) -> None:
    a_model_version()


def one_more(cast: Cast) -> Iterator[Case]:
    """Waiting cases of every kind: asked for, open with a colleague, with a question, signed."""
    number = 0
    while True:
        asked = (cast.ruth, cast.sam, None)[number % 3]
        case = scored(submitted(cast.ana, doctor=asked), **(RED if number % 2 else {}))
        workflow.ask(case, cast.ana, "Is it bad?", case.pk)
        claims.keep(case, cast.sam)
        yield case
        signed = scored(submitted(cast.ana, doctor=asked))
        workflow.read_first(signed, cast.sam, diagnosis="nv", confidence="sure", plan="reassure")
        workflow.sign(signed, cast.sam, workflow.Answer("nv", "reassure", "Harmless."))
        number += 1
        yield signed


def counted(ask: Callable[[str], int], addresses: dict[str, str]) -> dict[str, int]:
    found = {}
    for name, address in addresses.items():
        with CaptureQueriesContext(connection) as captured:
            assert ask(address) == 200, name
        found[name] = len(captured)
    return found


def test_every_list_costs_the_same_for_one_case_and_for_thirty(cast: Cast) -> None:
    browser, program = cast.client(cast.ruth), cast.api(cast.ruth)

    def costs() -> dict[str, int]:
        pages = counted(lambda address: browser.get(address).status_code, LISTS)
        api = {"API": "/api/v1/cases"}
        return pages | counted(lambda address: program.get(address).status_code, api)

    more = one_more(cast)
    for _ in range(4):
        next(more)
    few = costs()
    for _ in range(2 * MANY):
        next(more)
    assert costs() == few
    assert max(few.values()) <= LIST_AT_MOST, few


def test_a_late_page_costs_at_most_one_statement_more_than_the_first(cast: Cast) -> None:
    browser = cast.client(cast.ruth)
    for _ in range(MANY):
        scored(submitted(cast.ana))
    first = browser.get(reverse("worklist"))
    pages = {"first": "/worklist/", "second": f"/worklist/?{first.context['next_page']}"}
    cost = counted(lambda address: browser.get(address).status_code, pages)
    assert cost["second"] <= min(cost["first"] + 1, LIST_AT_MOST), cost


def test_a_case_costs_the_same_with_one_other_of_the_patients_and_with_thirty(cast: Cast) -> None:
    browser, program = cast.client(cast.ruth), cast.api(cast.ruth)
    case = scored(submitted(cast.ana, site="hand"))
    page, address = reverse("reading", args=[case.pk]), f"/api/v1/cases/{case.pk}"

    def costs() -> list[dict[str, int]]:
        return [
            counted(lambda at: browser.get(at).status_code, {"page": page}),
            counted(lambda at: program.get(at).status_code, {"API": address}),
        ]

    def another() -> None:
        other = scored(submitted(cast.ana, lesion=case.lesion, site="hand"))
        claims.keep(other, cast.sam)
        scored(submitted(cast.ana))

    browser.post(reverse("reading_first", args=[case.pk]), READING)
    another()
    few = costs()
    for _ in range(MANY):
        another()
    assert costs() == few
