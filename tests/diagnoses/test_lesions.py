"""A mark over months: the list a patient starts from, one mark's page, two photos, a name."""

from __future__ import annotations

import html
import re
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry, Clinic
from diagnoses import workflow
from diagnoses.models import Case, Lesion
from diagnoses.workflow import NewPhoto
from tests import cases
from tests.cast import Cast
from tests.diagnoses.pages import Response, errors_of, send, text_of
from tests.diagnoses.test_patient_pages import no_undo, signed

__all__ = ["no_undo"]
pytestmark = pytest.mark.usefixtures("media")
LIST = "/lesions/"


def mark(client: Client, case: Case, **query: str) -> Response:
    return client.get(reverse("lesion", args=[case.lesion_id]), query)


def again(case: Case, **changes: Any) -> Case:
    """The same mark, sent once more."""
    return cases.submitted(case.patient, lesion=case.lesion, **changes)


def shown(response: Response) -> list[Any]:
    return [tile.case.pk for tile in response.context["tiles"]]


def many(case: Case, number: int) -> None:
    """Marks like that of ``case``, by the row: only their number matters."""
    fields = {"patient": case.patient, "pack": "skin", "site": "back"}
    marks = Lesion.objects.bulk_create(Lesion(**fields) for _ in range(number))
    Case.objects.bulk_create(
        Case(
            pack_name="skin",
            patient=case.patient,
            clinic=case.clinic,
            lesion=each,
            site="back",
            answer_due_at=case.answer_due_at,
        )
        for each in marks
    )


# --- The list ------------------------------------------------------------------------------------


def test_a_mark_stands_once_with_its_newest_photo_and_open_ones_come_first(
    cast: Cast, no_undo: None
) -> None:
    cases.a_model_version()
    first = cases.submitted(cast.ana)
    newer = again(first, photos=[NewPhoto("dermoscopic", cases.photo(2))])
    face = cases.submitted(cast.ana, site="face")
    loose = cases.submitted(cast.ana)
    Case.objects.filter(pk=loose.pk).update(lesion=None)
    cases.submitted(cast.bo)
    for case in (face, first, newer):
        signed(cases.scored(case), cast.ruth)
    response = cast.client(cast.ana).get(LIST)
    assert shown(response) == [loose.pk, face.pk, newer.pk]
    tiles = response.context["tiles"]
    assert [tile.times for tile in tiles] == [1, 1, 2]
    assert [tile.photo for tile in tiles][2] == newer.photos.get().pk
    assert [tile.status for tile in tiles] == ["Being checked", "Answered", "Answered"]
    assert [tile.due is not None for tile in tiles] == [True, False, False]
    words = text_of(response)
    assert "Photographed 2 times" in words
    assert "Answer by" in words


def test_a_mark_whose_earlier_photo_still_waits_is_among_the_open_ones(
    cast: Cast, no_undo: None
) -> None:
    cases.a_model_version()
    waiting = cases.submitted(cast.ana)
    signed(cases.scored(again(waiting)), cast.ruth)
    signed(cases.scored(cases.submitted(cast.ana)), cast.ruth)
    first, _second = cast.client(cast.ana).get(LIST).context["tiles"]
    assert (first.case.lesion_id, first.status) == (waiting.lesion_id, "Answered")
    assert first.due == waiting.answer_due_at


def test_while_a_signature_can_be_undone_the_list_knows_of_none(cast: Cast) -> None:
    cases.a_model_version()
    case = cases.scored(cases.submitted(cast.ana))
    signed(case, cast.ruth)
    tile = cast.client(cast.ana).get(LIST).context["tiles"][0]
    assert (tile.status, tile.due) == ("Waiting for a doctor", case.answer_due_at)


def test_no_word_of_the_computer_stands_on_the_list(cast: Cast) -> None:
    cases.a_model_version()
    cases.scored(cases.submitted(cast.ana), **cases.RED)
    assert "should look at this soon" not in text_of(cast.client(cast.ana).get(LIST))


def test_pages_leave_nothing_out_and_repeat_nothing(cast: Cast, no_undo: None) -> None:
    cases.a_model_version()
    closed = signed(cases.scored(cases.submitted(cast.ana)), cast.ruth).case
    many(closed, 30)
    client = cast.client(cast.ana)
    first = client.get(LIST)
    again(closed)  # sent while one reads: it shifts nothing
    second = client.get(LIST, {"before": str(first.context["before"])})
    seen = [*shown(first), *shown(second)]
    assert len(seen) == len(set(seen)) == 30
    assert client.get(LIST).context["tiles"][0].case.lesion_id == closed.lesion_id
    for nonsense in ("x", str(uuid.uuid4()), str(cases.submitted(cast.bo).pk)):
        assert shown(client.get(LIST, {"before": nonsense})) == []


