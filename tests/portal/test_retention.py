"""What is deleted by its age: what the settings name, and of cases only those that are over."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import F
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from accounts.models import ApiToken, AuditEntry, Scope
from diagnoses import everything, retention, workflow
from diagnoses.models import Case, CaseEvent, Hold, Nudge, Photo, Precedent, Review, SecondReading
from diagnoses.places import Disk
from diagnoses.report import printed, report_of
from diagnoses.workflow import Answer
from notifications.models import Inbound, Message
from tests import cases
from tests.cast import Cast
from tests.diagnoses import sharing
from tests.diagnoses.pages import text_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]
TEN_YEARS = 3653


@pytest.fixture(autouse=True)
def for_good_at_once(settings: Settings, cast: Cast) -> None:
    settings.UNDO_SIGNATURE = timedelta(0)
    cases.a_model_version()


def purge(*arguments: str) -> str:
    out = io.StringIO()
    call_command("purge", *arguments, stdout=out)
    return out.getvalue()


def signed(cast: Cast) -> Case:
    case = cases.scored(cases.submitted(cast.ana), **cases.AMBER)
    workflow.read_first(case, cast.ruth, diagnosis="nv", confidence="sure", plan="reassure")
    workflow.sign(case, cast.ruth, Answer("nv", "reassure", "Harmless."))
    case.refresh_from_db()
    return case


def long_ago(case: Case, days: int = TEN_YEARS + 1) -> None:
    """Everything about it happened ``days`` earlier, in rows that never change otherwise, too."""
    earlier = timedelta(days=days)
    tables = (CaseEvent, Review)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # or the tables cannot be altered
        for model in tables:
            cursor.execute(f"ALTER TABLE {model._meta.db_table} DISABLE TRIGGER USER")
        Case.objects.filter(pk=case.pk).update(
            submitted_at=F("submitted_at") - earlier, signed_at=F("signed_at") - earlier
        )
        CaseEvent.objects.filter(case=case).update(at=F("at") - earlier)
        Review.objects.filter(case=case).update(
            signed_at=F("signed_at") - earlier, effective_at=F("effective_at") - earlier
        )
        for model in tables:
            cursor.execute(f"ALTER TABLE {model._meta.db_table} ENABLE TRIGGER USER")
    Nudge.objects.filter(case=case).update(state=Nudge.State.TOLD, told_at=timezone.now())


@pytest.fixture
def old(cast: Cast, settings: Settings) -> Case:
    """A case that was answered longer ago than pictures are kept."""
    settings.RETENTION_PICTURE_DAYS = TEN_YEARS
    case = signed(cast)
    long_ago(case)
    return case


def files(media: Path) -> set[str]:
    return {str(path.relative_to(media)) for path in media.rglob("*") if path.is_file()}


def test_as_it_comes_nothing_of_a_case_is_ever_deleted(
    old: Case, settings: Settings, media: Path
) -> None:
    settings.RETENTION_PICTURE_DAYS = 0
    before = files(media)
    assert "pictures" not in purge("--really")
    assert files(media) == before
    assert Photo.objects.filter(case=old).exists()


def test_without_really_it_says_what_and_deletes_nothing(old: Case, media: Path) -> None:
    before = files(media)
    said = purge()
    old.refresh_from_db()
    day = old.submitted_at.strftime("%Y-%m-%d")
    assert f"1  closed cases with pictures, the oldest of {day}" in said
    assert "Nothing was deleted" in said
    assert files(media) == before
    assert not AuditEntry.objects.filter(action__in=["case.photos_purged", "retention.purged"])


def test_with_really_the_pictures_go_and_what_was_said_stays(
    old: Case,
    cast: Cast,
    media: Path,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    photo = old.photos.get()
    cast.client(cast.ana).get(reverse("photo", args=[photo.pk]), {"size": "thumb"})
    assert len([name for name in files(media) if name.startswith("photos/")]) == 2
    with django_capture_on_commit_callbacks(execute=True):
        assert "1  deleted: closed cases with pictures" in purge("--really")
    assert not [name for name in files(media) if name.startswith("photos/")]
    assert not Photo.objects.exists()
    assert Photo.everything.get(pk=photo.pk).purged_at is not None
    assert not Precedent.objects.filter(case=old).exists()
    assert old.reviews.get().diagnosis == "nv"
    assert old.predictions.exists()
    line = AuditEntry.objects.get(action="case.photos_purged")
    assert (line.about, line.detail) == (f"case:{old.pk}", {"photos": 1})
    assert AuditEntry.objects.filter(action="retention.purged").count() == 1
    assert "0  closed cases with pictures" in purge(), "once is enough"


def test_every_page_of_such_a_case_still_opens(old: Case, cast: Cast) -> None:
    photo = old.photos.get()
    purge("--really")
    ana, ruth = cast.client(cast.ana), cast.client(cast.ruth)
    page = ana.get(reverse("case", args=[old.pk]))
    assert "Your photos are no longer kept." in text_of(page)
    assert "Harmless." in text_of(page)
    for address in (reverse("lesion", args=[old.lesion_id]), reverse("lesion_list")):
        assert "Photographed 0 times" not in text_of(ana.get(address))
    assert ana.get(reverse("case_list")).status_code == 200
    assert ana.get(reverse("case_report", args=[old.pk])).status_code == 200
    assert ana.get(reverse("photo", args=[photo.pk])).status_code == 404
    read = text_of(ruth.get(reverse("reading", args=[old.pk])))
    assert "The photos of this case are no longer kept." in read
    assert ruth.get(reverse("worklist_done")).status_code == 200
    assert cast.api(cast.ana).get(reverse("api-case", args=[old.pk])).status_code == 200
    assert everything.gather(cast.ana).pictures == ()
    assert printed(report_of(old, cast.ana)).startswith(b"%PDF")


def still_open(cast: Cast) -> Case:
    return cases.scored(cases.submitted(cast.ana), **cases.AMBER)


def asked_about(cast: Cast) -> Case:
    case = signed(cast)
    Case.objects.filter(pk=case.pk).update(question_since=timezone.now())
    return case


def shared(cast: Cast) -> Case:
    case = sharing.a_case(cast)
    sharing.asked(cast, case)
    Case.objects.filter(pk=case.pk).update(status=Case.Status.CANCELLED)
    return case


def on_hold(cast: Cast) -> Case:
    case = signed(cast)
    retention.hold(case)
    return case


def of_an_open_mark(cast: Cast) -> Case:
    case = signed(cast)
    workflow.submit(cast.ana, cases.submission(lesion=case.lesion, submit_key=uuid4()))
    return case


def to_be_read_again(cast: Cast) -> Case:
    case = signed(cast)
    drawn = SecondReading.Why.DRAWN
    SecondReading.objects.create(case=case, why=drawn, review=case.reviews.get())
    return case


KEPT = [still_open, asked_about, shared, on_hold, of_an_open_mark, to_be_read_again]


@pytest.mark.parametrize("kept", KEPT, ids=lambda one: one.__name__)
def test_what_something_waits_for_is_kept_whatever_its_age(
    kept: Callable[[Cast], Case], cast: Cast, settings: Settings
) -> None:
    settings.RETENTION_PICTURE_DAYS = TEN_YEARS
    case = kept(cast)
    long_ago(case)
    assert "0  closed cases with pictures" in purge("--really")
    assert Photo.objects.filter(case=case).exists()


def test_something_that_happened_lately_keeps_the_pictures(old: Case, cast: Cast) -> None:
    workflow.amend(
        old, cast.ruth, Answer("nv", "reassure", "Harmless still."), after=old.reviews.get()
    )
    assert "0  closed cases with pictures" in purge("--really")


def test_a_case_on_hold_is_listed_and_goes_once_it_is_let_go(old: Case) -> None:
    call_command("hold", str(old.pk), stdout=io.StringIO())
    out = io.StringIO()
    call_command("hold", stdout=out)
    assert str(old.pk) in out.getvalue()
    assert "0  closed cases" in purge("--really")
    call_command("hold", str(old.pk), "--lift", stdout=io.StringIO())
    assert "1  deleted: closed cases" in purge("--really")
    told = AuditEntry.objects.filter(
        about=f"case:{old.pk}", action__in=["case.held", "case.released"]
    )
    assert [line.action for line in told.order_by("pk")] == ["case.held", "case.released"]


def test_a_case_that_is_not_there_holds_nothing(old: Case) -> None:
    with pytest.raises(CommandError, match="There is no case"):
        call_command("hold", str(old.pk), str(uuid4()), stdout=io.StringIO())
    assert not Hold.objects.exists()


def test_who_moves_a_case_at_this_moment_keeps_its_pictures(old: Case, cast: Cast) -> None:
    """Chosen, and then something happened before its turn came."""
    moment = timezone.now() - timedelta(days=TEN_YEARS)
    assert list(retention.closed_before(moment)) == [old]
    retention.hold(old)
    assert retention.let_go_of(old.pk, moment) == 0
    assert Photo.objects.filter(case=old).exists()


def test_files_that_a_dead_process_left_are_deleted_by_the_next(
    old: Case,
    media: Path,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    purge("--really")  # and its transaction's end never comes
    assert [name for name in files(media) if name.startswith("photos/")]
    with django_capture_on_commit_callbacks(execute=True):
        assert retention.sweep() == 1
    assert not [name for name in files(media) if name.startswith("photos/")]
    assert retention.sweep() == 0


def test_a_question_that_nobody_answered_before_the_signature_keeps_nothing(
    old: Case, cast: Cast
) -> None:
    asked = SecondReading.Why.ASKED
    SecondReading.objects.create(case=old, why=asked, asked_by=cast.ruth)
    assert "1  deleted: closed cases with pictures" in purge("--really")


def test_only_what_went_lately_is_looked_for_and_a_bucket_that_is_away_stops_nothing(
    old: Case,
    media: Path,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    def away(*_: object) -> bool:
        raise OSError("The bucket did not answer.")

    with monkeypatch.context() as patch:
        patch.setattr(Disk, "exists", away)
        purge("--really")
    assert AuditEntry.objects.filter(action="retention.purged").count() == 1
    Photo.everything.update(purged_at=timezone.now() - timedelta(days=31))
    assert retention.sweep() == 0
    Photo.everything.update(purged_at=timezone.now() - timedelta(days=29))
    with django_capture_on_commit_callbacks(execute=True):
        assert retention.sweep() == 1


def test_a_time_shorter_than_the_law_is_refused(settings: Settings) -> None:
    settings.RETENTION_PICTURE_DAYS, settings.RECORD_RETENTION_YEARS = 365, 10
    with pytest.raises(CommandError, match="RECORD_RETENTION_YEARS"):
        purge("--really")
    settings.RETENTION_PICTURE_DAYS = 3652  # 29 February came three times
    with pytest.raises(CommandError, match="3653 days"):
        purge()
    settings.RETENTION_PICTURE_DAYS = -1
    with pytest.raises(CommandError, match="less than 0"):
        purge()


def test_numbers_are_forgotten_and_the_ledger_stays(cast: Cast, settings: Settings) -> None:
    settings.RETENTION_NUMBER_DAYS = 90
    signed(cast)
    waiting = Message.objects.filter(state=Message.State.PENDING)
    told = waiting.first()
    assert told is not None
    before = timezone.now() - timedelta(days=91)
    Message.objects.update(created_at=before, address="+447700900101")
    Message.objects.filter(pk=told.pk).update(
        state=Message.State.DELIVERED, sent_at=before, settled_at=before, provider_id="SM1"
    )
    Inbound.objects.create(provider_id="SM2", e164="+447700900101", word="other")
    Inbound.objects.update(received_at=before)
    assert "1  messages with a number or an address" in purge("--really")
    told.refresh_from_db()
    assert (told.address, told.provider_id, told.state) == ("", "", Message.State.DELIVERED)
    assert Inbound.objects.get().e164 == ""
    others = Message.objects.exclude(pk=told.pk)
    assert set(others.values_list("address", flat=True)) == {"+447700900101"}, "they still wait"


def test_sessions_and_tokens_that_are_over_go_and_others_stay(cast: Cast) -> None:
    cast.client(cast.ana)
    stays = Session.objects.get()
    over = timezone.now() - timedelta(days=1)
    Session.objects.create(session_key="x" * 32, session_data="", expire_date=over)
    UserSession.objects.create(user=cast.bo, session_key="x" * 32, ip="192.0.2.1")
    ApiToken.objects.create(cast.ana, scopes=[Scope.CASES_READ])
    ApiToken.objects.create(cast.bo, scopes=[Scope.CASES_READ])
    ApiToken.objects.filter(user=cast.bo).update(expiry=over)
    said = purge("--really")
    assert "1  deleted: sessions that are over" in said
    assert "1  deleted: tokens that are over" in said
    assert list(Session.objects.all()) == [stays]
    assert not UserSession.objects.filter(user=cast.bo).exists(), "it keeps an address"
    assert [token.user for token in ApiToken.objects.all()] == [cast.ana]
