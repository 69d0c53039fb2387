"""A photo that kills its decoder, and everything restarted in turn."""

from __future__ import annotations

import io
import signal
import time

from benchmarks.faults import seen
from benchmarks.faults.clients import Clients
from benchmarks.faults.house import SCORERS, WEBS, House
from benchmarks.faults.journal import Entry
from benchmarks.faults.outcome import Outcome
from diagnoses import intake
from diagnoses.models import Case, Scoring

KINDS = ("crash", "loop", "memory")
# What the worker says of the child that prepared it, by what the photo does to it.
SAYS = {"crash": "ended the process", "loop": "took more than", "memory": "MB of memory"}
MATES = 3
IN_TURN = (*WEBS, *SCORERS, "io", "io-2", "beat")


def poison_photo(house: House, clients: Clients, outcome: Outcome, times: int) -> None:
    """It goes to the doctors unscored after three tries; the others of its batch are scored."""
    for number in range(times):
        kind = KINDS[number % len(KINDS)]
        picture = clients.spare[number % len(clients.spare)]
        sha256 = intake.clean(io.BytesIO(picture)).sha256
        house.restart(*SCORERS, DECODE_POISON=f"{sha256}:{kind}")
        house.ready(*SCORERS)
        deaths = len(house.deaths)
        entries = _one_batch(house, clients, outcome.fault, picture)
        at = time.time()
        rows = {
            str(r.case_id): r.pk for r in Scoring.objects.filter(case__in=[e.case for e in entries])
        }
        house.until(seen.everything_settled_of(rows.values()), 90, f"{kind}: all are settled")
        seen.moves_again(house, outcome, at)
        _isolated(outcome, entries, kind)
        said = sum(house.log(name).count(SAYS[kind]) for name in SCORERS)
        outcome.proof[f"children_ended_{kind}"] += said
        outcome.must(said >= 1, f"{kind}: no child was ended by the photo")
        outcome.must(len(house.deaths) == deaths, f"{kind}: a worker did not stay up")


def _one_batch(house: House, clients: Clients, fault: str, picture: bytes) -> list[Entry]:
    """The photo between its batch-mates: claimed together, because the workers wait meanwhile."""
    clients.end()
    house.until(lambda: clients.idle, 60, "every sender was answered")
    house.until(seen.everything_settled, 60, "everything is scored")
    for name in SCORERS:
        house.send(name, signal.SIGSTOP)
    entries = [clients.send(fault)]
    entries.append(clients.send(fault, picture, poison=True))
    entries += [clients.send(fault) for _ in range(MATES - 1)]
    for name in SCORERS:
        house.send(name, signal.SIGCONT)
    clients.begin(fault)
    return entries


def _isolated(outcome: Outcome, entries: list[Entry], kind: str) -> None:
    tries = {
        str(row.case_id): row.attempts
        for row in Scoring.objects.filter(case__in=[e.case for e in entries])
    }
    for entry in entries:
        case, made = Case.objects.get(pk=entry.case), tries[entry.case]
        if entry.poison:
            outcome.proof["tries_of_poison"] = max(outcome.proof["tries_of_poison"], made)
            outcome.must(2 <= made <= 3, f"{kind}: tried {made} times")
            outcome.must(case.status == Case.Status.PARTIAL, f"{kind}: it is {case.status}")
        else:
            outcome.must(made <= 2, f"{kind}: a batch-mate was tried {made} times")


def rolling_restart(house: House, clients: Clients, outcome: Outcome, seconds: int) -> None:
    """One after the other, politely, for so long; each is ready before the next goes."""
    ends = time.monotonic() + seconds
    turn = 0
    while time.monotonic() < ends or turn < len(IN_TURN):
        name, at = IN_TURN[turn % len(IN_TURN)], time.time()
        house.restart(name)
        seen.moves_again(house, outcome, at)
        house.ready(name)
        turn += 1
    clients.end()
    house.until(lambda: clients.idle, 60, "every sender was answered")
    entries = clients.journal.of(outcome.fault)
    outcome.proof["requests_repeated"] = sum(len(entry.tries) > 1 for entry in entries)
    failed = [entry for entry in entries if entry.failed_after_retry]
    outcome.must(not failed, f"{len(failed)} requests failed after one retry")
