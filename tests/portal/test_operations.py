"""How the portal is doing, for the admins of all clinics: true, and with what to do about it."""

from __future__ import annotations

import json
import re
from collections import namedtuple
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from typing import cast as typed

import pytest
from django.db import connection, transaction
from django.db.models import F, Model
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from benchmarks.pages_fill import filled
from diagnoses import workflow
from diagnoses.models import Case, Scoring
from mlservice import deciding, reports
from mlservice.models import BundleCheck, WorkerReport
from mlservice.serving import Refused, Served, Shelf
from notifications import ledger
from notifications.ledger import Notice
from notifications.models import Event, Message
from portal.models import Pulse
from portal.operations import figures
from portal.operations.lines import BAD, GOOD, SWEEPS, Line, glance
from tests.cases import a_model_version, claimed, submitted
from tests.cast import Cast

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media")]
PAGE = "/operations/"
AT_MOST = 12
MANY = 2000
Usage = namedtuple("Usage", "total used free")
# What grows with the years.
LARGE: dict[str, type[Model]] = {one._meta.db_table: one for one in (Scoring, Case, Message)}


def text_of(page: Any) -> str:
    assert page.status_code == 200
    body = page.content.decode().partition("<main")[2] or page.content.decode()
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


def line(title: str) -> Line:
    now = glance()
    every = (*now.queues, *now.workers, *now.sweeps, *now.room)
    [found] = [one for one in every if str(one.title) == title]
    return found


def pulse(name: str, kind: Pulse.Kind, seconds: float = 0) -> None:
    Pulse.objects.create(name=name, kind=kind, heard_at=Now() - timedelta(seconds=seconds))


def everybody_alive(version_pk: int) -> None:
    reports.report(1, Shelf(loaded={version_pk: typed("Served", None)}), "inference-1")
    pulse("io:1", Pulse.Kind.IO)
    pulse("beat", Pulse.Kind.BEAT)


def test_it_is_for_admins_of_no_clinic_alone(cast: Cast) -> None:
    for who in (cast.ana, cast.ruth, cast.uma, cast.ada):
        assert cast.client(who).get(PAGE).status_code == 404
    assert cast.client().get(PAGE).status_code == 302
    assert cast.client(cast.root).get(PAGE).status_code == 200
    assert 'href="/operations/"' in cast.client(cast.root).get("/manage/").content.decode()
    of_one = cast.client(cast.ada).get("/manage/").content.decode()
    assert 'href="/operations/"' not in of_one
    assert 'href="/operations/jobs/"' in of_one


def test_the_queue_is_counted_as_the_database_has_it(cast: Cast) -> None:
    a_model_version()
    claimed(submitted(cast.ana))
    retried = claimed(submitted(cast.ana))
    later = claimed(submitted(cast.ana))
    submitted(cast.ana)
    Scoring.objects.filter(pk__in=[retried.pk, later.pk]).update(token=None, lease_until=None)
    Scoring.objects.filter(pk=later.pk).update(run_after=Now() + timedelta(minutes=1))
    queue = figures.queue()
    assert (queue.waiting, queue.due, queue.leased, queue.later) == (4, 2, 1, 1)
    assert queue.retried == 2
    assert queue.oldest == min(row.run_after for row in Scoring.objects.due())
    shown = line("The computer’s queue")
    assert (shown.value, shown.tone) == ("4", GOOD)
    assert "2 to be taken up, 1 in a worker’s hands, 2 tried before" in str(shown.detail)


