"""The final read: what the client's journal says against what the database and the phones hold."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from uuid import UUID

import requests
from django.db.models import Count

from accounts.models import User
from benchmarks.faults.clients import Clients
from benchmarks.faults.house import House
from benchmarks.faults.journal import Entry
from benchmarks.faults.outcome import Outcome
from diagnoses.api.submission import submit_key
from diagnoses.models import Case, Photo, Prediction
from notifications.models import Event, Message


def audit(house: House, clients: Clients, outcomes: Iterable[Outcome]) -> None:
    """Fill in ``cases``, ``lost`` and ``doubled`` of every outcome, once all is quiet."""
    phones = _doubled_on_phones(house)
    for outcome in outcomes:
        entries = clients.journal.of(outcome.fault)
        taken = [entry for entry in entries if entry.case]
        outcome.cases = len(taken)
        outcome.lost = len(_lost(taken, outcome))
        outcome.doubled = _doubled(entries, outcome)
        outcome.doubled += sum(outcome.began <= at <= outcome.ended for at in phones)
        _told_once(taken, outcome)


def _lost(taken: list[Entry], outcome: Outcome) -> list[Entry]:
    """Acknowledged, and not there whole with one prediction (poison: with the doctors, none)."""
    ids = [UUID(entry.case) for entry in taken]
    views = dict(
        Case.objects.filter(pk__in=ids).annotate(n=Count("predictions")).values_list("pk", "n")
    )
    by_id = {str(pk): n for pk, n in views.items()}
    status = {str(pk): at for pk, at in Case.objects.filter(pk__in=ids).values_list("pk", "status")}
    whole = {
        str(photo.case_id) for photo in Photo.objects.filter(case__pk__in=ids) if _is_there(photo)
    }
    lost = []
    for entry in taken:
        kept = entry.case in whole and status[entry.case] == Case.Status.PARTIAL
        scored = by_id.get(entry.case, 0) == 0 if entry.poison else by_id.get(entry.case, 0) >= 1
        if not (kept and scored):
            lost.append(entry)
            outcome.broken.append(f"lost: {entry.case} is {status.get(entry.case, 'not there')}")
    return lost


def _is_there(photo: Photo) -> bool:
    try:
        with photo.file.open("rb") as file:
            return hashlib.sha256(file.read()).hexdigest() == photo.sha256
    except OSError:
        return False


def _doubled(entries: list[Entry], outcome: Outcome) -> int:
    """Predictions, messages, or cases of one key, that are there more than once."""
    users = {user.email: user for user in User.objects.all()}
    keys = [submit_key(users[entry.sender], entry.key) for entry in entries]
    cases = Case.objects.filter(submit_key__in=keys)
    about = [f"case:{pk}" for pk in cases.values_list("pk", flat=True)]
    doubled = {
        "predictions": Prediction.objects.filter(case__in=cases).values("case", "model_version"),
        "messages": Message.objects.filter(about__in=about).values("event", "about", "recipient"),
        "cases": cases.values("submit_key"),
    }
    found = 0
    for what, rows in doubled.items():
        n = rows.annotate(n=Count("pk")).filter(n__gt=1).count()
        outcome.must(not n, f"{n} doubled {what}")
        found += n
    known = set(cases.values_list("pk", flat=True))
    other = [entry for entry in entries if entry.case and entry.case not in map(str, known)]
    outcome.must(not other, f"{len(other)} acknowledged cases are not those of their keys")
    return found


def _told_once(taken: list[Entry], outcome: Outcome) -> None:
    """Every patient was told of every case; that it was not twice is counted elsewhere."""
    about = [f"case:{entry.case}" for entry in taken]
    told = Message.objects.filter(event=Event.CASE_CHECKED, about__in=about)
    missing = len(about) - told.values("about").distinct().count()
    outcome.must(not missing, f"{missing} patients were not told")
    outcome.proof["messages"] = Message.objects.filter(about__in=about).count()


def _doubled_on_phones(house: House) -> list[float]:
    """When a message came to a phone that had it already; its link makes each text its own."""
    from datetime import datetime

    said = requests.get(f"{house.rig.stack.phones}/_control", timeout=30).json()["accepted"]
    texts = Counter((one["number"], one["body"]) for one in said)
    first: set[tuple[str, str]] = set()
    again = []
    for one in said:
        text = (one["number"], one["body"])
        if texts[text] > 1 and text in first:
            again.append(datetime.fromisoformat(one["at"]).timestamp())
        first.add(text)
    return again