def test_the_list_costs_the_same_for_one_mark_and_for_a_thousand(cast: Cast) -> None:
    client, case, costs = cast.client(cast.ana), cases.submitted(cast.ana), []
    for number in (0, 999):
        many(case, number)
        with CaptureQueriesContext(connection) as queries:
            page = client.get(LIST)
        costs.append(len(queries))
    assert len(shown(page)) == 20
    assert costs[0] == costs[1] <= 8


def test_an_empty_list_says_what_will_be_here(cast: Cast) -> None:
    response = cast.client(cast.bo).get(LIST)
    assert "Each mark you send a photo of will be here" in text_of(response)
    assert reverse("case_new") in response.content.decode()


# --- One mark ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lesion", "lesion_name"])
def test_a_mark_is_its_patients_alone(cast: Cast, name: str) -> None:
    address = reverse(name, args=[cases.submitted(cast.ana).lesion_id])
    seen = {who: cast.client(p).get(address).status_code for who, p in cast.everyone().items()}
    assert seen == {who: 200 if who == "ana" else 404 for who in cast.everyone()}
    assert cast.client().get(address).status_code == 302


def test_the_answer_stands_first_and_the_computer_says_no_more_than_on_the_cases_page(
    cast: Cast, no_undo: None
) -> None:
    cases.a_model_version()
    case = cases.scored(cases.submitted(cast.ana))
    signed(case, cast.ruth, "It is a mole. Nothing to do.")
    cases.scored(again(case), **cases.RED)
    words = html.unescape(text_of(mark(cast.client(cast.ana), case)))
    assert "A doctor should look at this soon" in words
    assert words.index("should look at this soon") < words.index("It is a mole.")
    assert "probably a common harmless growth" not in words, "the answer took its place"
    assert "0.9" not in words.split("What happened so far")[1]
    assert AuditEntry.objects.filter(action="lesion.viewed", actor=cast.ana).count() == 1


def test_no_disease_never_stands_alone(cast: Cast) -> None:
    cases.a_model_version()
    case = cases.scored(cases.submitted(cast.ana), **cases.NOT_SURE)
    words = text_of(mark(cast.client(cast.ana), case))
    assert "No disease found by the automatic check" in words
    assert "This is not an all-clear" in words


def test_what_the_clinic_or_the_seconds_hold_back_is_held_back_here_too(cast: Cast) -> None:
    Clinic.objects.filter(pk=cast.north.pk).update(release_policy=Clinic.Release.AFTER_REVIEW)
    cases.a_model_version()
    case = cases.scored(cases.submitted(cast.ana))
    signed(case, cast.ruth, "Secret for ten seconds.")
    response = mark(cast.client(cast.ana), case)
    words = text_of(response)
    assert "Your clinic shows results after a doctor has looked at them" in words
    assert "harmless growth" not in words
    assert "Secret for ten seconds." not in words
    assert reverse("case_tell", args=[case.pk]) in response.content.decode()


@pytest.mark.parametrize("state", ["open", "answered", "withdrawn"])
def test_it_has_changed_is_always_one_press_away(cast: Cast, no_undo: None, state: str) -> None:
    cases.a_model_version()
    client, case = cast.client(cast.ana), cases.submitted(cast.ana)
    if state == "answered":
        signed(cases.scored(case), cast.ruth)
    elif state == "withdrawn":
        workflow.withdraw(case, cast.ana)
    source = mark(client, case).content.decode()
    tell, new = reverse("case_tell", args=[case.pk]), f"{reverse('case_new')}?about={case.pk}"
    link = re.search(r'href="([^"]*)" id="changed"', source)
    assert link is not None
    assert link[1] == (tell if state == "open" else new)


def test_a_new_photo_of_the_same_place_joins_the_mark(cast: Cast) -> None:
    client, case = cast.client(cast.ana), cases.submitted(cast.ana)
    send(client, about=case)
    assert len(mark(client, case).context["history"]) == 2
    assert shown(client.get(LIST)) == [Case.objects.exclude(pk=case.pk).get().pk]


def test_a_marks_page_costs_the_same_however_long_its_history(cast: Cast, no_undo: None) -> None:
    cases.a_model_version()
    client, case, costs = cast.client(cast.ana), cases.submitted(cast.ana), []
    signed(cases.scored(case), cast.ruth)
    for number in (0, 24):
        for _ in range(number):
            again(case)
        with CaptureQueriesContext(connection) as queries:
            first = mark(client, case)
        costs.append(len(queries))
    with CaptureQueriesContext(connection) as queries:
        second = mark(client, case, before=str(first.context["before"]))
    costs.append(len(queries))
    pks = [moment.case.pk for page in (first, second) for moment in page.context["history"]]
    assert len(pks) == len(set(pks)) == 25
    assert pks[-1] == case.pk
    assert len(set(costs)) == 1
    assert costs[0] <= 8, [query["sql"][:90] for query in queries]


