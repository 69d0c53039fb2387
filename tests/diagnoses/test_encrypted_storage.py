"""The private storage, on a disk and in a bucket: nothing readable lies there, and nothing that was
changed, moved or cut is opened."""

from __future__ import annotations

import base64
import io
import os
import socket
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
from boto3.exceptions import S3TransferFailedError
from boto3.s3.transfer import S3TransferRetriesExceededError
from botocore.exceptions import ClientError
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage, storages
from django.core.management import call_command
from django.utils import timezone
from moto.server import ThreadedMotoServer
from PIL import Image
from pytest_django import Settings

from diagnoses import bucket, drafts, rekeying
from diagnoses.models import FileKey, Scoring
from diagnoses.places import Disk
from diagnoses.sealing import HEAD, PIECE, TAG, BrokenFileError, clear_size
from diagnoses.storage import PrivateStorage, private
from diagnoses.thumbnails import thumbnail
from mlservice.serving import Shelf
from portal.models import Pulse
from portal.operations import metrics, storage
from portal.operations.exposition import written
from tests import cases
from tests.cast import Cast

pytestmark = pytest.mark.django_db
NAME = "photos/one/a.jpg"
SIZES = [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 17]


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of a server that speaks S3, with a bucket in it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    known: dict[str, Any] = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    bucket = boto3.client("s3", endpoint_url=address, region_name="us-east-1", **known)
    bucket.create_bucket(Bucket="pictures")
    yield address
    server.stop()


@pytest.fixture(params=["disk", "s3"])
def place(request: pytest.FixtureRequest, media: Path, settings: Settings) -> str:
    if request.param == "s3":
        options = {
            "bucket_name": "pictures",
            "location": media.parent.name,  # of this test alone
            "region_name": "us-east-1",
            "endpoint_url": request.getfixturevalue("s3"),
            "access_key": "a",
            "secret_key": "b",
        }
        bucket = {"BACKEND": "diagnoses.bucket.Bucket", "OPTIONS": options}
        settings.STORAGES = {**settings.STORAGES, "pictures": bucket}
    return str(request.param)


def lying(name: str) -> bytes:
    """What whoever has the disk, or the bucket, sees."""
    with storages["pictures"].open(name) as file:
        return bytes(file.read())


def put(name: str, content: bytes) -> None:
    """What whoever can write there does."""
    storages["pictures"].save(name, ContentFile(content))


def read(name: str) -> bytes:
    with default_storage.open(name) as file:
        return bytes(file.read())


