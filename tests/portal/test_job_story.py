"""A job's whole story by its id: complete, in order, and without anybody in it."""

from __future__ import annotations

import io
import uuid
from html import unescape
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import AuditEntry
from diagnoses import inference, worker, workflow
from diagnoses.models import LAST, Case, Escalation, Photo, Scoring
from diagnoses.workflow import Answer
from mlservice.models import BundleCheck
from notifications import settling
from notifications.models import Event, Message
from notifications.twilio_api import Fate
from portal.operations.jobs import Sight, find
from portal.operations.story import Story, story
from tests.cases import a_model_version, claimed, prediction, scored, submitted
from tests.cast import Cast

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]
PAGE = "/operations/jobs/"
SHELL = Sight(None)
RECEIPT = {
    "model": "by hand",
    "device": "litert cpu",
    "batch": 2,
    "decode_ms": 3.5,
    "predict_ms": 81,
}


def told(asked: object, sight: Sight = SHELL) -> Story:
    [job] = find(str(asked), sight)
    return story(job, sight)


def printed(asked: object) -> str:
    out = io.StringIO()
    call_command("story", str(asked), stdout=out)
    return out.getvalue()


def text_of(client: Client, asked: object, status: int = 200) -> str:
    answer = client.get(PAGE, {"id": str(asked)})
    assert answer.status_code == status
    return unescape(answer.content.decode())


def in_order(text: str, *words: str) -> None:
    at = 0
    for one in words:
        found = text.find(one, at)
        assert found >= 0, f"{one!r} does not come after what was before it in\n{text}"
        at = found + len(one)


@pytest.fixture
def failed_once(cast: Cast) -> Case:
    """A case whose first try failed, and whose second brought a view."""
    a_model_version()
    case = submitted(cast.ana)
    [row] = inference.claim([Scoring.objects.get().model_version_id])
    inference.release(row, "photo unreadable: truncated")
    Scoring.objects.update(run_after=Now())
    [row] = inference.claim([row.model_version_id])
    assert workflow.attach((row, prediction(row, receipt=RECEIPT)))
    case.refresh_from_db()
    return case


def test_a_case_whose_first_try_failed_is_told_step_by_step(failed_once: Case) -> None:
    text = printed(failed_once.pk)
    in_order(
        text,
        *(f"{failed_once.reference}, {failed_once.pk}", "Case  submitted", "Queue"),
        *("queued", "taken up by a worker  (try 1)"),
        *("failed  (try 1, photo unreadable: truncated)", "taken up by a worker  (try 2)"),
        "filed  (model: by hand, device: litert cpu, batch: 2, decode_ms: 3.5, predict_ms: 81, ",
    )
    assert "attempts: 2" in text
    for part in ("to_doctors", "checked", "case_checked", "Audit trail  case.submitted"):
        assert part in text, part
    times = [entry.at for entry in told(failed_once.pk).entries]
    assert times == sorted(times)


def test_every_way_to_ask_leads_there(failed_once: Case, cast: Cast) -> None:
    row = Scoring.objects.get()
    message = Message.objects.filter(event=Event.CASE_CHECKED).get()
    root = cast.client(cast.root)
    ways: list[Any] = [failed_once.pk, failed_once.reference, failed_once.reference.lower()]
    ways += [f"case:{failed_once.pk}", f"scoring:{row.pk}", row.pk, f" {failed_once.pk} "]
    for way in ways:
        assert "photo unreadable" in text_of(root, way), way
    page = text_of(root, message.pk)
    assert "case_checked" in page
    assert f"?id=case%3A{failed_once.pk}" in page, "the way to the case"
    assert text_of(root, "") != ""


def test_a_dead_worker_and_an_untouched_row_are_part_of_it(cast: Cast) -> None:
    a_model_version()
    case = submitted(cast.ana)
    version = Scoring.objects.get().model_version_id
    [row] = inference.claim([version], holder=4711)  # no lock of that number is held
    assert worker.free_rows_of_the_dead() == 1
    Scoring.objects.update(run_after=Now())
    [row] = inference.claim([version])
    workflow.give_up(row, "worker died")
    in_order(
        printed(case.pk),
        *("taken up by a worker  (try 1)", "its worker was gone  (try 1)"),
        *("taken up by a worker  (try 2)", "closed without a view  (worker died)"),
    )


def test_a_message_and_its_reports_are_told(cast: Cast, failed_once: Case) -> None:
    message = Message.objects.get(event=Event.CASE_CHECKED)
    Message.objects.filter(pk=message.pk).update(
        attempts=1, tried_at=Now(), state="sent", sent_at=Now(), provider_id="SM1"
    )
    message.refresh_from_db()
    settling.reported(message, Fate(sid="SM1", status="undelivered", code=63016), attempt=1)
    text = printed(message.pk)
    in_order(text, "written  (case_checked", "tried  (try 1)", "taken by the provider  (SM1)")
    message.refresh_from_db()
    assert message.error_code == "63016"
    assert f"State: {message.state}" in text
    assert "63016" in text


