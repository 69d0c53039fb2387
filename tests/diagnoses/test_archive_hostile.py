"""Archives that nobody honest writes: each is refused with its code, and nothing of it is kept."""

from __future__ import annotations

import io
import json
import stat
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.test import override_settings

from accounts import people
from accounts.models import AuditEntry, Consent, User
from diagnoses.archive import reading
from diagnoses.archive.refusal import SENTENCES
from diagnoses.models import Case, CaseImport, FileKey
from tests.cases import a_model_version, submitted
from tests.cast import PASSWORD, Cast, build_cast
from tests.diagnoses.archives import Files, brought, changed, files_of, listed, packed, taken, told

Forge = Callable[[Files], bytes]
PHOTO = "photos/01-dermoscopic.jpg"
BOMB = b"\0" * (20 << 20)


def with_entry(files: Files, entry: zipfile.ZipInfo, content: bytes = b"x") -> bytes:
    buffer = io.BytesIO(packed(files))
    with zipfile.ZipFile(buffer, "a") as file:
        file.writestr(entry, content)
    return buffer.getvalue()


def a_link(files: Files) -> bytes:
    """Listed, and said of the case: but for its kind it is a photo like the other."""
    entry = zipfile.ZipInfo("photos/02-dermoscopic.jpg")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    photos = [{"file": name, "kind": "dermoscopic"} for name in (PHOTO, entry.filename)]
    whole = changed(files | {entry.filename: b"/etc/passwd"}, photos=photos)
    return with_entry(less(whole, entry.filename), entry, b"/etc/passwd")


def twice(files: Files) -> bytes:
    with pytest.warns(UserWarning, match="Duplicate name"):
        return with_entry(files, zipfile.ZipInfo("case.json"))


def many(files: Files) -> bytes:
    return packed(files | {f"photos/{n:05}.jpg": b"" for n in range(10_000)})


def a_bomb(files: Files) -> bytes:
    return packed(listed(files | {PHOTO: BOMB}), zipfile.ZIP_DEFLATED)


def that_lies(files: Files) -> bytes:
    """It says it is as small as it is packed, and unpacks to twenty megabytes."""
    content = packed(files | {PHOTO: BOMB}, zipfile.ZIP_DEFLATED)
    size = struct.pack("<L", len(BOMB))
    assert content.count(size) == 2, "once before the file, once in the list"
    return content.replace(size, struct.pack("<L", 30_000))


def far_away(files: Files) -> bytes:
    """A zip64 whose list of files would be as long as it likes: before the end stands another."""
    content = packed(files)
    return content[:-22] + b"PK\x06\x07" + b"\xff" * 16 + content[-22:]


def a_long_list(files: Files) -> bytes:
    content = bytearray(packed(files))
    content[-10:-6] = struct.pack("<L", 1 << 30)
    return bytes(content)


def other_bytes(files: Files) -> bytes:
    """What its CRC does not fit any more."""
    content = packed(files)
    at = content.index(files[PHOTO][-64:])
    return content[:at] + bytes(64) + content[at + 64 :]


def other_words(files: Files) -> bytes:
    return packed(files | {"case.json": files["case.json"].replace(b'"back"', b'"face"')})


def less(files: Files, name: str) -> Files:
    return {each: content for each, content in files.items() if each != name}


def in_case(**fields: Any) -> Forge:
    return lambda files: packed(changed(files, **fields))


def raw(content: bytes) -> Forge:
    return lambda files: packed(listed(files | {"case.json": content}))


def with_answer(**answers: Any) -> Forge:
    return lambda files: packed(changed(files, answers=told(files)["answers"] | answers))


def not_a_photo(files: Files) -> bytes:
    return packed(listed(files | {PHOTO: b"<svg/>"}))


def of_pack(name: str) -> Forge:
    return in_case(pack={"name": name, "version": "1"})


