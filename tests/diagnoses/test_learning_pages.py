"""The page of exports: who sees it, what it says before the button, and what follows when somebody
takes their consent back."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from accounts import people
from accounts.models import AuditEntry, Consent, User
from diagnoses import erasure, learning, workflow
from diagnoses.learning import making
from diagnoses.models import Case, ExportedPhoto, TakenCopy, TrainingExport
from tests import cases
from tests.cast import PASSWORD, Cast
from tests.diagnoses import learnt
from tests.diagnoses.pages import text_of

pytestmark = pytest.mark.usefixtures("media")
FIRST = {"what": "skin:dermoscopic"}
OVERVIEW = "/manage/"


@pytest.fixture(autouse=True)
def for_good_at_once(settings: Settings, cast: Cast) -> None:
    settings.UNDO_SIGNATURE = timedelta(0)
    cases.a_model_version()


@pytest.fixture
def two(cast: Cast) -> tuple[Case, Case]:
    """Ana's answered case, and somebody else's of the same clinic."""
    other = learnt.patient(1, cast.north)
    ana = learnt.answered(learnt.agreed(cast.ana), cast.ruth, 1, "mel")
    return ana, learnt.answered(other, cast.ruth, 2)


def press(client: Client, **changed: str) -> TrainingExport:
    """Press the button of the page, as it is there now."""
    page = client.get(learnt.LIST).content.decode()
    drawn = re.search(r'name="press" value="([^"]+)"', page)
    key = drawn[1] if drawn else str(uuid.uuid4())
    answer = client.post(learnt.LIST, FIRST | {"press": key} | changed)
    assert answer.status_code == 302
    return TrainingExport.objects.get(pk=answer["Location"].split("/")[2])


def at(export: TrainingExport, what: str = "learning_export") -> str:
    return reverse(what, args=[export.pk])


# --- Who -----------------------------------------------------------------------------------------


def test_another_clinics_admin_finds_nothing(cast: Cast, two: tuple[Case, Case]) -> None:
    theirs = learnt.patient(9, cast.south)
    learnt.answered(theirs, cast.xu, 3)
    of_north, of_all = learnt.made(cast, cast.north), learnt.made(cast)
    User.objects.filter(pk=cast.ada.pk).update(clinic=cast.south)
    south = cast.client(User.objects.get(pk=cast.ada.pk))
    people_here = (cast.ana, cast.ruth, cast.uma, cast.xu)
    names = ("learning_export", "learning_download", "learning_withdrawn", "learning_cleaned")
    for export in (of_north, of_all):
        for name in names:
            for client in (south, *(cast.client(who) for who in people_here)):
                ask = client.post if name == "learning_cleaned" else client.get
                answer = ask(at(export, name))
                if answer.status_code == 302:  # the password first
                    answer = client.post(answer["Location"], {"password": PASSWORD})
                    answer = client.get(at(export, name))
                assert answer.status_code == 404, name
        assert export.reference not in text_of(south.get(learnt.LIST))
    for who in people_here:
        assert cast.client(who).get(learnt.LIST).status_code == 404
        assert cast.client(who).post(learnt.LIST, FIRST).status_code == 404
    assert cast.client().get(learnt.LIST).status_code == 302
    assert not TakenCopy.objects.exists()


def test_an_admin_of_one_clinic_exports_that_ones_pictures_whatever_they_send(
    cast: Cast, two: tuple[Case, Case]
) -> None:
    learnt.answered(learnt.patient(9, cast.south), cast.xu, 3)
    ada = cast.client(cast.ada)
    assert "Together 2 2 2" in text_of(ada.get(learnt.LIST))
    export = press(ada, clinic=str(cast.south.pk))
    assert export.clinic == cast.north
    learning.make_due()
    clinics = ExportedPhoto.objects.values_list("photo__case__clinic", flat=True)
    assert set(clinics) == {cast.north.pk}
    root = cast.client(cast.root)
    assert "Together 3 3 3" in text_of(root.get(learnt.LIST))
    assert press(root).clinic is None
    assert press(root, clinic=str(cast.south.pk)).clinic == cast.south


# --- Before the button ---------------------------------------------------------------------------


def test_the_page_says_what_would_go_and_what_would_not(cast: Cast, two: tuple[Case, Case]) -> None:
    learnt.answered(cast.bo, cast.ruth, 5)
    words = text_of(cast.client(cast.ada).get(learnt.LIST, FIRST))
    for sentence in (
        "Melanoma mel 1 1 1",
        "Basal cell carcinoma bcc 0 0 0",
        "Together 2 2 2",
        "One doctor’s answer 2 marks",
        "people who did not agree, left out: 1.",
        "Fewer than 5 people: Melanoma, Melanocytic naevus.",
        "My photos may help to train and test the computer.",
        "Nothing was exported yet.",
    ):
        assert sentence in words, sentence


def test_with_nothing_to_export_there_is_no_button(cast: Cast) -> None:
    page = cast.client(cast.ada).get(learnt.LIST)
    assert "Nothing to export yet" in text_of(page)
    assert "Export these pictures" not in page.content.decode()
    assert press(cast.client(cast.ada)).state == "waiting"  # an old page's button
    learning.make_due()
    export = TrainingExport.objects.get()
    assert export.state == "empty"
    assert "no picture left" in text_of(cast.client(cast.ada).get(at(export)))


@pytest.mark.parametrize("what", ["", "skin", "skin:other", "no:dermoscopic", "skin:phone:x"])
def test_what_cannot_be_exported_gets_a_sentence(cast: Cast, what: str) -> None:
    answer = cast.client(cast.root).post(learnt.LIST, {"what": what})
    assert answer.status_code == 422
    assert "what" in answer.context["form"].errors
    assert not TrainingExport.objects.exists()


def test_two_presses_are_one_export(cast: Cast, two: tuple[Case, Case]) -> None:
    ada, key = cast.client(cast.ada), str(uuid.uuid4())
    first = press(ada, press=key)
    assert press(ada, press=key) == first
    assert press(ada) == first, "the same is being made"
    learning.make_due()
    assert press(ada, press=key) == first, "the second press came late"
    assert press(ada) != first
    assert AuditEntry.objects.filter(action="export.asked").count() == 2
    with pytest.raises(IntegrityError), transaction.atomic():
        TrainingExport.objects.create(
            pack="skin", modality="dermoscopic", clinic=cast.north, asked_by=cast.ada
        )


def test_pages_cost_the_same_statements_for_one_picture_and_for_many(cast: Cast) -> None:
    def cost() -> list[int]:
        found = []
        for address in (learnt.LIST, *(at(one) for one in TrainingExport.objects.all()[:1])):
            with CaptureQueriesContext(connection) as captured:
                assert client.get(address).status_code == 200
            found.append(len(captured))
        return found

    client = cast.client(cast.root)
    learnt.answered(learnt.agreed(cast.ana), cast.ruth, 1)
    learning.take(learnt.made(cast), cast.root)
    few = cost()
    for seed in range(2, 9):
        learnt.answered(learnt.patient(seed, cast.north), cast.ruth, seed)
        learning.take(learnt.made(cast, cast.north if seed % 2 else None), cast.root)
    assert cost() == few


# --- A copy leaves -------------------------------------------------------------------------------


def test_a_download_takes_the_password_and_is_written_down(
    cast: Cast, two: tuple[Case, Case]
) -> None:
    ada = cast.client(cast.ada)
    export = press(ada)
    assert "It waits for a worker" in text_of(ada.get(at(export)))
    learning.make_due()
    assert "Ready" in text_of(ada.get(at(export)))
    archive = learnt.downloaded(ada, export)
    assert len([name for name in archive.namelist() if name.startswith("images/")]) == 2
    copy = TakenCopy.objects.get()
    assert (copy.export, copy.by) == (export, cast.ada)
    taken = AuditEntry.objects.get(action="export.taken")
    assert (taken.actor, taken.about) == (cast.ada, f"export:{export.pk}")
    assert "Who has a copy Ada Moss" in text_of(ada.get(at(export)))


# --- A consent is taken back ---------------------------------------------------------------------


def test_a_file_that_holds_their_pictures_is_deleted_at_once(
    cast: Cast,
    two: tuple[Case, Case],
    media: Path,
    tmp_path: Path,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    export, elsewhere = learnt.made(cast), learnt.made(cast, cast.south)
    assert (media / export.file).is_file()
    page = reverse("account_consent", args=["research"])
    with django_capture_on_commit_callbacks(execute=True):
        cast.client(cast.ana).post(page, {"answer": "withdraw"})
    export.refresh_from_db()
    assert export.state == "withdrawn"
    assert not (media / export.file).exists()
    assert elsewhere.state == "empty"
    ada = cast.client(cast.root)
    words = text_of(ada.get(at(export)))
    assert "deleted at once" in words
    assert "Nobody had a copy." in words
    assert "Exports with withdrawn pictures" not in text_of(ada.get(OVERVIEW))
    assert learning.take(export, cast.root) is None
    rows = learnt.rows(learnt.unpacked(learnt.made(cast), tmp_path / "data"))
    assert [row["dx"] for row in rows] == ["nv"], "the other's, and not Ana's"


def test_who_has_a_copy_is_told_what_to_delete_until_they_say_it_is_done(
    cast: Cast, two: tuple[Case, Case]
) -> None:
    ada = cast.client(cast.ada)
    export = learnt.made(cast, cast.north)
    learnt.downloaded(ada, export)
    kept = {held.photo.case_id: held.name for held in export.held.select_related("photo")}
    assert "Exports with withdrawn pictures" not in text_of(ada.get(OVERVIEW))
    workflow.withdraw_consent(cast.ana, learnt.RESEARCH)
    assert "1 Exports with withdrawn pictures" in text_of(ada.get(OVERVIEW))
    assert "Pictures have to be deleted from copies" in text_of(ada.get(learnt.LIST))
    words = text_of(ada.get(at(export)))
    assert "1 picture has to go from every copy" in words
    assert "The consent was taken back: 1." in words
    listed = ada.get(at(export, "learning_withdrawn"))
    assert listed.content.decode().split() == ["image_id", kept[two[0].pk]]
    # Another one goes while the page is open: the old page's button is not enough.
    workflow.withdraw_consent(two[1].patient, learnt.RESEARCH)
    answer = ada.post(at(export, "learning_cleaned"), {"pictures": "1"}, follow=True)
    assert "Meanwhile there are other pictures" in text_of(answer)
    ada.post(at(export, "learning_cleaned"), {"pictures": "2"})
    assert "Exports with withdrawn pictures" not in text_of(ada.get(OVERVIEW))
    assert "To be deleted" not in text_of(ada.get(at(export)))
    assert set(export.held.values_list("cleaned_by", flat=True)) == {cast.ada.pk}
    assert AuditEntry.objects.filter(action="export.cleaned", actor=cast.ada).count() == 1


def test_an_export_that_is_being_made_is_begun_anew_without_them(
    cast: Cast, two: tuple[Case, Case]
) -> None:
    export = learning.ask(learnt.wanted(), cast.root, uuid.uuid4())
    held = making.claim()
    assert held is not None
    making.hold(held)
    step = making.in_hand(held)
    workflow.withdraw_consent(cast.ana, learnt.RESEARCH)
    making.BEAT, kept = 0.0, making.BEAT
    try:
        with pytest.raises(making.LostError):
            step(1)
    finally:
        making.BEAT = kept
    learning.make_due()
    export.refresh_from_db()
    assert (export.state, export.total) == ("ready", 1)
    assert [one.photo.case for one in export.held.all()] == [two[1]]


def test_who_is_erased_leaves_the_exports_too(cast: Cast, two: tuple[Case, Case]) -> None:
    export = learnt.made(cast)
    learning.take(export, cast.root)
    erasure.ask(cast.ana, after_answers=False)
    User.objects.filter(pk=cast.ana.pk).update(
        erase_asked_at=cast.ana.erase_asked_at - timedelta(days=8)  # type: ignore[operator]  # set
    )
    assert erasure.sweep() == 1
    export.refresh_from_db()
    assert export.state == "withdrawn"
    gone = export.held.get(withdrawn_at__isnull=False)
    assert (gone.photo.case, gone.why) == (two[0], "erased")
    assert learning.summarise(learnt.wanted()).pictures == 1


def test_a_consent_that_ended_by_another_way_is_caught_by_the_sweep(
    cast: Cast, two: tuple[Case, Case]
) -> None:
    export = learnt.made(cast)
    learning.sweep()
    export.refresh_from_db()
    assert export.state == "ready"
    people.withdraw_consent(cast.ana, learnt.RESEARCH)
    learning.sweep()
    export.refresh_from_db()
    assert export.state == "withdrawn"
    assert export.held.filter(withdrawn_at__isnull=False).count() == 1


def test_other_consents_touch_no_export(cast: Cast, two: tuple[Case, Case]) -> None:
    export = learnt.made(cast)
    workflow.withdraw_consent(cast.ana, Consent.Kind.COMPUTER_CHECK)
    export.refresh_from_db()
    assert export.state == "ready"