# --- Whole ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
def test_what_is_kept_comes_back_and_lies_there_unreadable(place: str, size: int) -> None:
    content = os.urandom(size)
    assert default_storage.save(NAME, ContentFile(content)) == NAME
    assert read(NAME) == content
    assert default_storage.size(NAME) == size
    raw = lying(NAME)
    assert raw.startswith(b"LNTGSEAL")
    assert len(raw) == HEAD + size + TAG * max(1, -(-size // PIECE))
    assert clear_size(len(raw)) == size
    assert size < 8 or content[:8] not in raw


def test_it_is_read_from_any_place(place: str) -> None:
    content = os.urandom(3 * PIECE + 17)
    default_storage.save(NAME, ContentFile(content))
    with default_storage.open(NAME) as file:
        for start, length in ((PIECE - 5, 10), (0, 3), (2 * PIECE, PIECE + 17), (len(content), 5)):
            file.seek(start)
            assert file.read(length) == content[start : start + length]
        assert file.seek(0, io.SEEK_END) == len(content)


def test_it_can_be_opened_again(place: str) -> None:
    default_storage.save(NAME, ContentFile(b"words"))
    with default_storage.open(NAME) as file:
        assert file.read() == b"words"
    with file.open("rb") as again:
        assert again.read() == b"words"
        assert again.open().read() == b"words"


def test_the_same_picture_twice_looks_different(place: str) -> None:
    for name in (NAME, "photos/two/a.jpg"):
        default_storage.save(name, ContentFile(b"the same" * 100))
    one, two = lying(NAME), lying("photos/two/a.jpg")
    assert one[HEAD:] != two[HEAD:]


def test_a_whole_case_is_scored_and_shown_and_no_jpeg_lies_there(place: str, cast: Cast) -> None:
    call_command("register_model", verbosity=0)
    case = cases.submitted(cast.ana)
    shelf = Shelf()
    assert cases.score_next(shelf) == 1
    case.refresh_from_db()
    assert case.prediction is not None
    photo = case.photos.get()
    assert photo.file.read() == cases.photo().content
    small = thumbnail(photo)
    assert thumbnail(photo) == small
    FileKey.objects.filter(name__endswith=".thumb.jpg").delete()
    assert thumbnail(photo) == small, "its key went with a transaction: made anew"
    assert thumbnail(photo) == small
    with Image.open(io.BytesIO(small)) as image:
        assert image.format == "JPEG"
    client = cast.client(cast.ana)
    for size in ("", "?size=medium", "?size=thumb"):
        shown = client.get(f"/photos/{photo.pk}/{size}")
        assert (shown.status_code, shown["Content-Type"]) == (200, "image/jpeg")
    folders, names = default_storage.listdir(f"photos/{case.pk}")
    assert (folders, len(names)) == ([], 2)
    for name in names:
        raw = lying(f"photos/{case.pk}/{name}")
        assert b"\xff\xd8\xff" not in raw[:64]
        assert b"JFIF" not in raw


def test_a_file_is_written_as_it_comes_and_takes_its_name_when_it_is_whole(place: str) -> None:
    with private.writing("exports/.writing-a") as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", b"words" * 50_000)
    private.rename("exports/.writing-a", "exports/b.zip")
    assert not private.exists("exports/.writing-a")
    with private.open("exports/b.zip") as file, zipfile.ZipFile(file) as archive:
        assert archive.read("a.txt") == b"words" * 50_000
    assert private.size("exports/b.zip") > 250_000


def test_what_is_left_half_written_is_not_there(place: str) -> None:
    with suppress(KeyError), private.writing("exports/c.zip") as file:
        file.write(b"x" * 200_000)
        raise KeyError
    assert not private.exists("exports/c.zip")
    assert not FileKey.objects.exists()


def test_what_is_deleted_is_gone_with_its_key(place: str) -> None:
    default_storage.save(NAME, ContentFile(b"words"))
    copy = lying(NAME)
    default_storage.delete(NAME)
    assert not default_storage.exists(NAME)
    assert not FileKey.objects.exists()
    with pytest.raises(FileNotFoundError):
        read(NAME)
    put(NAME, copy)  # from a backup
    with pytest.raises(BrokenFileError, match="Its key is not in the database"):
        read(NAME)


def test_a_picture_has_no_address_and_no_path(place: str) -> None:
    default_storage.save(NAME, ContentFile(b"words"))
    with pytest.raises(ValueError, match="private and has no address"):
        default_storage.url(NAME)
    with pytest.raises(NotImplementedError):
        default_storage.path(NAME)
    with pytest.raises(ValueError, match="only read"):
        default_storage.open(NAME, "wb")


# --- Changed -------------------------------------------------------------------------------------

WHOLE = HEAD + 2 * (PIECE + TAG) + 100 + TAG
CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "a bit of the first piece": lambda raw: raw[:HEAD] + bytes([raw[HEAD] ^ 1]) + raw[HEAD + 1 :],
    "a bit of the last piece": lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]),
    "a bit of the nonce": lambda raw: raw[: HEAD - 1] + bytes([raw[HEAD - 1] ^ 1]) + raw[HEAD:],
    "the version": lambda raw: raw[:8] + b"\x02" + raw[9:],
    "the key's name": lambda raw: raw[:9] + bytes(16) + raw[25:],
    "the magic": lambda raw: b"\xff\xd8\xff\xe0LEAD" + raw[8:],
    "cut in the head": lambda raw: raw[: HEAD - 3],
    "cut to nothing": lambda _raw: b"",
    "cut in a piece": lambda raw: raw[: HEAD + PIECE],
    "cut between pieces": lambda raw: raw[: HEAD + 2 * (PIECE + TAG)],
    "without its last piece but one": lambda raw: (
        raw[: HEAD + PIECE + TAG] + raw[HEAD + 2 * (PIECE + TAG) :]
    ),
    "pieces in another order": lambda raw: (
        raw[:HEAD]
        + raw[HEAD + PIECE + TAG : HEAD + 2 * (PIECE + TAG)]
        + raw[HEAD : HEAD + PIECE + TAG]
        + raw[HEAD + 2 * (PIECE + TAG) :]
    ),
    "with something behind it": lambda raw: raw + b"more",
    "a readable file": lambda _raw: cases.jpeg(),
}


