"""A new data key changes rows and no file; files from before are sealed in their place."""

from __future__ import annotations

import base64
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from accounts import people, resealing, second_factor
from accounts.alone import alone
from accounts.models import AuditEntry, ContactNumber
from diagnoses import rekeying
from diagnoses.management.commands import encrypt_files
from diagnoses.models import FileKey, Photo
from diagnoses.places import Disk
from diagnoses.sealing import BrokenFileError
from diagnoses.storage import PrivateStorage, private
from diagnoses.thumbnails import thumbnail
from portal import trail_words
from tests import cases
from tests.cast import Cast

pytestmark = pytest.mark.django_db
OLD, NEW, OTHER = (base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2, 3))
NUMBER = "+447700900155"
SECRET = "JBSWY3DPEHPK3PXP"  # an example, of no one


@pytest.fixture(autouse=True)
def old_key(settings: Settings, media: Path) -> None:
    settings.DATA_KEYS = [OLD]


def files(media: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in media.rglob("*") if path.is_file()}


def said(capsys: pytest.CaptureFixture[str], *command: str, **options: Any) -> str:
    call_command(*command, **options)
    return capsys.readouterr().out


@pytest.fixture
def photo(cast: Cast) -> Photo:
    cases.a_model_version()
    photo = cases.submitted(cast.ana, contact_e164=NUMBER).photos.get()
    thumbnail(photo)
    return photo


# --- A new key -----------------------------------------------------------------------------------


def test_after_a_rotation_the_old_key_opens_nothing_that_is_needed(
    cast: Cast,
    photo: Photo,
    media: Path,
    settings: Settings,
    capsys: pytest.CaptureFixture[str],
) -> None:
    people.add_number(cast.bo, NUMBER, opt_in=True)
    before = files(media)
    assert len(before) == 2
    settings.DATA_KEYS = [NEW, OLD]
    told = said(capsys, "rotate_keys")
    assert "keys of files: 2 sealed anew" in told
    assert "diagnoses.Case.contact_e164: 1 sealed anew" in told
    assert files(media) == before, "a file was written"

    settings.DATA_KEYS = [NEW]
    photo = Photo.objects.get()
    assert photo.file.read() == cases.photo().content
    assert thumbnail(photo)
    assert ContactNumber.objects.filter(e164=NUMBER).exists()
    photo.case.refresh_from_db()
    assert photo.case.contact_e164 == NUMBER
    [entry] = AuditEntry.objects.filter(action="keys.rotated")
    assert "keys.rotated" in trail_words.CHANGES
    assert entry.about.startswith("key:")
    assert OLD not in str(entry.detail)
    assert "0 sealed anew" in said(capsys, "rotate_keys")
    assert AuditEntry.objects.filter(action="keys.rotated").count() == 1, "nothing was done"


