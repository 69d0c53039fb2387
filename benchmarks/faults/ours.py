"""The portal under every fault, one after the other, with cases coming in all the time."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from functools import partial

from accounts import people
from accounts.models import ContactNumber, User
from benchmarks.faults import bundles, kills, others, seen, servers, versions
from benchmarks.faults.audit import audit
from benchmarks.faults.catalogue import POISONS, WEB_PLACES, WORKER_PLACES, Sizes
from benchmarks.faults.clients import Clients
from benchmarks.faults.house import WEBS, House, NotInTime
from benchmarks.faults.outcome import Outcome
from benchmarks.measuring import say
from benchmarks.rig import PASSWORD, Rig, Sender, drawn
from notifications.models import Message

SENDERS = 20  # each may send 120 cases a minute
PICTURES = 6
QUIET_WITHIN = 120.0  # seconds

Injection = Callable[[House, Clients, Outcome, int], None]


def _injections() -> dict[str, Injection]:
    return {
        "kill_random": kills.at_random,
        **{f"kill_{place}": partial(kills.at_a_place, place) for place in WORKER_PLACES},
        **{f"web_{place}": partial(kills.web_at_a_place, place) for place in WEB_PLACES},
        "hang": kills.hang,
        "zombie": kills.zombie,
        "redis_wiped": servers.redis_wiped,
        "redis_down": servers.redis_down,
        "postgres_killed": servers.postgres_killed,
        "poison_photo": others.poison_photo,
        "bad_bundle": bundles.bad_bundle,
        "version_switch": versions.version_switch,
        "rolling_restart": others.rolling_restart,
    }


def suffer(rig: Rig, names: Sequence[str], sizes: Sizes, rate: float) -> list[Outcome]:
    """Every named fault, then the final read."""
    began, house = time.monotonic(), House(rig)
    senders = people_with_phones(rig)
    house.start()
    addresses = [rig.stack.address(name) for name in WEBS]
    pictures = drawn(PICTURES + POISONS)
    clients = Clients(addresses, senders, pictures[POISONS:], pictures[:POISONS], rate)
    say(f"everything is ready after {time.monotonic() - began:.0f} s")
    outcomes = [_one(house, clients, name, sizes.of(name)) for name in names]
    house.until(_all_told, QUIET_WITHIN, "every message has left")
    audit(house, clients, outcomes)
    return outcomes


def people_with_phones(rig: Rig) -> list[Sender]:
    """Patients whom WhatsApp reaches, and a doctor who is told of every case."""
    senders = rig.senders(SENDERS)
    for number, sender in enumerate(senders):
        patient = User.objects.get(email=sender.email)
        phone = people.add_number(patient, f"+447700900{number:03}", opt_in=True)
        people.confirm_number(patient, phone, ContactNumber.Proof.CODE)
    clinic = people.default_clinic()
    admin = User.objects.create_superuser(email="admin@bench.lentigo", password=PASSWORD)
    doctor = User.objects.create_user(email="doctor@bench.lentigo", password=PASSWORD)
    people.make_doctor(doctor, clinic)
    people.verify_doctor(doctor, by=admin)
    return senders


def _one(house: House, clients: Clients, name: str, times: int) -> Outcome:
    """One fault, so many times, from quiet to quiet."""
    outcome = Outcome(name, began=time.time())
    clients.begin(name)
    try:
        house.until(lambda: bool(clients.journal.acknowledged(name)), 30, "the first case is taken")
        _injections()[name](house, clients, outcome, times)
    except NotInTime as late:
        outcome.broken.append(str(late))
    clients.end()
    try:
        house.clean()
        house.until(lambda: clients.idle, QUIET_WITHIN, "every sender was answered")
        house.until(seen.everything_settled, QUIET_WITHIN, "everything is scored")
    except NotInTime as late:
        outcome.broken.append(str(late))
    outcome.ended = time.time()
    say(f"{name}: {outcome.n} faults in {outcome.ended - outcome.began:.0f} s")
    for broken in itertools.islice(outcome.broken, 5):
        say(f"  {broken}")
    return outcome


def _all_told() -> bool:
    return not Message.objects.filter(state=Message.State.PENDING).exists()
