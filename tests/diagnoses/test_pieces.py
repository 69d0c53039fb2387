"""A photo in pieces: what a broken network, a second try and another file make of it."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.urls import reverse

from accounts.models import User
from diagnoses import drafts, intake, pieces
from diagnoses.models import DraftPhoto, UploadPiece
from tests import cases
from tests.cast import Cast
from tests.diagnoses.pages import Response, named

pytestmark = pytest.mark.usefixtures("media")
NAME = "c0ffee" * 4
PIECE = 8_000


class Sender:
    """A browser with one photo for one form."""

    def __init__(self, cast: Cast, who: User, photo: bytes, name: str = NAME) -> None:
        self.client = cast.client(who)
        self.photo, self.name = photo, name
        self.key = str(uuid.uuid4())

    def _about(self, **more: Any) -> dict[str, Any]:
        about = {"submit_key": self.key, "upload": self.name, "total": len(self.photo)}
        return about | more

    def piece(self, start: int, size: int = PIECE) -> Response:
        part = named(self.photo[start : start + size])
        form = self._about(start=start, main_photo=part)
        return self.client.post(reverse("draft_photo"), form)

    def arrived(self) -> int:
        answer = self.client.get(reverse("draft_photo"), self._about(slot="main"))
        return int(answer.json()["received"])

    def all(self, start: int = 0) -> Response:
        for at in range(start, len(self.photo), PIECE):
            answer = self.piece(at)
        return answer


@pytest.fixture
def sender(cast: Cast) -> Sender:
    return Sender(cast, cast.ana, cases.jpeg())


def test_the_pieces_together_are_the_photo(sender: Sender) -> None:
    assert len(sender.photo) > 2 * PIECE
    assert sender.piece(0).status_code == 202
    assert not DraftPhoto.objects.exists()
    done = sender.all()
    assert done.status_code == 200
    assert "We have your photo" in done.content.decode()
    whole = intake.clean(named(sender.photo))
    assert DraftPhoto.objects.get().sha256 == whole.sha256
    assert not UploadPiece.objects.exists()


def test_after_a_break_it_goes_on_where_it_stopped(sender: Sender) -> None:
    sender.piece(0)
    assert sender.arrived() == PIECE
    # The answer got lost, and the piece is sent once more: it is here already.
    assert sender.piece(0).json() == {"received": PIECE}
    assert sender.all(PIECE).status_code == 200


def test_a_gap_is_said_with_the_place_to_go_on_from(sender: Sender) -> None:
    sender.piece(0)
    gap = sender.piece(2 * PIECE)
    assert (gap.status_code, gap.json()) == (409, {"received": PIECE})


def test_another_file_for_the_same_place_starts_anew(cast: Cast, sender: Sender) -> None:
    sender.piece(0)
    other = Sender(cast, cast.ana, cases.jpeg(2), "beefcafe")
    other.key = sender.key
    other.all()
    assert DraftPhoto.objects.get().sha256 == intake.clean(named(other.photo)).sha256


def test_what_turns_out_to_be_no_photo_is_refused_and_forgotten(cast: Cast) -> None:
    letter = Sender(cast, cast.ana, b"Dear doctor, it itches. " * 900)
    refused = letter.all()
    assert refused.status_code == 422
    assert "not a photo we can read" in refused.content.decode()
    assert not UploadPiece.objects.exists()


def test_a_file_too_large_is_refused_with_its_first_piece(sender: Sender) -> None:
    form = sender._about(start=0, total=intake.MAX_BYTES + 1, main_photo=named(b"x" * PIECE))
    refused = sender.client.post(reverse("draft_photo"), form)
    assert refused.status_code == 422
    assert "larger than 30 MB" in refused.content.decode()


def test_more_than_was_said_is_refused(sender: Sender) -> None:
    form = sender._about(start=0, total=10, main_photo=named(b"x" * 11))
    assert sender.client.post(reverse("draft_photo"), form).status_code == 422
    assert not UploadPiece.objects.exists()


@pytest.mark.parametrize("start", ["", "soon", "-5", "1e3", "9" * 30])
def test_a_piece_of_no_place_is_told_where_to_go_on(sender: Sender, start: str) -> None:
    sender.piece(0)
    form = sender._about(start=start, main_photo=named(sender.photo[:PIECE]))
    answer = sender.client.post(reverse("draft_photo"), form)
    assert (answer.status_code, answer.json()) == (409, {"received": PIECE})


def test_pieces_are_their_senders_alone(cast: Cast, sender: Sender) -> None:
    sender.piece(0)
    other = Sender(cast, cast.bo, sender.photo)
    other.key = sender.key
    assert other.arrived() == 0
    assert other.piece(PIECE).status_code == 409


def test_few_photos_are_on_their_way_at_once(cast: Cast, sender: Sender) -> None:
    senders = [Sender(cast, cast.ana, sender.photo) for _ in range(pieces.MOST_PER_PERSON + 2)]
    for one in senders:
        one.piece(0)
    assert UploadPiece.objects.count() == pieces.MOST_PER_PERSON
    assert [one.arrived() for one in senders[:2]] == [0, 0]


def test_what_never_arrived_whole_is_swept_after_a_day(sender: Sender) -> None:
    sender.piece(0)
    UploadPiece.objects.update(
        created_at=F("created_at") - drafts.PIECES_KEPT_FOR - timedelta(minutes=1)
    )
    drafts.sweep()
    assert not UploadPiece.objects.exists()
