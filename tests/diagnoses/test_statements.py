"""What pages and API cost in statements: so many, and the same for one row of each kind and for
thirty more."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import date, timedelta

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Role, User
from diagnoses import claims, workflow
from diagnoses.models import Case, Letter, Outcome, Photo, SecondReading
from diagnoses.workflow import Answer
from diagnoses.worklist import PAGE
from tests.cases import RED, a_model_version, scored, submitted
from tests.cast import Cast

pytestmark = pytest.mark.usefixtures("media")

MANY = PAGE + 5
AT_MOST = 8
LISTS = {
    "all": ("/worklist/", 6),
    "mine": ("/worklist/?show=mine", 6),
    "unassigned": ("/worklist/?show=unassigned", 6),
    "today": ("/worklist/?show=today", 6),
    "asked": ("/worklist/?show=asked", 6),
    "a name": ("/worklist/?q=ana", 7),
    "a site": ("/worklist/?q=back", 7),
    "a chosen site": ("/worklist/?site=back", 6),
    "a name on a site": ("/worklist/?q=an&site=back", 7),
    "a reference": ("/worklist/?q=0123abcd", 7),
    "whether it is new": ("/worklist/state/", 5),
    "whether a search is": ("/worklist/state/?q=ana&site=back", 6),
    "answered lately": ("/worklist/done/", 3),
}
# A doctor's case before their own reading, after it, and signed.
CASES = {
    "blind": {"page": 6, "API": 4, "patient's page": 6, "patient's API": 5},
    "read": {"page": 8, "API": 6, "patient's page": 6, "patient's API": 5},
    "signed": {"page": 8, "API": 6, "patient's page": 6, "patient's API": 5},
}
PERSONAL = {
    "the patient's list": 3,
    "the patient's marks": 5,
    "the patient's API": 3,
    "to read again": 6,
    "one to read again": 6,
    "my numbers": 6,
}
READING = {"diagnosis": "nv", "confidence": "sure", "plan": "reassure"}
HARMLESS = Answer(diagnosis="nv", plan="reassure", advice="Harmless.")


@pytest.fixture(autouse=True)
def model(db: None, settings: Settings) -> None:
    """Every signature is for good at once."""
    settings.UNDO_SIGNATURE = timedelta(0)
    a_model_version()


def counted(ask: Callable[[str], int], addresses: dict[str, str]) -> dict[str, int]:
    """Statements of each, when nothing on it is new any more to whoever asks."""
    found = {}
    for name, address in addresses.items():
        assert ask(address) == 200, name
        with CaptureQueriesContext(connection) as captured:
            assert ask(address) == 200, name
        found[name] = len(captured)
    return found


def pages_of(cast: Cast, person: User) -> Callable[[str], int]:
    client = cast.client(person)
    return lambda address: client.get(address).status_code


def api_of(cast: Cast, person: User) -> Callable[[str], int]:
    client = cast.api(person)
    return lambda address: client.get(address).status_code


# --- Lists ---------------------------------------------------------------------------------------


def one_more(cast: Cast) -> Iterator[Case]:
    """Waiting cases of every kind: asked for, open with a colleague, with a question, signed."""
    number = 0
    while True:
        asked = (cast.ruth, cast.sam, None)[number % 3]
        case = scored(submitted(cast.ana, doctor=asked), **(RED if number % 2 else {}))
        workflow.ask(case, cast.ana, "Is it bad?", case.pk)
        claims.keep(case, cast.sam)
        yield case
        number += 1
        yield signed_by(cast.sam, scored(submitted(cast.ana, doctor=asked)))


def signed_by(doctor: User, case: Case) -> Case:
    workflow.read_first(case, doctor, **READING)
    workflow.sign(case, doctor, HARMLESS)
    return case


def test_every_list_costs_the_same_for_one_case_and_for_thirty(cast: Cast) -> None:
    pages, api = pages_of(cast, cast.ruth), api_of(cast, cast.ruth)

    def costs() -> dict[str, int]:
        of_pages = counted(pages, {name: address for name, (address, _) in LISTS.items()})
        return of_pages | counted(api, {"API": "/api/v1/cases"})

    more = one_more(cast)
    for _ in range(4):
        next(more)
    few = costs()
    for _ in range(2 * MANY):
        next(more)
    assert costs() == few == {name: n for name, (_, n) in LISTS.items()} | {"API": 3}
    assert max(few.values()) <= AT_MOST


def test_a_late_page_costs_at_most_one_statement_more_than_the_first(cast: Cast) -> None:
    browser = cast.client(cast.ruth)
    for _ in range(MANY):
        scored(submitted(cast.ana))
    found: dict[str, int] = {}
    for name, address in {"all": "/worklist/", "a site": "/worklist/?q=back"}.items():
        later = f"/worklist/?{browser.get(address).context['next_page']}"
        found |= counted(pages_of(cast, cast.ruth), {name: later})
    assert found == {"all": 7, "a site": 8}
    assert max(found.values()) <= AT_MOST


# --- One case ------------------------------------------------------------------------------------


def looks(degrees: float) -> dict[str, bytes]:
    """An embedding, so that the case is compared with others."""
    turned = np.radians(degrees)
    return {"embedding": np.array([np.cos(turned), np.sin(turned)], "<f4").tobytes()}


def colleague(cast: Cast) -> User:
    """One more doctor of the clinic."""
    key = uuid.uuid4()
    doctor = User.objects.create_user(
        f"{key}@example.org", name=f"Dr {key}", role=Role.DOCTOR, clinic=cast.north
    )
    doctor.verified_at = timezone.now()
    doctor.save(update_fields=["verified_at"])
    return doctor


def one_more_of_everything(cast: Cast, case: Case) -> None:
    """Whatever hangs on a case, once more."""
    case.refresh_from_db()
    doctor = colleague(cast)
    claims.keep(case, doctor)
    said = workflow.ask(case, cast.ana, "Is it bad?", uuid.uuid4())
    workflow.read_up_to(case, doctor, said.pk)
    workflow.ask(case, doctor, "We will see.", uuid.uuid4())
    photo = case.photos.earliest("created_at")
    photo.pk = uuid.uuid4()
    Photo.objects.bulk_create([photo])
    SecondReading.objects.create(
        case=case,
        why=SecondReading.Why.ASKED,
        asked_by=cast.sam,
        read_by=doctor,
        read_at=timezone.now(),
        **READING,
    )
    if case.is_open:
        workflow.read_first(case, doctor, **READING)
        workflow.raise_urgency(case, cast.ana, "More.")
    else:
        again = workflow.amend(case, cast.ruth, HARMLESS, after=case.reviews.latest("pk"))
        Letter.objects.create(case=case, review=again, doctor=doctor, addressee="X", words="Hello.")
    Outcome.objects.create(
        case=case,
        source=Outcome.Source.HISTOLOGY,
        diagnosis="nv",
        found_on=date(2026, 3, 14),
        recorded_by=doctor,
    )
    same_mark = scored(submitted(cast.ana, lesion=case.lesion, site=case.site))
    claims.keep(same_mark, cast.sam)
    alike = signed_by(cast.sam, scored(submitted(cast.ana), **looks(10)))
    workflow.record_outcome(
        alike, cast.sam, source="histology", diagnosis="nv", words="", found_on=date(2026, 3, 14)
    )


@pytest.mark.parametrize("state", CASES)
def test_a_case_costs_the_same_whatever_hangs_on_it(cast: Cast, state: str) -> None:
    case = scored(submitted(cast.ana, site="hand"), **looks(0))
    if state != "blind":
        workflow.read_first(case, cast.ruth, **READING)
    if state == "signed":
        workflow.sign(case, cast.ruth, HARMLESS)
    doctors, patients = reverse("reading", args=[case.pk]), reverse("case", args=[case.pk])
    api = reverse("api-case", args=[case.pk])

    def costs() -> dict[str, int]:
        return (
            counted(pages_of(cast, cast.ruth), {"page": doctors})
            | counted(api_of(cast, cast.ruth), {"API": api})
            | counted(pages_of(cast, cast.ana), {"patient's page": patients})
            | counted(api_of(cast, cast.ana), {"patient's API": api})
        )

    one_more_of_everything(cast, case)
    few = costs()
    for _ in range(MANY):
        one_more_of_everything(cast, case)
    assert costs() == few == CASES[state]
    assert max(few.values()) <= AT_MOST


# --- One's own -----------------------------------------------------------------------------------


def one_more_for_each(cast: Cast) -> None:
    """A case of Ana's that Ruth has signed, and one of Sam's that Ruth is to read again."""
    own = signed_by(cast.ruth, scored(submitted(cast.ana)))
    others = signed_by(cast.sam, scored(submitted(cast.ana)))
    for case, done in ((own, True), (others, False)):
        read = {"read_by": cast.sam, "read_at": timezone.now(), **READING} if done else {}
        review = case.reviews.get()
        drawn = SecondReading.Why.DRAWN
        SecondReading.objects.create(case=case, why=drawn, review=review, **read)
    kept = workflow.read_again(others.second_readings.get(), cast.ruth, **READING)
    assert kept.is_read
    waits = signed_by(cast.sam, scored(submitted(cast.ana)))
    SecondReading.objects.create(case=waits, why=drawn, review=waits.reviews.get())


def test_ones_own_pages_cost_the_same_however_much_one_did(cast: Cast) -> None:
    one_more_for_each(cast)
    [waits] = SecondReading.objects.to_read_by(cast.ruth)
    again = reverse("again", args=[waits.pk])

    def costs() -> dict[str, int]:
        lists = {"the patient's list": reverse("case_list")}
        lists["the patient's marks"] = reverse("lesion_list")
        twice = {"to read again": reverse("worklist_again"), "one to read again": again}
        return (
            counted(pages_of(cast, cast.ana), lists)
            | counted(api_of(cast, cast.ana), {"the patient's API": "/api/v1/cases"})
            | counted(
                pages_of(cast, cast.ruth), twice | {"my numbers": reverse("worklist_numbers")}
            )
        )

    few = costs()
    for _ in range(MANY):
        one_more_for_each(cast)
    assert costs() == few == PERSONAL
    assert max(few.values()) <= AT_MOST