# --- Two photos ----------------------------------------------------------------------------------


def test_without_a_choice_the_newest_is_compared_with_the_one_before_of_its_kind(
    cast: Cast,
) -> None:
    kinds = [NewPhoto("dermoscopic", cases.photo(1)), NewPhoto("overview", cases.photo(2))]
    first = cases.submitted(cast.ana, photos=kinds[::-1])
    Case.objects.filter(pk=first.pk).update(submitted_at=timezone.now() - timedelta(days=90))
    second = again(first, photos=kinds)
    client = cast.client(cast.ana)
    left, right = mark(client, second).context["pair"]
    assert right.photo == second.photos.get(kind="dermoscopic")
    assert left.photo == first.photos.get(kind="dermoscopic")
    source = mark(client, second).content.decode()
    assert f"/photos/{left.photo.pk}/?size=medium" in source
    assert left.says in html.unescape(source)


def test_any_two_can_be_chosen_and_no_others(cast: Cast) -> None:
    first = cases.submitted(cast.ana)
    again(first)
    third = again(first)
    client, oldest = cast.client(cast.ana), str(first.photos.get().pk)
    newest = str(third.photos.get().pk)
    pair = mark(client, first, left=newest, right=oldest).context["pair"]
    assert [str(shot.photo.pk) for shot in pair] == [newest, oldest]
    same = mark(client, first, left=newest, right=newest)
    assert "the same photo twice" in text_of(same)
    elsewhere = cases.submitted(cast.ana).photos.get()
    for wrong in ("x", str(uuid.uuid4()), str(elsewhere.pk)):
        assert mark(client, first, left=wrong).status_code == 404


def test_one_photo_alone_is_not_compared(cast: Cast) -> None:
    response = mark(cast.client(cast.ana), cases.submitted(cast.ana))
    assert response.context["pair"] is None
    assert "When you have sent a second photo" in text_of(response)


def test_a_photo_at_the_size_of_a_screen_is_as_private_and_audited_as_the_whole(
    cast: Cast, media: Any
) -> None:
    photo = cases.submitted(cast.ana).photos.get()
    address = reverse("photo", args=[photo.pk]) + "?size=medium"
    assert cast.client(cast.bo).get(address).status_code == 404
    kept = sorted(media.rglob("*"))
    response = cast.client(cast.ana).get(address)
    assert response.content[:2] == b"\xff\xd8"
    assert response["Cache-Control"] == "private, no-store"
    assert AuditEntry.objects.filter(action="photo.viewed").count() == 1
    assert sorted(media.rglob("*")) == kept, "no copy is left on the disk"


# --- A name --------------------------------------------------------------------------------------


def test_a_mark_gets_a_name_of_ones_own_that_the_doctor_reads_as_such(cast: Cast) -> None:
    client, case = cast.client(cast.ana), cases.submitted(cast.ana)
    address = reverse("lesion_name", args=[case.lesion_id])
    words = text_of(client.post(address, {"name": "  the <b>dark</b>\tone "}, follow=True))
    assert "&lt;b&gt;dark&lt;/b&gt; one" in words
    assert Lesion.objects.get().name == "the <b>dark</b> one"
    client.post(address, {"name": "the <b>dark</b> one"})  # the other click of a double click
    entry = AuditEntry.objects.get(action="lesion.named")
    assert (entry.about, entry.detail) == (f"lesion:{case.lesion_id}", {"named": True})
    desk = cast.client(cast.ruth).get(reverse("reading", args=[case.pk]))
    assert "Patient calls it “the &lt;b&gt;dark&lt;/b&gt; one”." in text_of(desk)
    assert "the &lt;b&gt;dark&lt;/b&gt; one" in text_of(client.get(LIST))
    client.post(address, {"name": ""})
    assert Lesion.objects.get().name == ""


def test_a_name_too_long_is_asked_for_again_and_not_lost(cast: Cast) -> None:
    client, case = cast.client(cast.ana), cases.submitted(cast.ana)
    address = reverse("lesion_name", args=[case.lesion_id])
    refused = client.post(address, {"name": "x" * 61})
    assert errors_of(refused)["name"] == ["Make it shorter: a name has at most 60 letters."]
    assert f'value="{"x" * 61}"' in refused.content.decode()
    assert Lesion.objects.get().name == ""
