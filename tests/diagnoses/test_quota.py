"""Nobody sends in more than so much a day; who sent enough is told when to go on, and keeps all."""

from __future__ import annotations

import io
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from diagnoses import drafts, intake, quota
from diagnoses.models import Case, Draft, DraftPhoto, UploadPiece, UploadTally
from tests import cases
from tests.cast import Cast, build_cast
from tests.diagnoses.pages import named, say, screen
from tests.together import at_once

pytestmark = pytest.mark.usefixtures("media")
API = "/api/v1/cases"


@pytest.fixture
def two_a_day(settings: Settings) -> None:
    settings.UPLOADS_PER_DAY = 2


def ahead(cast: Cast, key: str = "", content: bytes = b"", **more: Any) -> Any:
    form: dict[str, Any] = {
        "submit_key": key or str(uuid.uuid4()),
        "main_photo": named(content or cases.jpeg()),
    }
    return cast.client(cast.ana).post(reverse("draft_photo") + "?of=new", form | more)


def submit(cast: Cast, *seeds: int, **more: Any) -> Any:
    photos = [named(cases.jpeg(seed)) for seed in seeds]
    data = {"photo": photos, "kind": ["dermoscopic"] * len(seeds), "site": "back"}
    headers = {"HTTP_IDEMPOTENCY_KEY": more.pop("key")} if "key" in more else {}
    return cast.api(cast.ana).post(API, data, format="multipart", **headers)


def rows() -> list[int]:
    kept = (Case, Draft, DraftPhoto, UploadPiece, UploadTally)
    return [model.objects.count() for model in kept]


def is_refused(answer: Any) -> None:
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= 24 * 3600
    assert str(intake.SENTENCES["quota"]) in answer.content.decode()


@pytest.mark.usefixtures("two_a_day")
def test_the_third_photo_of_the_day_is_for_tomorrow_and_leaves_nothing(
    cast: Cast, media: Any
) -> None:
    assert [ahead(cast).status_code for _ in range(2)] == [200, 200]
    before, files = rows(), sorted(media.rglob("*"))
    third = ahead(cast, content=cases.jpeg(5))
    is_refused(third)
    assert third["X-Refused"] == "quota"
    assert (rows(), sorted(media.rglob("*"))) == (before, files)
    assert UploadTally.objects.get().photos == 2


@pytest.mark.usefixtures("two_a_day")
def test_what_was_kept_before_can_still_be_sent(cast: Cast) -> None:
    key, client = str(uuid.uuid4()), cast.client(cast.ana)
    say(client, key, "photo", main_photo=named(cases.jpeg()))
    say(client, key, "photo", main_photo=named(cases.jpeg(2)))
    kept = DraftPhoto.objects.get().sha256
    refused = say(client, key, "photo", main_photo=named(cases.jpeg(3)))
    is_refused(refused)
    assert "We still have the photo from before." in refused.content.decode()
    assert DraftPhoto.objects.get().sha256 == kept
    assert say(client, key, "photo").status_code == 302


@pytest.mark.usefixtures("two_a_day")
def test_a_new_photo_for_an_open_case_counts(cast: Cast) -> None:
    case = cases.submitted(cast.ana)
    quota.spend(cast.ana, [1, 1])
    address = reverse("case_photo", args=[case.pk])
    is_refused(cast.client(cast.ana).post(address, {"main_photo": named(cases.jpeg(3))}))
    api = f"{API}/{case.pk}/photos/"
    refused = cast.api(cast.ana).post(api, {"photo": named(cases.jpeg(3))}, format="multipart")
    is_refused(refused)
    assert not DraftPhoto.objects.exists()


@pytest.mark.usefixtures("two_a_day")
def test_the_api_counts_every_photo_and_takes_all_or_none(cast: Cast) -> None:
    assert submit(cast, 1).status_code == 201
    before = rows()
    refused = submit(cast, 2, 3)
    is_refused(refused)
    assert refused.json()["code"] == "quota"
    assert rows() == before
    assert submit(cast, 2).status_code == 201


@pytest.mark.usefixtures("two_a_day")
def test_sending_the_same_request_again_is_no_further_photo(cast: Cast) -> None:
    assert submit(cast, 1, 2, key="once").status_code == 201
    assert submit(cast, 1, 2, key="once").status_code == 200
    assert submit(cast, 3, key="twice").status_code == 429


@pytest.mark.usefixtures("two_a_day")
def test_refused_pictures_count_for_it_is_the_opening_that_costs(cast: Cast) -> None:
    assert [ahead(cast, content=b"no photo").status_code for _ in range(3)] == [422, 422, 429]