@pytest.mark.parametrize("how", CHANGES)
def test_what_was_changed_does_not_open(media: Path, how: str) -> None:
    default_storage.save(NAME, ContentFile(os.urandom(2 * PIECE + 100)))
    raw = lying(NAME)
    assert len(raw) == WHOLE
    put(NAME, CHANGES[how](raw))
    with pytest.raises(BrokenFileError):
        read(NAME)
    if how != "the key's name":  # as good as a file nobody ever wrote
        assert FileKey.objects.get().refused_at is not None


@pytest.mark.parametrize("size", [100, 2 * PIECE + 100])
def test_what_is_put_right_counts_as_broken_no_more(media: Path, size: int) -> None:
    content = os.urandom(size)
    default_storage.save(NAME, ContentFile(content))
    raw = lying(NAME)
    put(NAME, raw[:HEAD] + bytes([raw[HEAD] ^ 1]) + raw[HEAD + 1 :])
    with pytest.raises(BrokenFileError):
        read(NAME)
    assert private.refused([NAME]) == {NAME}
    if size > PIECE:
        with default_storage.open(NAME) as file:
            file.seek(size - 10)
            assert file.read() == content[-10:]
        assert private.refused([NAME]) == {NAME}, "only its end is whole"
    put(NAME, raw)  # from a backup
    assert read(NAME) == content
    assert private.refused([NAME]) == set()


def test_without_its_key_a_file_is_not_noted_as_broken(media: Path, settings: Settings) -> None:
    default_storage.save(NAME, ContentFile(b"words"))
    settings.DATA_KEYS = [base64.b64encode(bytes(32)).decode()]
    with pytest.raises(BrokenFileError, match="Its key does not open"):
        read(NAME)
    assert private.refused([NAME]) == set()


