"""What there is to learn, logged in and out, and the links to it: they never give anything away."""

from __future__ import annotations

import html
import re
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import Clinic, User
from diagnoses import presenting, workflow
from diagnoses.models import Case
from diagnoses.workflow import Answer
from mlservice.packs import load_pack, read, read_pack
from tests import cases
from tests.cases import AMBER, NOT_SURE, RED
from tests.cast import Cast
from tests.diagnoses.pages import page, text_of

SKIN = load_pack("skin")
assert SKIN.lesson is not None
LESSON = SKIN.lesson
PAGES = [f"/learn/{each.slug}/" for each in SKIN.conditions]
STEPS = [f"/learn/self-check/{each.slug}/" for each in LESSON.steps]
ALL = ["/learn/", "/learn/self-check/", *PAGES, *STEPS]
UNREVIEWED = "Not reviewed by a clinician yet."


def words_of(client: Client, address: str) -> str:
    return html.unescape(text_of(client.get(address)))


def links_of(source: str) -> list[str]:
    """Where the page leads to learn, but for its frame."""
    main = source[source.index("<main") : source.index("</main>")]
    return re.findall(r'href="(/learn/[^"#]*)"', main)


# --- The pages -----------------------------------------------------------------------------------


def test_everything_there_is_to_learn_is_one_click_from_the_list(cast: Cast) -> None:
    links = links_of(cast.client().get("/learn/").content.decode())
    assert links == ["/learn/self-check/", *PAGES]
    assert len(PAGES) == len(SKIN.labels) + 1
    assert set(STEPS) < set(links_of(cast.client().get("/learn/self-check/").content.decode()))


@pytest.mark.parametrize("condition", SKIN.conditions, ids=lambda each: each.slug)
def test_a_page_says_all_the_pack_says_and_who_has_checked_it(cast: Cast, condition: Any) -> None:
    response = cast.client().get(f"/learn/{condition.slug}/")
    source, words = response.content.decode(), html.unescape(text_of(response))
    said = [text for part in condition.sections for text in (part.title, *part.text, *part.points)]
    said += [condition.title, condition.short, *condition.worry, *condition.urgent]
    said += [source.title for source in condition.sources]
    assert [text for text in said if text not in words] == []
    assert [each.url for each in condition.sources if html.escape(each.url) not in source] == []
    assert "Read on 26 November 2026." in words
    assert (UNREVIEWED in words) is (condition.reviewed is None)
    assert 'href="/cases/new/"' in source


def test_every_page_is_open_to_a_stranger_and_to_caches_and_needs_no_database(cast: Cast) -> None:
    client = cast.client()
    for address in ALL:
        with CaptureQueriesContext(connection) as queries:
            response = client.get(address)
        assert (response.status_code, len(queries)) == (200, 0), address
        assert response["Cache-Control"] == "public, max-age=300"
        assert "Cookie" in response["Vary"]


@pytest.mark.parametrize("who", ["ana", "ruth", "uma", "root"])
def test_every_page_is_open_to_whoever_is_logged_in_and_asks_only_who_that_is(
    cast: Cast, who: str
) -> None:
    client, costs = cast.client(cast.everyone()[who]), set()
    for address in ALL:
        with CaptureQueriesContext(connection) as queries:
            response = client.get(address)
        costs.add(len(queries))
        assert response.status_code == 200, address
        assert "no-store" in response["Cache-Control"], "it shows a name"
    assert len(costs) == 1
    assert costs.pop() <= 3


def test_only_those_who_can_send_a_photo_are_offered_to(cast: Cast) -> None:
    offers = 'href="/cases/new/"'
    for who, offered in ((None, True), (cast.ana, True), (cast.ruth, False)):
        source = cast.client(who).get("/learn/mel/").content.decode()
        assert (offers in source[source.index("<main") :]) is offered


@pytest.mark.parametrize(
    "address",
    ["/learn/wart/", "/learn/no_disease/", "/learn/self-check/wart/", "/learn/?pack=../skin"],
)
def test_what_is_not_there_is_said_to_be_missing(cast: Cast, address: str) -> None:
    assert cast.client().get(address).status_code == 404


