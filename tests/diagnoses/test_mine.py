"""What a patient decides about their own records: consents, a copy of everything, the end."""

from __future__ import annotations

import pytest
from django.core.mail import EmailMessage
from django.urls import reverse

from accounts import people
from accounts.models import Consent
from diagnoses import workflow
from diagnoses.models import Case, Prediction, Scoring
from notifications import delivery
from notifications.models import Channel, Message
from tests import cases
from tests.cast import Cast

pytestmark = pytest.mark.usefixtures("media")


def take_back(cast: Cast, kind: str) -> None:
    """Ana presses "Take it back"."""
    url = reverse("account_consent", args=[kind])
    assert cast.client(cast.ana).post(url, {"answer": "withdraw"}).status_code == 302


# --- Consents ------------------------------------------------------------------------------------
def test_a_case_that_waits_for_the_computer_goes_to_the_doctors_at_once(cast: Cast) -> None:
    cases.a_model_version()
    case = cases.submitted(cast.ana)
    take_back(cast, "computer_check")
    case.refresh_from_db()
    assert case.status == Case.Status.PARTIAL
    assert case.events.last().detail == {"reason": "no_consent"}  # type: ignore[union-attr]  # there is one
    assert not Scoring.objects.waiting().exists()
    assert Message.objects.filter(recipient=cast.ruth, event="case_to_read").exists()


def test_a_view_that_is_being_made_at_that_moment_is_not_filed(cast: Cast) -> None:
    cases.a_model_version()
    case = cases.submitted(cast.ana)
    scoring = cases.claimed(case)
    take_back(cast, "computer_check")
    assert not workflow.attach((scoring, cases.prediction(scoring)))
    assert not Prediction.objects.exists()
    case.refresh_from_db()
    assert case.status == Case.Status.PARTIAL


def test_what_the_computer_said_before_stays(cast: Cast) -> None:
    cases.a_model_version()
    case = cases.scored(cases.submitted(cast.ana))
    others = cases.submitted(cast.bo, computer_check=False)
    take_back(cast, "computer_check")
    case.refresh_from_db()
    assert case.tier == "green"
    others.refresh_from_db()
    assert others.status == Case.Status.PARTIAL


def test_messages_that_wait_go_by_email_once_that_consent_is_taken_back(
    cast: Cast, mailoutbox: list[EmailMessage]
) -> None:
    cases.a_model_version()
    cases.scored(cases.submitted(cast.ana))
    waiting = Message.objects.get(recipient=cast.ana)
    assert waiting.channel == Channel.WHATSAPP
    take_back(cast, "messages")
    while delivery.deliver_due():
        pass
    waiting.refresh_from_db()
    assert (waiting.state, waiting.error_code) == (Message.State.FAILED, "opted-out")
    assert [cast.ana.email] in [mail.to for mail in mailoutbox]


def test_care_is_not_touched_by_any_of_it(cast: Cast) -> None:
    for kind in ("computer_check", "messages", "research"):
        take_back(cast, kind)
    assert people.has_consent(cast.ana, Consent.Kind.CARE)
    assert cases.submitted(cast.ana).status == Case.Status.PARTIAL
