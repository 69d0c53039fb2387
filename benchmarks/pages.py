"""P8, P9, P10: pages, API, claim and sweep: server time and statements by how many cases there are.

One PostgreSQL, one database for each number of cases, one process: the requests go through Django's
test client, so through middleware, log-in, views, SQL and templates, without a socket. Number by
number in turn, so that what else the machine does meets all of them alike.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks.measuring import Figure, Report, at, ratio, say
from benchmarks.pages_fill import PASSWORD, RARE, filled
from benchmarks.rig import Rig

LATE_PAGE = 1000  # or the last, where there are fewer
TARGETS = {"p50": "≤ 15", "p95": "≤ 50", "ratio": "≤ 1.25", "statements": "≤ 8"}

Task = Callable[[], None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cases", type=int, nargs="+", default=[1_000, 100_000])
    parser.add_argument("--requests", type=int, default=30, help="of each page in one turn")


@dataclass(frozen=True, slots=True)
class There:
    """What is measured, and in which database."""

    database: str
    task: Task


@dataclass(frozen=True, slots=True)
class Found:
    """What one page took with one number of cases: seconds by turn, statements of one request."""

    turns: list[list[float]]
    statements: int

    def by_turn(self, share: float) -> list[float]:
        return [at(turn, share) for turn in self.turns]

    def overall(self, share: float) -> float:
        return at([one for turn in self.turns for one in turn], share)


def run(options: argparse.Namespace) -> Report:
    report = Report("P8 P9 P10", "pages, API, claim and sweep, by how many cases there are")
    with Rig():
        tasks = {cases: _made(cases) for cases in sorted(options.cases)}
        for name in next(iter(tasks.values())):
            found = _measured(name, tasks, options)
            report.figures += _figures(name, found)
            report.detail.setdefault("pages", {})[name] = _told(found)
    report.notes.append("Django's test client in one process: no socket, no web server, no client")
    report.notes.append(f"PostgreSQL with fsync on; {options.requests} requests a turn")
    return report


def _made(cases: int) -> dict[str, There]:
    """A database of its own with so many cases; what is measured on it, by name."""
    from django.db import connection

    name = f"lentigo_{cases}"
    with _database("postgres"), connection.cursor() as cursor:
        cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE lentigo')
    began = time.perf_counter()
    with _database(name):
        tasks = tasks_of(_doctor(cases), name)
    say(f"{cases} cases after {time.perf_counter() - began:.0f} s")
    return tasks


@contextmanager
def _database(name: str) -> Iterator[None]:
    """The default connection goes to another database of the same server."""
    from django.db import connection

    before = connection.settings_dict["NAME"]
    _close()
    connection.settings_dict["NAME"] = name
    try:
        yield
    finally:
        _close()
        connection.settings_dict["NAME"] = before


def _close() -> None:
    """The connection, and the pool it goes back to."""
    from django.db import connection

    ours: Any = connection  # PostgreSQL's has a pool
    ours.close()
    ours.close_pool()


def _doctor(cases: int) -> Any:
    from django.db import connection
    from django.utils import timezone

    from accounts import people
    from accounts.models import Role, User

    doctor = User.objects.create_user(
        email="doctor@bench.lentigo",
        password=PASSWORD,
        name="Dr Bench",
        clinic=people.default_clinic(),
        role=Role.DOCTOR,
        verified_at=timezone.now(),
    )
    filled(doctor, cases)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    return doctor


def tasks_of(doctor: Any, database: str) -> dict[str, There]:
    from django.test import Client

    from accounts import second_factor
    from accounts.models import ApiToken, Scope
    from diagnoses import worklist
    from diagnoses.models import Case

    opened = worklist.page(doctor, worklist.Filters()).rows[0].case
    signed = Case.objects.filter(signed_by=doctor).first()
    if signed is None:
        raise RuntimeError("no case is signed")
    browser, patient = (Client(SERVER_NAME="localhost") for _ in range(2))
    browser.force_login(doctor)
    session = browser.session
    session.update(second_factor.proof(doctor))
    session.save()
    patient.force_login(signed.patient)
    token = ApiToken.objects.create(doctor, scopes=list(Scope))[1]
    program = Client(SERVER_NAME="localhost", headers={"Authorization": f"Token {token}"})
    found = {
        "worklist, page 1": _get(browser, "/worklist/"),
        "worklist, late page": _get(browser, f"/worklist/?after={_late_mark(doctor)}"),
        "worklist, due today": _get(browser, "/worklist/?show=today"),
        "worklist, unassigned": _get(browser, "/worklist/?show=unassigned"),
        "worklist, is it new": _get(browser, "/worklist/state/"),
        "search, a rare name": _get(browser, f"/worklist/?q={RARE[:-1].lower()}"),
        "search, two letters": _get(browser, f"/worklist/?q={RARE[:2].lower()}"),
        "search, a common site": _get(browser, "/worklist/?q=back"),
        "a body site": _get(browser, "/worklist/?site=scalp"),
        "with a question": _get(browser, "/worklist/?show=asked"),
        "search, a reference": _get(browser, f"/worklist/?q={opened.reference}"),
        "answered lately": _get(browser, "/worklist/done/"),
        "the doctor's case": _get(browser, f"/worklist/{opened.pk}/"),
        "the patient's list": _get(patient, "/cases/"),
        "the patient's case": _get(patient, f"/cases/{signed.pk}/"),
        "API, list": _get(program, "/api/v1/cases"),
        "API, case": _get(program, f"/api/v1/cases/{opened.pk}"),
        "the worker's claim": _claim,
        "the sweep": _sweep,
    }
    return {name: There(database, task) for name, task in found.items()}


def _late_mark(doctor: Any) -> Any:
    """The case that the page before the late one ends with."""
    from diagnoses import worklist

    waiting = worklist.waiting_for(doctor)
    place = min(LATE_PAGE * worklist.PAGE, waiting.count() - 2 * worklist.PAGE)
    return waiting.urgent_first().values_list("pk", flat=True)[place]


def _get(client: Any, address: str) -> Task:
    def get() -> None:
        answer = client.get(address)
        if answer.status_code != 200:
            raise RuntimeError(f"{answer.status_code} from {address}")

    return get


def _claim() -> None:
    """A batch is leased, and given back."""
    from django.db import transaction

    from diagnoses import inference
    from mlservice.models import ModelVersion

    with transaction.atomic():
        if not inference.claim([ModelVersion.objects.get().pk]):
            raise RuntimeError("nothing was claimed")
        transaction.set_rollback(True)


def _sweep() -> None:
    """All of it but the wake-up call, which is Redis's time."""
    from diagnoses import claims, inference, worker, workflow
    from diagnoses.models import Scoring

    worker.free_rows_of_the_dead()
    inference.give_up_exhausted()
    workflow.pass_on_the_late()
    claims.sweep()
    Scoring.objects.due().exists()