def test_what_is_sealed_after_it_was_opened_is_read_once_more(
    media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(NAME, b"words")
    first = Disk.open

    def sealed_meanwhile(self: Disk, name: str, mode: str = "rb") -> Any:
        file = first(self, name, mode)
        monkeypatch.setattr(Disk, "open", first)
        assert rekeying.seal_file(name)
        return file

    monkeypatch.setattr(Disk, "open", sealed_meanwhile)
    assert read(NAME) == b"words"
    assert private.refused([NAME]) == set()


def test_a_file_put_in_anothers_place_does_not_open(place: str) -> None:
    other = "photos/two/b.jpg"
    for name in (NAME, other):
        default_storage.save(name, ContentFile(name.encode()))
    put(NAME, lying(other))
    with pytest.raises(BrokenFileError, match="in the place of another"):
        read(NAME)
    # Nor with the help of who can write to the database, and has no key.
    FileKey.objects.filter(name=NAME).delete()
    FileKey.objects.filter(name=other).update(name=NAME)
    with pytest.raises(BrokenFileError, match="Its key does not open"):
        read(NAME)


def test_a_doctor_sees_words_in_the_place_of_a_broken_photo(cast: Cast, media: Path) -> None:
    cases.a_model_version()
    photo = cases.submitted(cast.ana).photos.get()
    with cases.file_of(photo).open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x00")
    client = cast.client(cast.ruth)
    for size in ("", "?size=medium", "?size=thumb"):
        shown = client.get(f"/photos/{photo.pk}/{size}")
        assert (shown.status_code, shown["Content-Type"]) == (410, "image/svg+xml")
        assert "This photo cannot be shown." in shown.content.decode()
        assert shown["Cache-Control"] == "private, no-store"
    storage.measure()
    seen = storage.measured(Pulse.objects.get(kind=Pulse.Kind.STORAGE))
    assert seen is not None
    assert seen.refused == 1
    told = written(metrics.families())
    assert "lentigo_pictures_refused 1" in told
    assert (
        "Photos that cannot be shown" in cast.client(cast.root).get("/operations/").content.decode()
    )


def test_a_broken_photo_is_passed_to_the_doctors_unscored(cast: Cast, media: Path) -> None:
    call_command("register_model", verbosity=0)
    case = cases.submitted(cast.ana)
    cases.file_of(case.photos.get()).write_bytes(b"LNTGSEAL and no more")
    assert cases.score_next(Shelf()) == 1
    row = case.scorings.get()
    assert "cannot be opened" in row.error
    assert str(case.photos.get().file.name) not in row.error


# --- A bucket that fails -------------------------------------------------------------------------


def test_photos_of_a_form_nobody_came_back_to_go(
    place: str, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All but one that the disk or the bucket will not let go this time."""
    kept = [
        drafts.keep(patient, uuid4(), "main", cases.photo(number)).file.name
        for number, patient in enumerate((cast.ana, cast.bo, cast.ana), 1)
    ]
    monkeypatch.setattr(drafts, "KEPT_FOR", timedelta(seconds=-5))
    delete = PrivateStorage.delete

    def stubborn(self: PrivateStorage, name: str) -> None:
        if name == kept[0]:
            raise OSError
        delete(self, name)

    with monkeypatch.context() as patch:
        patch.setattr(PrivateStorage, "delete", stubborn)
        assert drafts.sweep() == 3
    assert [private.exists(str(name)) for name in kept] == [True, False, False]
    drafts.sweep()
    assert not private.exists(str(kept[0]))
    assert not FileKey.objects.exists()


@pytest.mark.parametrize("place", ["s3"], indirect=True)
def test_what_a_bucket_refuses_while_a_file_is_written_comes_as_of_a_disk(place: str) -> None:
    refused = ClientError({"Error": {"Code": "SlowDown"}}, "UploadPart")
    with pytest.raises(OSError, match="SlowDown"), private.writing("exports/a.zip"):
        raise refused
    for trouble in (S3TransferRetriesExceededError(OSError()), S3TransferFailedError()):
        with pytest.raises(OSError, match="did not answer"), private.writing("exports/a.zip"):
            raise trouble
    assert not private.exists("exports/a.zip")


def test_a_silent_bucket_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket, "READ", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it accepts, and says nothing
        silently = bucket.Bucket(
            bucket_name="pictures",
            endpoint_url=f"http://127.0.0.1:{silent.getsockname()[1]}",
            region_name="us-east-1",
            access_key="a",
            secret_key="b",
        )
        started = time.monotonic()
        with pytest.raises(OSError, match="did not answer"):
            silently.open(NAME)
    assert time.monotonic() - started < 5


def test_a_case_whose_pictures_cannot_be_fetched_now_is_tried_later_and_loses_no_try(
    place: str, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    call_command("register_model", verbosity=0)
    case = cases.submitted(cast.ana)
    shelf = Shelf()

    def away(*_: object) -> None:
        raise OSError("The bucket did not answer.")

    with monkeypatch.context() as patch:
        patch.setattr(PrivateStorage, "_open", away)
        cases.score_next(shelf)
    row = case.scorings.get()
    assert (row.attempts, row.token, row.settled_at, row.error) == (0, None, None, "")
    assert (row.tries[-1]["what"], row.tries[-1]["why"]) == (
        "handed_back",
        "The bucket did not answer.",
    )
    assert row.run_after > timezone.now()
    assert cases.score_next(shelf) == 0, "a little later"
    Scoring.objects.update(run_after=timezone.now() - timedelta(seconds=1))
    assert cases.score_next(shelf) == 1
    case.refresh_from_db()
    assert case.prediction is not None