def test_what_waited_too_long_is_part_of_it(cast: Cast, failed_once: Case) -> None:
    about = f"case:{uuid.uuid4()}#due-1"  # several late cases share one telling
    Escalation.objects.create(clinic=cast.north, case=failed_once, step="late", about=about)
    message = Message.objects.filter(recipient=cast.ruth).first()
    assert message is not None
    Message.objects.filter(pk=message.pk).update(event="case_late", about=about)
    text = printed(failed_once.pk)
    assert "Waited too long  late" in text
    assert "case_late" in text


def test_a_proof_of_a_bundle_has_its_story(cast: Cast) -> None:
    check = BundleCheck.objects.create(
        name="skin-9", folder="x", uploaded=False, manifest_hash="a" * 64, asked_by=cast.root,
        state="refused", refusal="It is not whole.", settled_at=Now(), attempts=2,
    )  # fmt: skip
    AuditEntry.objects.create(action="model.refused", actor=cast.root, about=f"bundle:{'a' * 16}")
    text = printed(f"check:{check.pk}")
    in_order(text, "Bundle: skin-9", "Tries: 2", "asked for")
    assert "It is not whole." in text
    assert "model.refused" in text
    text_of(cast.client(cast.ada), f"check:{check.pk}", 404)


def test_what_a_number_may_mean_is_asked_back(cast: Cast, failed_once: Case) -> None:
    row = Scoring.objects.get()
    BundleCheck.objects.create(
        pk=row.pk, name="b", folder="x", uploaded=False, manifest_hash="0" * 64, asked_by=cast.root
    )
    page = text_of(cast.client(cast.root), row.pk)
    assert f"?id=scoring%3A{row.pk}" in page
    assert f"?id=check%3A{row.pk}" in page
    with pytest.raises(CommandError, match=f"scoring:{row.pk}"):
        printed(row.pk)
    assert "photo unreadable" in text_of(cast.client(cast.ada), row.pk), "who may see but one"


def test_it_names_nobody_and_tells_no_answer(cast: Cast, failed_once: Case) -> None:
    workflow.ask(failed_once, cast.ana, "Zorblatt hurts?", uuid.uuid4())
    workflow.raise_urgency(failed_once, cast.ana, "Quuxly bleeding")
    workflow.read_first(failed_once, cast.ruth, diagnosis="nv", confidence="sure", plan="reassure")
    failed_once.refresh_from_db()
    workflow.sign(failed_once, cast.ruth, Answer("nv", "reassure", advice="Frobnicate it daily."))
    page = text_of(cast.client(cast.root), failed_once.pk)
    main = page.partition("<main")[2]
    for word in ("Zorblatt", "Quuxly", "Frobnicate", "reassure", "/photos/", ".jpg", "green"):
        assert word not in main, word
    for photo in Photo.objects.all():
        assert str(photo.pk) not in main
    for person in cast.everyone().values():
        if person != cast.root:
            assert person.name not in main
        assert person.email not in main
    assert cast.north.name not in main
    assert "by: doctor" in main
    assert "by: patient" in main


def test_each_admin_hears_of_their_own_cases(cast: Cast, failed_once: Case) -> None:
    row, message = Scoring.objects.get(), Message.objects.filter(event=Event.CASE_CHECKED).get()
    ways: tuple[object, ...] = (failed_once.pk, failed_once.reference, row.pk, message.pk)
    for way in ways:
        text_of(cast.client(cast.ada), way)
        type(cast.ada).objects.filter(pk=cast.ada.pk).update(clinic=cast.south)
        text_of(cast.client(type(cast.ada).objects.get(pk=cast.ada.pk)), way, 404)
        type(cast.ada).objects.filter(pk=cast.ada.pk).update(clinic=cast.north)
    for who in (cast.ana, cast.ruth, cast.uma):
        text_of(cast.client(who), failed_once.pk, 404)
    assert cast.client().get(PAGE).status_code == 302
    viewed = AuditEntry.objects.filter(action="job.viewed")
    assert viewed.filter(about=f"case:{failed_once.pk}", actor=cast.ada).count() == 3
    assert viewed.filter(about=f"message:{message.pk}").count() == 1


@pytest.mark.parametrize(
    "asked",
    [
        *("0123abcd", "nonsense", "case:", "person:1", "9" * 20, "'; --", "\u0663\u0663"),
        "00000000-0000-4000-8000-000000000000",
    ],
)
def test_what_is_no_id_is_answered_in_a_sentence(cast: Cast, asked: str) -> None:
    page = text_of(cast.client(cast.root), asked, 404)
    assert "Nothing has this id" in page
    with pytest.raises(CommandError, match="Nothing has the id"):
        printed(asked)


def test_it_costs_as_many_statements_for_much_as_for_little(cast: Cast, failed_once: Case) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as queries:
            told(failed_once.pk)
        return len(queries)

    few = statements()
    with transaction.atomic():
        for _ in range(20):
            workflow.ask(failed_once, cast.ana, "And?", uuid.uuid4())
    other = a_model_version(version="two", state="registered")
    for n in range(2, 12):
        Scoring.objects.create(
            case=failed_once,
            model_version=other,
            round=n,
            purpose="shadow",
            priority=LAST,
            settled_at=Now(),
        )
    assert statements() == few <= 8
    scored(submitted(cast.ana))  # others' rows are not read
    claimed(submitted(cast.ana))
    assert statements() == few
