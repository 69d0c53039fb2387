"""What R13 calls wrong is wrong: no code, another code, a picture that hides more than pixels."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
import requests

from benchmarks.hostile import mutations, sending
from benchmarks.hostile.catalogue import TAKEN
from benchmarks.hostile.crafted import MARKER
from benchmarks.hostile.sending import Door, Found, Sent
from benchmarks.rig import Sender
from mlservice.packs.skin.drawing import draw
from tests.cases import encoded, jpeg

COMMENTED = encoded(draw(1), "JPEG", comment=b"by Ana").getvalue()
SENDER = Sender("sender@bench.lentigo", "token")


@pytest.fixture
def door() -> Door:
    found = object.__new__(Door)
    found._known = {"damaged"}
    return found


def answer(status: int, body: Any) -> requests.Response:
    made = requests.Response()
    made.status_code = status
    made.raw = io.BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())
    return made


@pytest.mark.parametrize(
    ("status", "body", "wrong"),
    [
        (422, {"code": "damaged", "detail": "This photo is damaged."}, ""),
        (422, {"code": "damaged", "detail": "damaged"}, "no refusal of ours"),
        (429, {"code": "too_many_requests", "detail": "Wait."}, "no refusal of ours"),
        (500, b"<h1>Oh</h1>", "<h1>Oh</h1>"),
        (422, {"detail": "This photo is damaged."}, "damaged"),
        (201, {"photos": []}, "no photo"),
    ],
)
def test_an_answer_is_read_for_what_it_is(door: Door, status: int, body: Any, wrong: str) -> None:
    found = door._read(answer(status, body), SENDER)[1]
    assert bool(found) == bool(wrong)
    assert wrong in found


@pytest.mark.parametrize(
    ("content", "wrong"),
    [(jpeg(), ""), (jpeg() + MARKER, "hidden"), (COMMENTED, "carries")],
)
def test_the_stored_picture_is_looked_into(
    monkeypatch: pytest.MonkeyPatch, content: bytes, wrong: str
) -> None:
    monkeypatch.setattr(requests, "get", lambda *_, **__: answer(200, content))
    found = sending._kept({"photos": [{"url": "http://localhost/"}]}, SENDER)
    assert bool(found) == bool(wrong)
    assert wrong in found


def test_another_code_than_expected_is_told() -> None:
    found, sent = Found(), Sent("svg", b"", ("not_a_picture",))
    found.add(sent, "not_a_picture", 0.1, "", error=False)
    assert found.wrong == []
    found.add(sent, TAKEN, 0.1, "", error=False)
    found.add(Sent("any", b""), TAKEN, 0.1, "", error=True)
    assert found.wrong == ["svg: answered 'taken', not ('not_a_picture',)"]
    assert (found.errors, found.codes[TAKEN]) == (1, 2)


def test_the_same_seed_spoils_the_same_way() -> None:
    first, again, other = (list(mutations(12, seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other