def test_a_count_stops_somewhere(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    a_model_version()
    for _ in range(3):
        submitted(cast.ana)
    monkeypatch.setattr(figures, "COUNT_UP_TO", 2)
    assert figures.queue().waiting == 2
    assert line("The computer’s queue").value == "2+"
    assert line("Cases nobody has looked at yet").value == "2+"


def test_what_waits_too_long_is_not_well_and_says_what_to_do(cast: Cast) -> None:
    version = a_model_version()
    everybody_alive(version.pk)
    case = submitted(cast.ana)
    with transaction.atomic():
        ledger.tell(Notice(Event.CASE_SIGNED, cast.bo, "case:x", "/cases/"))
    assert [str(one.title) for one in glance().troubled if "disk" not in str(one.title)] == []
    Scoring.objects.update(run_after=Now() - timedelta(minutes=3))
    Case.objects.filter(pk=case.pk).update(submitted_at=Now() - timedelta(minutes=12))
    Message.objects.update(created_at=Now() - timedelta(hours=1), run_after=Now())
    for title, words in (
        ("The computer’s queue", "more inference workers"),
        ("Cases nobody has looked at yet", "with the doctors"),
        ("Messages to be sent", "io worker is alive"),
    ):
        shown = line(title)
        assert shown.tone == BAD, title
        assert words in str(shown.to_do)
    page = text_of(cast.client(cast.root).get(PAGE))
    assert "Not well The computer’s queue : 1." in page
    # A message for the morning is well, however old.
    Message.objects.update(run_after=Now() + timedelta(hours=3))
    assert line("Messages to be sent").tone == GOOD


def test_workers_are_named_with_version_device_and_since_when(cast: Cast) -> None:
    version, other = a_model_version(), a_model_version(version="two", state="registered")
    served = typed("Served", None)
    why = "model.tflite is not what was registered."
    reports.report(1, Shelf(loaded={version.pk: served}), "inference-1")
    reports.report(2, Shelf(loaded={version.pk: served}, refused={other.pk: Refused(why, 0.0)}))
    began = WorkerReport.objects.get(worker=1).started_at
    reports.report(1, Shelf(loaded={version.pk: served}), "inference-1")
    again = WorkerReport.objects.get(worker=1)
    assert again.started_at == began, "it has not started anew"
    first = line("inference-1")
    assert first.value == "serves skin by hand"
    assert str(first.detail).startswith("cpu, since ")
    assert "heard of just now" in str(first.detail)
    refusing = line("Inference worker 1")
    assert refusing.tone == BAD
    assert f"skin two ({why[:-1]})." in str(refusing.to_do)
    WorkerReport.objects.update(heard_at=Now() - reports.SILENT_AFTER)
    assert line("Inference workers").value == "None"


def test_a_version_nobody_serves_is_not_well_unless_it_is_paused(cast: Cast) -> None:
    version = a_model_version()
    reports.report(1, Shelf(), "inference-1")
    assert line(str(version)).tone == BAD
    deciding.pause("skin", cast.root, "It is looked into.")
    assert line("skin").value == "Paused"
    assert glance().troubled != []
    assert not [one for one in glance().troubled if one.title == str(version)]


def test_everything_that_runs_by_the_clock_has_a_name_people_read(settings: Settings) -> None:
    assert {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()} == set(SWEEPS)


def test_io_workers_beat_and_sweeps_tell_of_themselves() -> None:
    assert line("Io workers").tone == BAD
    assert line("Beat").value == "Not heard of"
    pulse("io:1", Pulse.Kind.IO)
    pulse("io:2", Pulse.Kind.IO, 31)  # silent
    pulse("beat", Pulse.Kind.BEAT, 20)
    pulse("diagnoses.sweep", Pulse.Kind.SWEEP, 200)
    assert (line("Io workers").value, line("Io workers").tone) == ("1", GOOD)
    assert line("Beat").tone == GOOD
    assert line("Cases").tone == BAD
    assert line("Reminders").value == "not yet"
    Pulse.objects.filter(name="beat").update(heard_at=Now() - timedelta(seconds=90))
    assert "Start it" in str(line("Beat").to_do)


def test_a_disk_that_is_nearly_full_is_said(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = Usage(1000 << 30, 901 << 30, 99 << 30)
    monkeypatch.setattr("shutil.disk_usage", lambda _place: usage)
    shown = line("The pictures’ disk")
    assert shown.tone == BAD
    assert "Less than a tenth is left" in str(shown.to_do)
    page = cast.client(cast.root).get(PAGE).content.decode()
    assert '<svg class="room room-low"' in page
    assert 'width="90.1"' in page
    monkeypatch.setattr("shutil.disk_usage", lambda _place: usage._replace(free=100 << 30))
    assert line("The pictures’ disk").tone == GOOD


def test_what_failed_is_counted_by_the_hour(cast: Cast) -> None:
    a_model_version()
    given_up, paused = claimed(submitted(cast.ana)), claimed(submitted(cast.ana))
    workflow.give_up(given_up, "photo unreadable")
    workflow.give_up(paused, "consent taken back", reason="no_consent")
    now = datetime.now(UTC)
    with transaction.atomic():
        ledger.tell(Notice(Event.CASE_SIGNED, cast.bo, "case:x", "/cases/"))
        ledger.tell(Notice(Event.CASE_SIGNED, cast.bo, "case:y", "/cases/"))
    failed = Message.objects.filter(recipient=cast.bo)
    failed.update(state="failed", settled_at=now - timedelta(hours=5))
    failed.filter(about="case:y").update(settled_at=now - timedelta(hours=30))
    hours = figures.failures(now)
    assert len(hours) == figures.HOURS
    assert [hour.scorings for hour in hours] == [0] * 23 + [1]
    assert [hour.messages for hour in hours] == [0] * 18 + [1] + [0] * 5
    page = cast.client(cast.root).get(PAGE).content.decode()
    assert page.count('<rect class="bars-bar"') == 2
    assert "Scorings given up, by the hour: 1" in page


def test_the_part_that_changes_is_answered_alone(cast: Cast) -> None:
    part = cast.client(cast.root).get(f"{PAGE}?part")
    assert "<html" not in part.content.decode()
    assert "The computer’s queue" in text_of(part)
    assert part["Cache-Control"].endswith("no-store")


def test_it_costs_as_many_statements_for_much_as_for_little(cast: Cast) -> None:
    version = a_model_version()
    everybody_alive(version.pk)
    submitted(cast.ana)
    root = cast.client(cast.root)

    def statements() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert root.get(PAGE).status_code == 200
        return len(queries)

    few = statements()
    rows = [
        WorkerReport(worker=n, heard_at=datetime.now(UTC), serves=[version.pk])
        for n in range(10, 60)
    ]
    WorkerReport.objects.bulk_create(rows)
    for n in range(50):
        pulse(f"io:many-{n}", Pulse.Kind.IO)
        BundleCheck.objects.create(
            name=f"b-{n}", folder="x", uploaded=False, manifest_hash=f"{n:064}", asked_by=cast.root
        )
    for _ in range(5):
        submitted(cast.ana)
    with transaction.atomic():
        ledger.tell(
            *(Notice(Event.CASE_SIGNED, cast.bo, f"case:{n}", "/cases/") for n in range(50))
        )
    assert statements() == few <= AT_MOST


def test_nothing_reads_a_whole_table_that_grows(cast: Cast) -> None:
    """By an index of what is open or has failed, or a place in another; never from end to end."""
    a_few_years(cast)
    root = cast.client(cast.root)
    with CaptureQueriesContext(connection) as queries:
        root.get(PAGE)
    read: dict[str, list[str]] = {name: [] for name in LARGE}
    with connection.cursor() as cursor:
        # Of tables as small as here PostgreSQL would else read the whole.
        cursor.execute("SET LOCAL enable_seqscan = off")
        for sql in (query["sql"] for query in queries):
            if any(name in sql for name in LARGE) and sql.startswith(("SELECT", "(SELECT")):
                cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}")
                said = cursor.fetchone()[0]
                note(json.loads(said) if isinstance(said, str) else said, read)
    for name, ways in read.items():
        assert ways, f"{name} was not read at all"
        assert not [way for way in ways if way.startswith("all of")], name


def a_few_years(cast: Cast) -> None:
    """Much that is over, and little that is open: or what the planner takes depends on what other
    tests have left in its statistics."""
    a_model_version()
    filled(cast.ruth, MANY)
    with transaction.atomic():
        [told] = ledger.tell(Notice(Event.CASE_SIGNED, cast.bo, "case:told", "/cases/"))
    Message.objects.bulk_create(
        Message(
            event=told.event, about=f"case:{n}", recipient=told.recipient, channel=told.channel,
            address=told.address, link=told.link, state="delivered", run_after=None,
            sent_at=timezone.now(), settled_at=timezone.now(),
        )
        for n in range(MANY)
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {', '.join(LARGE)}")


def note(plan: Any, read: dict[str, list[str]], above: str = "") -> None:
    """How each of the large tables is read, all through a plan."""
    if isinstance(plan, list):
        for one in plan:
            note(one, read, above)
    elif isinstance(plan, dict):
        # A bitmap's index stands below its table, and does not name it.
        table = plan.get("Relation Name", above)
        node, index = plan.get("Node Type", ""), plan.get("Index Name", "")
        if table in read and (index or node == "Seq Scan"):
            narrow = "Index Cond" in plan or index in partial(LARGE[table])
            read[table].append(index if narrow else f"all of {index or table}")
        for part in plan.values():
            if isinstance(part, dict | list):
                note(part, read, table)


def partial(model: type[Model]) -> set[str]:
    """The indexes that hold some of a table's rows."""
    return {one.name for one in model._meta.indexes if one.condition is not None}


def test_the_clock_writes_down_what_it_hears(cast: Cast) -> None:
    from portal.celery import app
    from portal.clock import Clock

    clock = Clock(app)
    clock.report()
    [io] = Pulse.objects.all()
    assert io.kind == Pulse.Kind.IO
    clock.asked("diagnoses.sweep")
    clock.asked("notifications.deliver_due")  # whoever tells somebody calls for it, too
    clock.ended("notifications.deliver_due")
    clock.ended("diagnoses.score_due")  # not beat's
    Pulse.objects.update(heard_at=F("heard_at") - timedelta(hours=1))
    clock.report()
    kinds = dict(Pulse.objects.values_list("name", "kind"))
    assert kinds == {io.name: "io", "beat": "beat", "notifications.deliver_due": "sweep"}
    assert Pulse.objects.get(pk=io.pk).heard_at >= io.heard_at, "one row, written over"
    assert Pulse.objects.get(pk=io.pk).since == io.since
    pulse("io:dead", Pulse.Kind.IO, 86_500)
    clock.leave()
    assert not Pulse.objects.filter(kind=Pulse.Kind.IO).exists()
