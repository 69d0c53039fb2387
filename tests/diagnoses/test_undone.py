"""A signature taken back: the case is as if nobody had signed, and nothing got lost meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from diagnoses import workflow
from diagnoses.models import Case
from diagnoses.states import Answer
from notifications.models import Event, Message
from tests.cases import AMBER, RED, a_model_version, scored, submitted
from tests.cast import Cast

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]

ANSWER = Answer(diagnosis="nv", plan="reassure", advice="It is a common mole.", agrees=True)


def signed(case: Case, doctor: Any) -> Case:
    workflow.read_first(case, doctor, diagnosis="nv", confidence="sure", plan="reassure")
    workflow.sign(case, doctor, ANSWER)
    return case


def told(case: Case, event: Event) -> list[str]:
    """Who is told it of this case, by first name."""
    rows = Message.objects.filter(event=event, about=f"case:{case.pk}")
    return sorted(row.recipient.name.split()[0] for row in rows if row.recipient)


def test_a_view_that_came_meanwhile_is_shown(cast: Cast) -> None:
    """Ruth signs before the computer is back; it says RED; she takes her signature back."""
    a_model_version()
    case = scored(signed(submitted(cast.ana), cast.ruth), **RED)
    due = case.answer_due_at
    assert (case.status, case.tier) == ("final", None), "kept for the record, and no more"
    workflow.undo_signature(case, cast.ruth)
    case.refresh_from_db()
    assert (case.status, case.tier, case.risk) == ("partial", "red", 0.9)
    assert case.answer_due_at < due


def test_nobody_is_left_untold(cast: Cast) -> None:
    """Signed before the computer was back: nobody had been told of the case before the undo."""
    a_model_version()
    case = signed(submitted(cast.ana), cast.ruth)
    assert told(case, Event.CASE_TO_READ) == []
    workflow.undo_signature(case, cast.ruth)
    assert told(case, Event.CASE_TO_READ) == ["Ruth", "Sam"]
    assert told(case, Event.CASE_CHECKED) == ["Ana"]
    assert scored(case, **AMBER).tier == "amber"
    assert told(case, Event.CASE_TO_READ) == ["Ruth", "Sam"], "once"


def test_what_was_raised_stays_raised(cast: Cast) -> None:
    a_model_version()
    case = scored(submitted(cast.ana))
    workflow.raise_urgency(case, cast.ana, "It bled", {"bleeding": "bleeds", "change_size": "yes"})
    workflow.undo_signature(signed(case, cast.ruth), cast.ruth)
    case.refresh_from_db()
    assert (case.tier, case.risk) == ("red", 0.02)