def test_second_factors_open_with_the_new_key(
    cast: Cast, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    second_factor.give_app(cast.bo, SECRET)
    Authenticator.objects.create(
        user=cast.bo,
        type=Authenticator.Type.RECOVERY_CODES,
        data={"seed": get_adapter().encrypt("seed"), "used_mask": 0},
    )
    settings.DATA_KEYS = [NEW, OLD]
    assert "second factors: 0 sealed anew" not in said(capsys, "rotate_keys")

    settings.DATA_KEYS = [NEW]
    assert second_factor.next_code(cast.bo, SECRET), "the app's secret does not open"
    codes = Authenticator.objects.get(user=cast.bo, type=Authenticator.Type.RECOVERY_CODES)
    assert get_adapter().decrypt(codes.data["seed"]) == "seed"
    assert "second factors: 0 sealed anew" in said(capsys, "rotate_keys")


def test_without_its_key_a_file_does_not_open(photo: Photo, settings: Settings) -> None:
    settings.DATA_KEYS = [NEW]
    with pytest.raises(BrokenFileError, match="which is not in DATA_KEYS"):
        photo.file.open("rb")


def test_a_rotation_that_was_stopped_goes_on(
    photo: Photo, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        default_storage.save(f"drafts/1/{number}.jpg", ContentFile(b"words"))
    monkeypatch.setattr(rekeying, "ROWS", 2)
    settings.DATA_KEYS = [NEW, OLD]
    walk = rekeying.rewrap()
    assert next(walk).changed == 2
    del walk
    opened = [default_storage.open(f"drafts/1/{number}.jpg").read() for number in range(4)]
    assert opened == [b"words"] * 4, "in between both keys open"
    assert sum(batch.changed for batch in rekeying.rewrap()) == 4
    assert FileKey.objects.values("data_key").distinct().count() == 1


def test_what_no_key_opens_is_counted_and_the_rest_is_done(
    cast: Cast, photo: Photo, settings: Settings
) -> None:
    people.add_number(cast.bo, NUMBER, opt_in=True)
    settings.DATA_KEYS = [OTHER]
    default_storage.save("drafts/1/a.jpg", ContentFile(b"words"))
    people.add_number(cast.xu, NUMBER, opt_in=True)
    settings.DATA_KEYS = [NEW, OLD]
    with pytest.raises(CommandError, match=r"^2 cannot be opened"):
        call_command("rotate_keys", verbosity=0)
    settings.DATA_KEYS = [NEW, OTHER]
    call_command("rotate_keys", verbosity=0)
    settings.DATA_KEYS = [NEW]
    assert ContactNumber.objects.filter(e164=NUMBER).count() == 2
    assert default_storage.open("drafts/1/a.jpg").read() == b"words"


def test_every_sealed_column_is_gone_through() -> None:
    assert {one.label for one in resealing.columns()} == {
        "accounts.ContactNumber.e164",
        "accounts.StoppedPhone.e164",
        "diagnoses.Case.contact_e164",
        "diagnoses.CaseImport.record",
        "diagnoses.Draft.data",
        "diagnoses.UploadPiece.content",
        "notifications.Inbound.e164",
        "notifications.Invitation.e164",
        "notifications.Message.address",
        "notifications.Message.words",
        "notifications.NumberCode.e164",
    }


# --- Files from before ---------------------------------------------------------------------------


@pytest.fixture
def readable(photo: Photo, media: Path) -> dict[str, bytes]:
    """As an older version left them: the case's photo, its small copy, and an export."""
    FileKey.objects.all().delete()
    name = str(photo.file.name)
    content = {name: cases.photo().content, name.replace(".jpg", ".thumb.jpg"): cases.jpeg()}
    content["exports/a.zip"] = b"PK a zip" * 20_000
    for path, what in content.items():
        (media / path).parent.mkdir(parents=True, exist_ok=True)
        (media / path).write_bytes(what)
    return content


def opened(content: dict[str, bytes]) -> dict[str, bytes]:
    return {name: default_storage.open(name).read() for name in content}


def test_they_are_read_as_they_are_until_they_are_sealed(
    readable: dict[str, bytes], media: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert opened(readable) == readable
    assert {name: default_storage.size(name) for name in readable} == {
        name: len(what) for name, what in readable.items()
    }
    told = said(capsys, "encrypt_files", dry_run=True)
    assert "3 of 3 files are readable, and would be sealed." in told
    assert opened(readable) == readable
    assert not FileKey.objects.exists()
    assert "3 of 3 files were readable, and are sealed now." in said(capsys, "encrypt_files")
    assert opened(readable) == readable
    lying = files(media)
    assert len(lying) == 3
    assert all(raw.startswith(b"LNTGSEAL") for raw in lying.values())
    assert set(FileKey.objects.values_list("name", flat=True)) == set(readable)
    assert "0 of 3 files were readable" in said(capsys, "encrypt_files")


def test_what_is_just_being_written_is_left_alone(media: Path) -> None:
    half = media / "photos" / "a" / ".writing-x1"
    half.parent.mkdir(parents=True)
    half.write_bytes(b"LNTG")  # not so much as a head
    assert list(rekeying.readable_files()) == []


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("moment", ["before the copy", "before the name", "before the key's name"])
def test_killed_anywhere_every_file_is_whole_and_the_next_run_goes_on(
    readable: dict[str, bytes], media: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    with monkeypatch.context() as patch:

        def killed(*_args: object) -> None:
            raise Killed

        if moment == "before the copy":
            patch.setattr(Disk, "_save", killed)
        elif moment == "before the name":
            patch.setattr(Disk, "rename", killed)
        else:
            patch.setattr(PrivateStorage, "settle_name", killed)
        with pytest.raises(Killed):
            call_command("encrypt_files", verbosity=0)
    assert opened(readable) == readable
    call_command("encrypt_files", verbosity=0)
    assert opened(readable) == readable
    assert set(FileKey.objects.values_list("name", flat=True)) == set(readable)
    assert {str(Path(path).relative_to(media)) for path in files(media)} == set(readable)


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_the_second_says_so_and_touches_nothing(
    media: Path, settings: Settings, servers: None
) -> None:
    """It would delete the first one's copy, and with it the only key of a file just renamed."""
    (media / "photos").mkdir(parents=True)
    (media / "photos" / "a.jpg").write_bytes(b"readable")
    held: list[str] = []

    def hold() -> None:
        with alone(encrypt_files.SEALING) as mine:
            held.append(str(mine))
            taken.set()
            over.wait(30)
        connection.close()

    taken, over = threading.Event(), threading.Event()
    first = threading.Thread(target=hold)
    first.start()
    try:
        assert taken.wait(30)
        with pytest.raises(CommandError, match="runs already"):
            call_command("encrypt_files", verbosity=0)
    finally:
        over.set()
        first.join()
    assert held == ["True"]
    assert (media / "photos" / "a.jpg").read_bytes() == b"readable"
    call_command("encrypt_files", verbosity=0)
    assert (media / "photos" / "a.jpg").read_bytes().startswith(b"LNTGSEAL")


def test_killed_between_a_buckets_copy_and_its_delete_the_next_run_settles_it(
    readable: dict[str, bytes], media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copied(self: Disk, old: str, new: str) -> None:
        (media / new).write_bytes((media / old).read_bytes())
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Disk, "rename", copied)
        with pytest.raises(Killed):
            call_command("encrypt_files", verbosity=0)
    call_command("encrypt_files", verbosity=0)
    assert opened(readable) == readable
    assert set(FileKey.objects.values_list("name", flat=True)) == set(readable)
    assert {str(Path(path).relative_to(media)) for path in files(media)} == set(readable)


@pytest.mark.parametrize("moment", ["before the name", "before the key's name"])
def test_deleted_while_it_is_sealed_neither_file_nor_key_is_left(
    readable: dict[str, bytes], media: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    rename = Disk.rename

    def deleted(self: Disk, old: str, new: str) -> None:
        if moment == "before the name":
            private.delete(new)
        rename(self, old, new)
        if moment == "before the key's name":
            private.delete(new)

    monkeypatch.setattr(Disk, "rename", deleted)
    assert not rekeying.seal_file("exports/a.zip")
    assert not private.exists("exports/a.zip")
    assert not FileKey.objects.exists()


def test_what_was_sealed_since_it_was_listed_is_not_sealed_twice(photo: Photo, media: Path) -> None:
    before = files(media)
    assert not rekeying.seal_file(str(photo.file.name))
    assert files(media) == before
    assert Photo.objects.get().file.read() == cases.photo().content


def test_a_readable_file_does_not_take_a_sealed_ones_place(photo: Photo) -> None:
    cases.file_of(photo).write_bytes(os.urandom(100))
    with pytest.raises(BrokenFileError, match="a sealed one belongs"):
        photo.file.open("rb")