FORGED: dict[str, tuple[str, Forge]] = {
    "nothing": ("not_an_archive", lambda _: b""),
    "words": ("not_an_archive", lambda _: b"A case, as it was told to me." * 9),
    "cut": ("not_an_archive", lambda files: packed(files)[:-30]),
    "before": ("not_an_archive", lambda files: b"MZ" + packed(files)),
    "behind": ("not_an_archive", lambda files: packed(files) + b"more"),
    "zip64": ("not_an_archive", far_away),
    "too large": ("archive_too_large", lambda _: bytes(reading.LARGEST + 1)),
    "ten thousand": ("too_many_files", many),
    "a long list": ("too_many_files", a_long_list),
    "a bomb": ("too_packed", a_bomb),
    "a bomb that lies": ("archive_damaged", that_lies),
    "upwards": ("strange_file", lambda files: packed(files | {"../x": b"x"})),
    "from the root": ("strange_file", lambda files: packed(files | {"/etc/x": b"x"})),
    "backwards": ("strange_file", lambda files: packed(files | {"photos\\01-x.jpg": b"x"})),
    "a folder": ("strange_file", lambda files: packed(files | {"photos/": b""})),
    "a program": ("strange_file", lambda files: packed(files | {"photos/01-x.jpg.exe": b"x"})),
    "a link": ("strange_file", a_link),
    "twice": ("strange_file", twice),
    "not in the list": (
        "strange_file",
        lambda files: packed(files | {"photos/02-overview.jpg": files[PHOTO]}),
    ),
    "packed otherwise": ("strange_file", lambda files: packed(files, zipfile.ZIP_BZIP2)),
    "other bytes": ("archive_damaged", other_bytes),
    "other words": ("wrong_hash", other_words),
    "another photo": ("wrong_hash", lambda files: packed(files | {PHOTO: files[PHOTO] + b"x"})),
    "no photo": ("missing_file", lambda files: packed(less(files, PHOTO))),
    "no photo, and none listed": ("missing_file", lambda f: packed(listed(less(f, PHOTO)))),
    "no photos at all": ("no_photos", lambda f: packed(changed(less(f, PHOTO), photos=[]))),
    "no manifest": ("missing_file", lambda files: packed(less(files, "manifest.json"))),
    "no case": ("missing_file", lambda files: packed(less(files, "case.json"))),
    "version 2": ("other_version", lambda files: packed(listed(files, format=2))),
    "no version": ("other_version", lambda files: packed(listed(files, format=None))),
    "of another case": (
        "unreadable_file",
        lambda files: packed(listed(files, case="00000000-0000-4000-8000-000000000000")),
    ),
    "other pack": ("other_pack", of_pack("teeth")),
    "pack elsewhere": ("other_pack", of_pack("../skin")),
    "other site": ("does_not_fit", in_case(site="moon")),
    "other answer": ("does_not_fit", with_answer(bleeding="green")),
    "other question": ("does_not_fit", with_answer(moonlight="yes")),
    "a word too many": ("does_not_fit", with_answer(words="\0")),
    "other kind": ("does_not_fit", in_case(photos=[{"file": PHOTO, "kind": "x_ray"}])),
    "other side": ("unreadable_file", in_case(side="upside")),
    "spot nowhere": ("unreadable_file", in_case(spot={"view": "front", "x": 2, "y": 0.5})),
    "the same photo twice": (
        "unreadable_file",
        in_case(photos=[{"file": PHOTO, "kind": "dermoscopic"}] * 2),
    ),
    "a photo elsewhere": (
        "unreadable_file",
        in_case(photos=[{"file": "../../x.jpg", "kind": "dermoscopic"}]),
    ),
    "not sure about true": ("unreadable_file", in_case(computer_check="yes")),
    "surer than sure": (
        "unreadable_file",
        in_case(computer=[{"at": "2026-01-01T00:00Z", "model": {}, "confidence": 1.5}]),
    ),
    "before all time": ("unreadable_file", in_case(sent_at="0001-01-01T00:00Z")),
    "half a character": ("unreadable_file", in_case(clinic="\ud800")),
    "no JSON": ("unreadable_file", raw(b"{")),
    "no object": ("unreadable_file", raw(b"[]")),
    "no number": ("unreadable_file", raw(b'{"id": NaN}')),
    "no end of a number": ("unreadable_file", raw(b'{"id": 1e999}')),
    "as many digits": ("unreadable_file", raw(b'{"id": ' + b"9" * 9000 + b"}")),
    "as deep": ("unreadable_file", raw(b'{"id": ' + b"[" * 100_000 + b"]" * 100_000 + b"}")),
    "no text": ("unreadable_file", raw(b'{"id": "\xff"}')),
    "no picture": ("not_a_picture", not_a_photo),
}


@pytest.fixture(scope="module")
def honest(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Files:
    """One honest archive, written once; its case is of a portal that is thrown away."""
    with (
        django_db_blocker.unblock(),
        override_settings(MEDIA_ROOT=tmp_path_factory.mktemp("media")),
        transaction.atomic(),
    ):
        cast = build_cast()
        files = files_of(taken(cast.api(cast.ruth), submitted(cast.ana)))
        transaction.set_rollback(True)
    return files


@pytest.fixture
def yan(cast: Cast) -> User:
    a_model_version()
    yan = User.objects.create_user("yan@example.org", PASSWORD, name="Yan Ito", clinic=cast.south)
    people.give_consent(yan, Consent.Kind.CARE)
    return yan


def test_the_honest_one_is_taken(cast: Cast, yan: User, honest: Files, media: Path) -> None:
    for how in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        answer = brought(cast.api(cast.xu), packed(honest, how), yan)
        assert answer.status_code in (200, 201), answer.content
    assert [path for path in media.rglob("*") if path.is_file()]


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_one_is_refused_and_leaves_nothing(
    cast: Cast, yan: User, honest: Files, media: Path, what: str
) -> None:
    code, forge = FORGED[what]
    content = forge(honest)
    before = AuditEntry.objects.count()
    tracemalloc.start()
    answer = brought(cast.api(cast.xu), content, yan)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    told = json.loads(answer.content)
    assert (answer.status_code // 100, told["code"]) == (4, code), told
    assert told["detail"].endswith(".")
    assert "\0" not in told["detail"]
    assert not Case.objects.exists()
    assert not CaseImport.objects.exists()
    assert not FileKey.objects.exists()
    assert AuditEntry.objects.count() == before
    assert not [path for path in media.rglob("*") if path.is_file()]
    if len(content) < 1 << 20:
        assert peak < 12 << 20, "it was unpacked all the same"


def test_every_refusal_is_met_here_or_among_the_honest() -> None:
    met = {code for code, _ in FORGED.values()}
    assert set(SENTENCES) - met == {"came_before", "here_already", "not_agreed"}


def test_a_photo_that_fails_late_takes_the_others_with_it(
    cast: Cast, yan: User, honest: Files, media: Path
) -> None:
    files = honest | {"photos/02-overview.jpg": b"no picture"}
    photos = [
        {"file": PHOTO, "kind": "dermoscopic"},
        {"file": "photos/02-overview.jpg", "kind": "overview"},
    ]
    answer = brought(cast.api(cast.xu), packed(changed(files, photos=photos)), yan)
    assert (answer.status_code, answer.json()["code"]) == (422, "not_a_picture")
    assert not yan.cases.exists()
    assert not [path for path in media.rglob("*") if path.is_file()]
