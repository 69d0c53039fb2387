"""R8: messages under a random mix of faults, each told once, none lost, nothing forged believed.

PostgreSQL with fsync, web server, two delivery workers and the sweep as processes; the stand-in in
Twilio's place, in a process of its own (``mischief.py``), fails in every way it knows. What it has
accepted, and the mailbox, are the oracle (``audit.py``): neither is in the portal's database.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measuring import Figure, Report, at, say
from benchmarks.messages import mix
from benchmarks.messages.mix import NOTES
from benchmarks.rig import Rig

if TYPE_CHECKING:
    from benchmarks.faults.house import House
    from benchmarks.messages.audit import Found
    from benchmarks.messages.telling import Teller

NAMES = ("standin", "web", "io", "io-2", "beat")
SHORT, SHORT_PACE = 150, 0.06
AT_ONCE = 4  # told in one transaction
BACKLOG = 60  # rows that are due and wait: more are not told until there are fewer
LONGEST_WAIT = 2400  # seconds at the usual pace, for everything to be settled
SWEEP = 20  # seconds at the usual pace
LATEST_REPORT = 45  # seconds at the usual pace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1, help="of all that is drawn")
    parser.add_argument("--kills", type=int, help="of workers (one for 60 messages, at least 3)")
    parser.add_argument("--restarts", type=int, help="of Valkey (one for 1,500, at least 1)")
    parser.add_argument("--pace", type=float, default=1.0, help="all waits times this")
    parser.add_argument(
        "--short", action="store_true", help=f"{SHORT} messages at a pace of {SHORT_PACE}"
    )


def run(options: argparse.Namespace) -> Report:
    total = SHORT if options.short else options.messages
    pace = SHORT_PACE if options.short else options.pace
    os.environ["MESSAGE_WAITS"] = str(pace)
    with Rig(**senders(few=options.short), QUIET_HOURS=night_far_away()) as rig:
        found, told = suffer(rig, total, pace, options)
    return report(found, told, pace, options)


def senders(*, few: bool) -> dict[str, str]:
    """A sender of each kind, and how fast it may send."""
    froms = {"TWILIO_WHATSAPP_FROM": mix.WHATSAPP_SENDER, "TWILIO_SMS_FROM": mix.SMS_SENDER}
    rates = mix.RATES_OF_FEW if few else mix.RATES
    return froms | {name: str(rate) for name, rate in rates.items()}


def night_far_away() -> str:
    """Quiet hours that it is in the middle of fourteen hours east of here, and day here for the
    next four."""
    there = datetime.now(UTC) + timedelta(hours=14)
    return "-".join(f"{there + timedelta(hours=hours):%H:%M}" for hours in (-3, 6))


def suffer(
    rig: Rig, total: int, pace: float, options: argparse.Namespace
) -> tuple[Found, dict[str, int]]:
    """Tell everything, let it settle, compare."""
    from benchmarks.faults.house import House, NotInTime
    from benchmarks.messages.audit import audit
    from benchmarks.messages.mishaps import Mishaps
    from benchmarks.messages.telling import Teller

    kinds = (
        "--folder", str(rig.folder), "--seed", str(options.seed), "--pace", str(pace),
    )  # fmt: skip
    rig.stack.stand_in = ("benchmarks.messages.mischief", *kinds)
    house, dice = House(rig, NAMES), random.Random(options.seed)  # noqa: S311 - dice
    teller = Teller(total, dice)
    house.start()
    mishaps = Mishaps(
        house,
        dice,
        total=total,
        kills=options.kills or max(3, total // 60),
        restarts=options.restarts or max(1, total // 1500),
    )
    late = ""
    began = time.monotonic()
    tell_everything(house, teller, mishaps.turn)
    took = time.monotonic() - began
    say(f"{len(teller.told)} told in {took:.0f} s")
    try:
        settle(house, teller, mishaps.turn, pace)
    except NotInTime as error:
        late = str(error)
    say(f"settled {time.monotonic() - began - took:.0f} s later")
    notes = _notes(rig.folder / NOTES)
    found = audit(teller.told, _accepted(rig), notes, rig.folder / "mail")
    found.proof += mishaps.proof
    found.proof["orphaned_rows"] = len(mishaps.orphans)
    found.proof += teller.told.resent
    if late:
        found.lost.append(late)
    seconds = {"told_in_s": round(took), "settled_in_s": round(time.monotonic() - began)}
    return found, seconds


def tell_everything(house: House, teller: Teller, mishap: Any) -> None:
    from notifications.models import Message

    said = 0
    while not teller.done:
        house.look()
        mishap(len(teller.told))
        waiting = Message.objects.due().filter(state=Message.State.PENDING)
        if waiting.count() < BACKLOG:
            teller.tell_some(AT_ONCE)
        else:
            house.pause(0.1)
        teller.rise()
        teller.resend_some()
        if len(teller.told) >= said + 500:
            said = len(teller.told)
            say(f"{said} told")


def settle(house: House, teller: Teller, mishap: Any, pace: float) -> None:
    """Until nothing is to be done any more, and nobody reports any more."""
    from notifications.ledger import DELIVER
    from notifications.models import Event, Message
    from notifications.wake import wake

    called = 0.0

    def quiet() -> bool:
        nonlocal called
        mishap(len(teller.told))
        teller.rise()
        teller.resend_some()
        if pace < 1 and time.monotonic() > called + SWEEP * pace:
            called = time.monotonic()
            wake(DELIVER)  # the sweep would not come sooner because the waits are shorter
        codes = Message.objects.filter(event=Event.NUMBER_CODE).count()
        waiting = Message.objects.filter(run_after__isnull=False).exists()
        return codes >= len(teller.told.codes) and not waiting

    limit = 120 + LONGEST_WAIT * pace
    house.until(quiet, limit, "everything is settled")
    house.pause(1 + LATEST_REPORT * pace)
    house.until(quiet, limit, "everything is settled")


def _accepted(rig: Rig) -> list[dict[str, Any]]:
    import requests

    answer = requests.get(f"{rig.stack.phones}/_control", timeout=60).json()
    accepted: list[dict[str, Any]] = answer["accepted"]
    return accepted


def _notes(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def report(
    found: Found, seconds: dict[str, int], pace: float, options: argparse.Namespace
) -> Report:
    """With n beside every zero, and what a zero of so many means."""
    told = Report("R8", "messages under a random mix of faults (the stand-in's own count)")
    all_told = found.n["tellings"] + found.n["codes"]
    of = {
        "doubled": all_told,
        "deliverable and left unsent": all_told,
        "forged and accepted": found.n["forged"],
        "states that disagree": found.n["rows_sent_by_twilio"],
        "sent after STOP": found.n["STOP"],
        "accepted again without need": found.n["accepted"],
        "sent at night": found.n["waited_for_morning"],
        "faster than a sender may": found.n["accepted"],
    }
    zeros = {}
    for name, wrong in found.zeros.items():
        n = of[name]
        below = f", 0 of them is < {3 / n:.3%} at 95 %" if n and not wrong else ""
        told.figures.append(Figure(f"{name}{below}", len(wrong), target="0", n=n))
        zeros[name] = {"found": len(wrong), "n": n, "below": 3 / n if n and not wrong else None}
        told.notes += [f"{name}: {what}" for what in wrong[:5]]
        if wrong:
            told.broken.append(name)
    if found.settled:
        for share in (0.50, 0.99):
            value, n = at(found.settled, share), len(found.settled)
            told.figures.append(
                Figure(f"told to settled, p{100 * share:.0f}", value, unit="s", n=n)
            )
    for name in ("accepted", "mails"):
        told.figures.append(Figure(f"{name} by the stand-in" if name == "accepted" else name,
                                   found.n[name]))  # fmt: skip
    told.notes.append("Settled is what is known to have been read, or handed to the mail server.")
    if pace != 1.0:
        told.notes.append(f"All waits were {pace:g} of the usual ones.")
    told.detail = {
        "seed": options.seed,
        "pace": pace,
        "zeros": zeros,
        "n": dict(found.n),
        "proof": dict(found.proof),
        **seconds,
    }
    return told
