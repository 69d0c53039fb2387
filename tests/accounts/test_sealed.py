"""What rests encrypted: it opens with its key, in its place, and in no other way."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from django.apps import apps
from django.core.exceptions import FieldError
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import IntegrityError, connection, transaction
from pytest_django import Settings

from accounts import people, sealed
from accounts.models import ContactNumber, StoppedPhone
from accounts.resealing import columns, reseal
from diagnoses.models import Draft, UploadPiece
from notifications.models import Message
from portal.machine import house
from tests.cast import Cast

OLD, NEW = (base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))
NUMBER = "+447700900155"


@pytest.fixture(autouse=True)
def keys(settings: Settings) -> None:
    settings.DATA_KEYS = [OLD]


# --- Words ---------------------------------------------------------------------------------------


def test_what_was_sealed_opens_in_its_own_context_only() -> None:
    one, two = (sealed.seal("Ana's words", context="talk:7") for _ in range(2))
    assert one != two
    assert "Ana" not in one
    assert sealed.open_sealed(one, context="talk:7") == "Ana's words"
    for other in ("talk:8", "talk", "totp:7"):
        with pytest.raises(sealed.SealError, match="belongs to another place"):
            sealed.open_sealed(one, context=other)


def test_every_changed_character_is_noticed() -> None:
    for whole in (
        sealed.seal("words", context="talk"),
        sealed.seal_alike("words", context="talk")[0],
    ):
        for at in range(len(whole)):
            changed = whole[:at] + ("B" if whole[at] != "B" else "C") + whole[at + 1 :]
            with pytest.raises(sealed.SealError):
                sealed.open_sealed(changed, context="talk")


@pytest.mark.parametrize("nothing", ["", "words", "s1.", "s1.abc", "s1.abc.§", "x1.abc.AAAA"])
def test_what_is_not_ours_is_refused(nothing: str) -> None:
    with pytest.raises(sealed.SealError):
        sealed.open_sealed(nothing, context="talk")
    assert not sealed.is_sealed(nothing)


def test_the_first_key_seals_and_all_open(settings: Settings) -> None:
    random, [alike] = sealed.seal("a", context="x"), sealed.seal_alike("a", context="x")
    settings.DATA_KEYS = [NEW, OLD]
    assert [sealed.open_sealed(one, context="x") for one in (random, alike)] == ["a", "a"]
    assert sealed.seal_alike("a", context="x")[1] == alike
    again = [sealed.reseal(one, context="x") for one in (random, alike)]
    assert {sealed.key_of(one) for one in again} == {sealed.data_keys()[0].name}
    assert [sealed.reseal(one, context="x") for one in again] == again
    settings.DATA_KEYS = [NEW]
    assert [sealed.open_sealed(one, context="x") for one in again] == ["a", "a"]
    with pytest.raises(sealed.SealError, match="which is not in DATA_KEYS"):
        sealed.open_sealed(random, context="x")


def test_keys_of_one_secret_differ_by_purpose_and_none_is_the_secret() -> None:
    [key] = sealed.data_keys()
    made = {sealed._derived(key.secret, purpose) for purpose in (b"file", b"totp", b"find:totp")}
    assert len(made) == 3
    assert key.secret not in made
    assert key.secret.hex() not in repr(key)
    assert "\\x01" not in repr(key)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["no base64!"], "Key 1 of DATA_KEYS is not base64."),
        ([OLD, base64.b64encode(b"short").decode()], "Key 2 of DATA_KEYS has 5 bytes and not 32."),
        ([OLD, OLD], "DATA_KEYS names a key twice."),
    ],
)
def test_half_a_key_is_refused(settings: Settings, given: list[str], sentence: str) -> None:
    settings.DATA_KEYS = given
    with pytest.raises(ValueError, match=sentence):
        apps.get_app_config("accounts").ready()  # every process stops at its start


def test_production_needs_keys_of_its_own(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Tests in a browser leave it behind; Django's own checks complain of it.
    monkeypatch.delenv("DJANGO_ALLOW_ASYNC_UNSAFE", raising=False)
    call_command("check", "--deploy", fail_level="ERROR")
    settings.DATA_KEYS = []
    call_command("check")  # a demo goes on
    with pytest.raises(SystemCheckError, match="DATA_KEYS is not set"):
        call_command("check", "--deploy", fail_level="ERROR")


def test_the_demos_new_key_can_be_used(settings: Settings) -> None:
    settings.DATA_KEYS = [house._data_key(), OLD]
    assert len(sealed.data_keys()) == 2


# --- Columns -------------------------------------------------------------------------------------


def raw(table: str, column: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM {table} ORDER BY 1")  # noqa: S608 - our own names
        return [row[0] for row in cursor.fetchall()]


def test_a_number_is_found_and_nowhere_readable(cast: Cast) -> None:
    people.add_number(cast.bo, NUMBER, opt_in=True)
    assert ContactNumber.objects.get(e164=NUMBER).user == cast.bo
    assert ContactNumber.objects.filter(e164__in=[NUMBER, "+447700900156"]).count() == 1
    assert not ContactNumber.objects.filter(e164__in=[]).exists()
    assert not ContactNumber.objects.exclude(e164=NUMBER).filter(e164=NUMBER).exists()
    assert NUMBER in ContactNumber.objects.values_list("e164", flat=True)
    kept = " ".join(map(str, raw("accounts_contactnumber", "e164")))
    assert kept
    assert "7700" not in kept


@pytest.mark.django_db
def test_the_database_itself_refuses_a_readable_number(cast: Cast) -> None:
    with (
        pytest.raises(IntegrityError, match="number_is_sealed"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("UPDATE accounts_contactnumber SET e164 = %s", [NUMBER])
    assert cast.ana.numbers.exists()


@pytest.mark.parametrize("how", ["endswith", "icontains", "regex", "gt", "iexact"])
def test_nothing_else_can_be_asked_of_it(how: str) -> None:
    with pytest.raises(FieldError, match="Unsupported lookup"):
        ContactNumber.objects.filter(**{f"e164__{how}": "155"})


@pytest.mark.django_db
def test_what_is_sealed_at_random_cannot_be_asked_for() -> None:
    with pytest.raises(FieldError, match="nothing can be found by it"):
        Message.objects.filter(words="a doctor's words").exists()
    with pytest.raises(FieldError, match="compared with another"):
        ContactNumber.objects.filter(e164__in=StoppedPhone.objects.values("e164"))


def test_the_same_number_twice_is_still_one(cast: Cast) -> None:
    for _ in range(2):
        people.opt_out(NUMBER)
    assert StoppedPhone.objects.filter(e164=NUMBER).count() == 1
    with pytest.raises(IntegrityError), transaction.atomic():
        StoppedPhone.objects.create(e164=NUMBER)
    assert people.stopped(NUMBER)


def test_a_form_not_sent_and_pieces_of_a_photo_rest_sealed(cast: Cast) -> None:
    key = "5f0c3c1e-0000-4000-8000-000000000001"
    said = {"contact": ["+44 7700 900155"], "note": ["ñ"]}
    draft = Draft.objects.create(patient=cast.ana, submit_key=key, pack_name="skin", data=said)
    assert Draft.objects.get(pk=draft.pk).data == said
    Draft.objects.filter(pk=draft.pk).update(data=said | {"side": ["left"]})
    assert Draft.objects.get(pk=draft.pk).data == said | {"side": ["left"]}
    piece = b"\xff\xd8\xff\xe0 a jpeg"
    UploadPiece.objects.create(
        patient=cast.ana, submit_key=key, slot="main", upload="a", start=0, content=piece
    )
    assert UploadPiece.objects.get().content == piece
    assert "7700" not in str(raw("diagnoses_draft", "data"))
    assert b"\xff\xd8" not in b"".join(
        bytes(one) for one in raw("diagnoses_uploadpiece", "content")
    )


def test_a_new_key_is_taken_up_row_by_row_and_the_old_one_dropped(
    cast: Cast, settings: Settings
) -> None:
    """Before, in between and after, every number is found."""
    test_a_form_not_sent_and_pieces_of_a_photo_rest_sealed(cast)
    people.add_number(cast.bo, NUMBER, opt_in=True)
    people.opt_out(NUMBER)
    settings.DATA_KEYS = [NEW, OLD]
    assert ContactNumber.objects.get(e164=NUMBER).user == cast.bo
    people.add_number(cast.bo, NUMBER, opt_in=False)
    assert cast.bo.numbers.filter(e164=NUMBER).count() == 1
    changed = {one.label: sum(b.changed for b in reseal(one)) for one in columns()}
    assert changed["accounts.ContactNumber.e164"] == ContactNumber.objects.count()
    assert changed["diagnoses.UploadPiece.content"] == 1
    assert changed["diagnoses.Draft.data"] == 1
    assert not any(batch.changed for one in columns() for batch in reseal(one))
    settings.DATA_KEYS = [NEW]
    assert ContactNumber.objects.get(e164=NUMBER).user == cast.bo
    assert people.stopped(NUMBER)
    assert Draft.objects.get().data["note"] == ["ñ"]
    assert UploadPiece.objects.get().content.endswith(b"a jpeg")