def test_another_pack_gets_its_pages_from_its_data_alone(
    cast: Cast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Elsewhere, without a lesson: nothing of the first pack shows."""
    shutil.copytree(read.FOLDER / "skin", tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "lesson.toml").unlink()
    texts = tmp_path / "elsewhere" / "conditions.toml"
    words = texts.read_text(encoding="utf-8").replace('title = "Melanoma"', 'title = "Shadow"')
    texts.write_text(words, encoding="utf-8")
    monkeypatch.setattr(read, "FOLDER", tmp_path)
    client = cast.client()
    conditions = read_pack(tmp_path / "elsewhere").conditions
    assert links_of(client.get("/learn/?pack=elsewhere").content.decode()) == [
        f"/learn/{each.slug}/?pack=elsewhere" for each in conditions
    ]
    shown = client.get("/learn/mel/?pack=elsewhere").content.decode()
    assert "<h1>Shadow</h1>" in shown
    assert "/learn/self-check/" not in shown
    assert client.get("/learn/self-check/?pack=elsewhere").status_code == 404


# --- The lesson ----------------------------------------------------------------------------------


def test_the_lesson_is_walked_from_start_to_end_by_its_buttons(cast: Cast) -> None:
    client, address, walked = cast.client(), "/learn/self-check/", []
    while True:
        source = client.get(address).content.decode()
        onward = re.search(r'class="button[^"]*"(?: rel="next")? href="(/learn/self[^"]*)"', source)
        if address != "/learn/self-check/":
            onward = re.search(r'rel="next" href="([^"]*)"', source)
            assert LESSON.limits.split(".")[0] in source, "what it is not, on every step"
        if onward is None:
            break
        address = onward[1]
        walked.append(address)
    assert walked == STEPS
    assert 'href="/cases/new/"' in source, "it ends in what to do"
    assert UNREVIEWED in source


@pytest.mark.parametrize("step", [s for s in LESSON.steps if s.replies], ids=lambda s: s.slug)
def test_a_question_answers_without_javascript(cast: Cast, step: Any) -> None:
    client, address = cast.client(), f"/learn/self-check/{step.slug}/"
    feedback = [reply.feedback for reply in step.replies]
    assert [text for text in feedback if text in words_of(client, address)] == []
    for reply in step.replies:
        words = words_of(client, f"{address}?reply={reply.value}&check=1")
        assert [text for text in feedback if text in words] == [reply.feedback]
        assert ("Yes. " in words) is reply.right


@pytest.mark.parametrize("query", ["?check=1", "?check=1&reply=nonsense", "?check=1&reply="])
def test_a_question_left_open_says_so_beside_the_answers(cast: Cast, query: str) -> None:
    response = cast.client().get("/learn/self-check/try-shape/" + query)
    assert response.status_code == 422
    assert "Please choose an answer first." in response.content.decode()


# --- The ways there ------------------------------------------------------------------------------


def test_the_home_page_and_every_frame_lead_there(cast: Cast) -> None:
    home = cast.client().get("/").content.decode()
    assert set(links_of(home)) == {"/learn/", "/learn/self-check/"}
    for who in (None, cast.ana, cast.ruth, cast.root):
        source = cast.client(who).get("/learn/mel/").content.decode()
        assert 'href="/learn/"' in source[source.index("<footer") :]
    for who in (None, cast.ana):
        source = cast.client(who).get("/accounts/login/", follow=True).content.decode()
        assert 'href="/learn/"' in source[: source.index("<main")]


@pytest.mark.parametrize(
    ("result", "leads_to"),
    [
        ({}, "nv"),
        (AMBER | {"label": "df", "top_label": "df"}, "df"),
        (AMBER | {"label": "mel", "top_label": "mel"}, "mel"),
        (RED | {"label": "bcc", "top_label": "bcc"}, "bcc"),
        (NOT_SURE, "no-disease"),
        (NOT_SURE | AMBER, "no-disease"),
        (NOT_SURE | RED, "no-disease"),
        (NOT_SURE | {"modality": "not_skin"}, None),
        (NOT_SURE | {"modality": "no_lesion"}, None),
    ],
)
def test_a_result_leads_to_the_page_of_what_it_names_and_to_no_other(
    cast: Cast, media: Path, result: dict[str, Any], leads_to: str | None
) -> None:
    cases.a_model_version()
    case = cases.scored(cases.submitted(cast.ana), **result)
    links = links_of(page(cast.client(cast.ana), case).content.decode())
    assert links == ([f"/learn/{leads_to}/"] if leads_to else [])
    if leads_to and leads_to != "no-disease":
        card = presenting.patient_card(case)
        assert SKIN.label(leads_to).plain in " ".join((*card.body, card.label_line))


def test_a_result_that_is_not_shown_leads_nowhere(cast: Cast, media: Path) -> None:
    cases.a_model_version()
    client, case = cast.client(cast.ana), cases.submitted(cast.ana)
    assert links_of(page(client, case).content.decode()) == []
    Clinic.objects.filter(pk=cast.north.pk).update(release_policy=Clinic.Release.AFTER_REVIEW)
    held = Case.objects.get(pk=cases.scored(case).pk)
    assert links_of(page(client, held).content.decode()) == []


def answered(case: Case, doctor: User, diagnosis: str, advice: str) -> None:
    workflow.read_first(case, doctor, diagnosis=diagnosis, confidence="sure", plan="see")
    workflow.sign(case, doctor, Answer(diagnosis=diagnosis, plan="see", advice=advice))


@pytest.mark.parametrize(
    ("diagnosis", "advice", "leads_to"),
    [
        ("mel", "This could be a melanoma. Please come in.", ["/learn/mel/"]),
        ("mel", "Please come in, so that we can talk about it.", []),
        ("mel", "It looks like a mole, but please come in.", []),
        ("", "I can't decide from a photo. It may be a mole.", []),
    ],
)
def test_a_signed_answer_leads_only_to_what_the_doctor_has_said(
    cast: Cast, media: Path, settings: Any, diagnosis: str, advice: str, leads_to: list[str]
) -> None:
    """The diagnosis may be news the doctor wants to tell in person: a link does not tell it."""
    settings.UNDO_SIGNATURE = timedelta(0)
    case = cases.submitted(cast.ana)
    answered(case, cast.ruth, diagnosis, advice)
    source = page(cast.client(cast.ana), Case.objects.get(pk=case.pk)).content.decode()
    assert links_of(source) == leads_to
    reading = cast.client(cast.ruth).get(f"/worklist/{case.pk}/").content.decode()
    assert links_of(reading) == ([f"/learn/{diagnosis}/"] if diagnosis else []), "doctors see it"