def _measured(
    name: str, tasks: dict[int, dict[str, There]], options: argparse.Namespace
) -> dict[int, Found]:
    turns: dict[int, list[list[float]]] = {cases: [] for cases in tasks}
    statements = {cases: _statements(some[name]) for cases, some in tasks.items()}
    for _ in range(options.pairs):
        for cases, some in tasks.items():
            turns[cases].append(_turn(some[name], options.requests))
    return {cases: Found(turns[cases], statements[cases]) for cases in tasks}


def _turn(there: There, requests: int) -> list[float]:
    """Seconds of each; the first ones only warm up the connection and the caches."""
    took = []
    with _database(there.database):
        for number in range(-3, requests):
            began = time.perf_counter()
            there.task()
            if number >= 0:
                took.append(time.perf_counter() - began)
    return took


def _statements(there: There) -> int:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with _database(there.database):
        there.task()
        with CaptureQueriesContext(connection) as captured:
            there.task()
    return len(captured)


def _figures(name: str, found: dict[int, Found]) -> list[Figure]:
    least, most = min(found), max(found)
    one, all_of_them = found[least], found[most]
    n = sum(len(turn) for turn in all_of_them.turns)
    by = [all_of_them.by_turn(share) for share in (0.5, 0.95)]
    say(f"{name}: {[round(1000 * found[cases].overall(0.5), 1) for cases in found]} ms")
    return [
        _in_ms(f"{name}: p50 at {most}", by[0], TARGETS["p50"], n),
        _in_ms(f"{name}: p95 at {most}", by[1], TARGETS["p95"], n),
        ratio(f"{name}: p50, {most} ÷ {least}", by[0], one.by_turn(0.5)),
        ratio(f"{name}: p95, {most} ÷ {least}", by[1], one.by_turn(0.95), target=TARGETS["ratio"]),
        Figure(f"{name}: statements", all_of_them.statements, target=TARGETS["statements"]),
    ]


def _in_ms(name: str, turns: list[float], target: str, n: int) -> Figure:
    values = [1000 * seconds for seconds in turns]
    return Figure(name, median(values), (min(values), max(values)), "ms", target, n)


def _told(found: dict[int, Found]) -> dict[str, Any]:
    return {
        str(cases): {
            "p50_ms": 1000 * one.overall(0.5),
            "p95_ms": 1000 * one.overall(0.95),
            "statements": one.statements,
        }
        for cases, one in found.items()
    }