@pytest.mark.usefixtures("two_a_day")
def test_a_photo_in_pieces_counts_once_with_all_it_will_be(cast: Cast, settings: Settings) -> None:
    photo, key, half = cases.jpeg(), str(uuid.uuid4()), 20_000
    about: dict[str, Any] = {"upload": "cafebabe", "total": len(photo)}

    def piece(start: int, end: int) -> Any:
        return ahead(cast, key, photo[start:end], start=start, **about)

    assert piece(0, half).status_code == 202
    assert piece(0, half).status_code == 202, "its answer was lost, and it came again"
    tally = UploadTally.objects.get()
    assert (tally.photos, tally.size) == (1, len(photo))
    settings.UPLOADS_PER_DAY = 1
    assert piece(half, len(photo)).status_code == 200, "what was begun is taken to its end"
    tally.refresh_from_db()
    assert (tally.photos, tally.size) == (1, len(photo))
    before = rows()
    refused = ahead(cast, content=photo[:half], start=0, **about)
    is_refused(refused)
    assert rows() == before


def test_bytes_have_a_quota_of_their_own(cast: Cast, settings: Settings) -> None:
    settings.UPLOAD_MB_PER_DAY = 1
    quota.spend(cast.ana, [1 << 20])
    with pytest.raises(quota.QuotaSpent):
        quota.spend(cast.ana, [1])
    quota.spend(cast.bo, [1 << 20])


def test_zero_is_no_limit(cast: Cast, settings: Settings) -> None:
    settings.UPLOADS_PER_DAY = settings.UPLOAD_MB_PER_DAY = 0
    for _ in range(5):
        quota.spend(cast.ana, [1 << 40])
    assert not UploadTally.objects.exists()


@pytest.mark.usefixtures("two_a_day")
def test_it_counts_for_who_sends_it_and_a_new_day_begins_anew(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    quota.spend(cast.ana, [1, 1])
    with pytest.raises(quota.QuotaSpent) as caught:
        quota.spend(cast.ana, [1])
    tomorrow = timezone.now() + timedelta(seconds=caught.value.wait)
    monkeypatch.setattr(timezone, "now", lambda: tomorrow)
    quota.spend(cast.ana, [1, 1])
    assert UploadTally.objects.count() == 2
    after = tomorrow + timedelta(days=2)
    monkeypatch.setattr(timezone, "now", lambda: after)
    drafts.sweep()
    assert not UploadTally.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("two_a_day")
def test_of_many_at_once_no_more_get_in_than_may(transactional_db: None) -> None:
    """Also with the first ones of the day, when there is no row to wait for yet."""
    ana = build_cast().ana
    told = at_once(*[lambda: quota.spend(ana, [1])] * 8, refusals=quota.QuotaSpent)
    assert sum(isinstance(each, quota.QuotaSpent) for each in told) == 6
    assert UploadTally.objects.get().photos == 2


def test_what_is_refused_begins_no_form(cast: Cast) -> None:
    """Or the list of what was begun would offer to go on with nothing."""
    assert ahead(cast, content=b"no photo").status_code == 422
    say(cast.client(cast.ana), str(uuid.uuid4()), "photo", main_photo=named(b"no photo"))
    assert not Draft.objects.exists()


# --- How much one request may bring --------------------------------------------------------------


def heavy(address: str, length: int | str, cast: Cast, person: User | None = None) -> Any:
    """A request that says it brings so much; the body itself is never read."""
    told: dict[str, Any] = {"CONTENT_LENGTH": str(length), "wsgi.input": Unread()}
    kind = "multipart/form-data; boundary=x"
    return cast.client(person).generic("POST", address, b"", content_type=kind, **told)


class Unread(io.BytesIO):
    def read(self, *_: Any) -> bytes:
        raise AssertionError("it was read")


@pytest.mark.parametrize("length", ["250000000", "9" * 30, "-5", "many"])
def test_a_request_larger_than_any_form_is_refused_unread(cast: Cast, length: str) -> None:
    addresses = (screen(str(uuid.uuid4()), "photo"), "/accounts/login/", reverse("draft_photo"))
    for address in addresses:
        answer = heavy(address, length, cast, cast.ana)
        assert (answer.status_code, answer["X-Refused"]) == (413, "too_much")
        assert "it may be too large" in answer.content.decode()
    answer = heavy(API, length, cast)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_much")
    assert answer["Content-Type"] == "application/problem+json"


def test_a_form_without_files_takes_no_photos_weight(cast: Cast) -> None:
    assert heavy("/accounts/login/", 3 << 20, cast).status_code == 413


def test_the_heaviest_photo_that_may_be_sent_comes_in(cast: Cast) -> None:
    """A picture with a comment of almost 30 MB in it: heavy, and yet a picture."""
    photo = cases.jpeg() + b"\0" * (intake.MAX_BYTES - len(cases.jpeg()))
    assert ahead(cast, content=photo).status_code == 200
    answer = ahead(cast, content=photo + b"\0")
    assert (answer.status_code, answer["X-Refused"]) == (422, "too_heavy")
