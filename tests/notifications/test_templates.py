"""The templates to be approved, as a command prints them; and what every check has to say."""

from __future__ import annotations

from io import StringIO

from django.core.management import call_command
from pytest_django import Settings

from accounts.models import Clinic
from notifications.models import Message
from notifications.setup import SECONDS, looking, templates, webhook
from notifications.setup.webhook import OUTCOMES
from tests.cast import Cast
from tests.notifications.conftest import ON_A_PHONE

HX = "HX" + "1" * 32


def test_the_command_prints_the_same_words_and_with_missing_only_those_not_set(
    cast: Cast, settings: Settings
) -> None:
    def printed(*options: str) -> str:
        out = StringIO()
        call_command("message_templates", *options, stdout=out)
        return out.getvalue()

    assert f"case_checked.en (utility, en)\n{ON_A_PHONE}\n" in printed()
    assert "number_code.es (authentication, es)\n{{1}} es su código" in printed()
    assert "remind_sun.en (marketing, en)" in printed()
    assert "case_signed.full" not in printed()
    Clinic.objects.filter(pk=cast.north.pk).update(full_report=True)
    assert "case_signed.full.es (utility, es)" in printed()
    settings.TWILIO_CONTENT_SIDS = {"case_checked.en": HX, "case_signed": HX}
    assert "case_checked.en" not in printed("--missing")
    assert "case_checked.es" in printed("--missing")
    assert "case_signed.en" in printed("--missing"), "one for all languages is not one's own"


def test_none_begins_or_ends_with_a_variable_for_whatsapp_approves_no_such_template() -> None:
    for one in templates.wanted(whole=True):
        assert not one.text.endswith("}}"), one.key
        assert one.category == "authentication" or not one.text.startswith("{{"), one.key
        assert len(one.text) < 1024 - 750 - 70, "with a link and the longest answer in it"


def test_whatever_comes_of_a_check_has_its_words() -> None:
    assert set(looking.OUTCOMES) == set(OUTCOMES)
    assert set(looking.SENT) == set(Message.State)
    mailed = {"ok", "address", "login", "unreachable", "refused", "too slow"}
    assert set(looking.MAILED) == mailed


def test_no_check_takes_longer_than_the_page_promises() -> None:
    assert SECONDS < 5
    assert webhook.CONNECT + webhook.READ <= SECONDS
    assert templates.CONNECT + templates.READ <= SECONDS
