"""The disk is full or the bucket away: people are told to come again, and nothing is lost."""

from __future__ import annotations

import errno
import os
import uuid
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.urls import reverse
from pytest_django import DjangoCaptureOnCommitCallbacks

from accounts.models import AuditEntry
from diagnoses import drafts, everything, workflow
from diagnoses.models import Case, DraftPhoto, Letter, Photo
from diagnoses.places import Disk
from diagnoses.storage import private
from diagnoses.workflow import patient
from diagnoses.zipped import zipped
from tests import cases
from tests.cast import Cast
from tests.diagnoses.pages import named, say
from tests.diagnoses.test_patient_pages import signed

pytestmark = pytest.mark.usefixtures("media")


@pytest.fixture
def key() -> str:
    return str(uuid.uuid4())


def full(*_: object) -> str:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_costs_neither_the_form_nor_its_photos(
    cast: Cast, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = cast.client(cast.ana)
    say(client, key, "photo", main_photo=named(cases.jpeg()))
    say(client, key, "place", site="back")
    say(client, key, "note", q_note="Please look")
    with monkeypatch.context() as patch:
        patch.setattr(Disk, "_save", full)
        refused = say(client, key, "check")
        assert refused.status_code == 503
        assert refused["Retry-After"] == "60"
        assert "We cannot take photos at this moment" in refused.content.decode()
        assert "Please look" in refused.content.decode()
        another = say(client, key, "photo", main_photo=named(cases.jpeg(2)))
        assert another.status_code == 503
        assert another["X-Refused"] == "not_kept"
        assert "We cannot take photos at this moment" in another.content.decode()
        sent = {"photo": named(cases.jpeg(3)), "kind": "close_up", "site": "back"}
        answer = cast.api(cast.ana).post(reverse("api-cases"), sent, format="multipart")
        assert (answer.status_code, answer.json()["code"]) == (503, "not_kept")
    assert DraftPhoto.objects.count() == 1
    assert not Case.objects.exists()
    assert say(client, key, "check").status_code == 302
    assert Case.objects.get().photos.count() == 1


def test_a_photo_that_cannot_be_fetched_now_is_not_given_up(
    cast: Cast, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = cast.client(cast.ana)
    say(client, key, "photo", main_photo=named(cases.jpeg()))
    say(client, key, "place", site="back")
    with monkeypatch.context() as patch:
        patch.setattr(Disk, "open", full)
        refused = say(client, key, "check")
    assert refused.status_code == 503
    assert DraftPhoto.objects.count() == 1
    assert say(client, key, "check").status_code == 302


def test_a_case_that_came_first_is_found_though_the_disk_deletes_nothing(
    cast: Cast, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second of two clicks has kept its photo when it finds the first one's case."""
    client = cast.client(cast.ana)
    said = cases.submission(submit_key=uuid.UUID(key))
    say(client, key, "photo", main_photo=named(cases.jpeg()))
    say(client, key, "place", site="back")
    stored = patient.stored

    def first(*arguments: Any) -> Photo:
        monkeypatch.setattr(patient, "stored", stored)
        workflow.submit(cast.ana, said)
        monkeypatch.setattr(Disk, "delete", full)
        return stored(*arguments)

    monkeypatch.setattr(patient, "stored", first)
    answer = say(client, key, "check")
    assert answer.url == reverse("case", args=[Case.objects.get().pk])


def test_one_file_that_cannot_be_deleted_keeps_no_other(
    cast: Cast,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    kept = [drafts.keep(cast.ana, uuid.uuid4(), "main", cases.photo(seed)) for seed in (1, 2)]
    delete, failed = Disk.delete, list[str]()

    def once(self: Disk, name: str) -> None:
        if not failed:
            failed.append(name)
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        delete(self, name)

    monkeypatch.setattr(Disk, "delete", once)
    with django_capture_on_commit_callbacks(execute=True):
        drafts.forget_all_of(cast.ana)
    assert not DraftPhoto.objects.exists()
    left = [str(each.file.name) for each in kept if default_storage.exists(str(each.file.name))]
    assert left == failed


def test_a_copy_that_lacks_photos_only_because_the_disk_gives_none_is_not_made(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases.submitted(cast.ana)
    monkeypatch.setattr(Disk, "open", full)
    with pytest.raises(OSError, match="space"):
        zipped(everything.gather(cast.ana))


def test_a_photo_that_cannot_be_fetched_now_is_asked_for_again(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not gone, and nobody has looked at it."""
    photo = cases.submitted(cast.ana).photos.get()
    page, api = cast.client(cast.ana), cast.api(cast.ana)
    program = reverse("api-photo", args=[photo.case_id, photo.pk])
    with monkeypatch.context() as patch:
        patch.setattr(Disk, "open", full)
        for size in ("", "?size=medium", "?size=thumb"):
            shown = page.get(f"{reverse('photo', args=[photo.pk])}{size}")
            assert (shown.status_code, shown["Retry-After"]) == (503, "60")
            assert "Try again in a few minutes." in shown.content.decode()
        for size in ("full", "thumb"):
            told = api.get(program, {"size": size})
            assert (told.status_code, told["Retry-After"]) == (503, "60")
            assert told.json()["code"] == "photo_away"
    assert not AuditEntry.objects.filter(action="photo.viewed").exists()
    assert page.get(reverse("photo", args=[photo.pk])).status_code == 200


def test_no_paper_is_made_without_its_photos_only_because_the_disk_gives_none(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = cases.submitted(cast.ana)
    signed(case, cast.ruth)
    said = {"addressee": "Dr Novak", "words": "Thank you.", "with_photos": "on"}
    cast.client(cast.ruth).post(reverse("reading_letter", args=[case.pk]), said)
    papers = [
        (cast.ana, "case_report", "api-report", case.pk),
        (cast.ruth, "letter_paper", "api-letter", Letter.objects.get().pk),
    ]
    with monkeypatch.context() as patch:
        patch.setattr(Disk, "open", full)
        for reader, name, program, pk in papers:
            shown = cast.client(reader).get(reverse(name, args=[pk]))
            assert (shown.status_code, shown["Retry-After"]) == (503, "60")
            assert "Its photos are out of reach" in shown.content.decode()
            told = cast.api(reader).get(reverse(program, args=[pk]))
            assert (told.status_code, told["Retry-After"]) == (503, "60")
            assert told.json()["code"] == "photo_away"
    wrote = AuditEntry.objects.filter(action__in=["case.report", "case.letter_printed"])
    assert not wrote.exists(), "nobody has it in hand"
    for reader, name, _, pk in papers:
        assert cast.client(reader).get(reverse(name, args=[pk])).content.startswith(b"%PDF")
    assert wrote.count() == 2


@pytest.mark.parametrize("size", ["", "?size=medium", "?size=thumb"])
def test_a_photo_that_is_no_picture_any_more_is_gone(cast: Cast, size: str) -> None:
    """Left from before files were sealed, and cut: Pillow finds it, and no page breaks."""
    photo = cases.submitted(cast.ana).photos.get()
    name = str(photo.file.name)
    default_storage.delete(name)
    with private.place.open(name, "wb") as file:
        file.write(cases.jpeg()[:200])
    shown = cast.client(cast.ana).get(f"{reverse('photo', args=[photo.pk])}{size}")
    assert shown.status_code == (410 if size else 200)  # the whole one is given as it lies there
