"""The cast is who the other stories take them to be."""

from __future__ import annotations

from accounts import people
from accounts.models import Consent, Role, User
from tests.cast import ANAS_NUMBER, Cast


def test_who_reads_and_who_may_be_told(cast: Cast) -> None:
    assert set(User.objects.reading_doctors()) == {cast.ruth, cast.sam, cast.xu}
    assert {who for who in cast.everyone().values() if who.is_reading_doctor} == {
        cast.ruth,
        cast.sam,
        cast.xu,
    }
    number = people.reachable_number(cast.ana)
    assert number is not None
    assert number.e164 == ANAS_NUMBER
    assert people.reachable_number(cast.bo) is None
    assert people.has_consent(cast.bo, Consent.Kind.CARE)
    assert not people.has_consent(cast.bo, Consent.Kind.MESSAGES)


def test_everyone_can_log_in(cast: Cast) -> None:
    assert len(cast.everyone()) == 8
    for who in cast.everyone().values():
        assert cast.client(who).session["_auth_user_id"] == str(who.pk)
    assert {who.role for who in cast.everyone().values()} == set(Role)
