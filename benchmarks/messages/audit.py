"""The final read: what reached people, as the stand-in and the mailbox have it, against the ledger.

A message carries its row's key to both: in the address of its callback, and as the e-mail's id.
Import once Django is set up.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings

from benchmarks.messages.telling import Telling, Told
from notifications.models import Channel, Event, Message

_ROW_IN_CALLBACK = re.compile(r"/twilio/status/([0-9a-f-]{36})/(\d+)/")
_ROW_IN_MAIL = re.compile(r"^Message-ID: <([0-9a-f-]{36})@", re.MULTILINE)
ARRIVED, FAILED = {"delivered", "read"}, {"failed", "undelivered"}
# A worker asks whether a phone said STOP, and then sends: this long may pass in between.
SECONDS_TO_SEND = 5.0
# So many messages are in workers' hands at most: their tokens may be older than their arrival.
HANDS = 8
PACE_SECONDS = 10.0
State = Message.State


@dataclass
class Found:
    """What the comparison found. Every list says what is wrong, a sentence each."""

    doubled: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    disagree: list[str] = field(default_factory=list)
    after_stop: list[str] = field(default_factory=list)
    again: list[str] = field(default_factory=list)
    at_night: list[str] = field(default_factory=list)
    too_fast: list[str] = field(default_factory=list)
    forged: list[str] = field(default_factory=list)
    n: Counter[str] = field(default_factory=Counter)
    proof: Counter[str] = field(default_factory=Counter)
    settled: list[float] = field(default_factory=list)  # seconds, one per telling that arrived

    @property
    def zeros(self) -> dict[str, list[str]]:
        """What must be empty, under the name it is reported by."""
        return {
            "doubled": self.doubled,
            "deliverable and left unsent": self.lost,
            "forged and accepted": self.forged,
            "states that disagree": self.disagree,
            "sent after STOP": self.after_stop,
            "accepted again without need": self.again,
            "sent at night": self.at_night,
            "faster than a sender may": self.too_fast,
        }


@dataclass(frozen=True)
class Sent:
    """One message the stand-in accepted."""

    row: UUID
    attempt: int
    sender: str
    number: str
    status: str
    at: float


def audit(
    told: Told, accepted: list[dict[str, Any]], notes: list[dict[str, Any]], mail: Path
) -> Found:
    """``accepted`` and ``notes`` are the stand-in's own."""
    found = Found()
    sent = [one for one in map(_sent, accepted) if one is not None]
    found.disagree += ["a message without a row was accepted"] * (len(accepted) - len(sent))
    rows = {row.pk: row for row in Message.objects.select_related("code")}
    mails = Counter(_mailed(mail))
    by_row: dict[UUID, list[Sent]] = defaultdict(list)
    for one in sent:
        by_row[one.row].append(one)
    found.disagree += [f"{pk} was sent and has no row" for pk in {*by_row, *mails} - set(rows)]
    _once(told, rows, by_row, mails, found)
    _codes(told, rows, by_row, found)
    _states(rows.values(), by_row, found)
    _forgeries(notes, found)
    _stops(notes, sent, found)
    _again(by_row, found)
    _nights(told, rows, sent, found)
    _paces(sent, found)
    _proof(notes, sent, mails, found)
    return found


def _sent(one: dict[str, Any]) -> Sent | None:
    match = _ROW_IN_CALLBACK.search(one["callback"])
    if match is None:
        return None
    at = datetime.fromisoformat(one["at"]).timestamp()
    return Sent(UUID(match[1]), int(match[2]), one["sender"], one["number"], one["status"], at)


def _mailed(folder: Path) -> list[UUID]:
    """The rows of all mails, once for each time one was written."""
    texts = [path.read_text(errors="replace") for path in folder.glob("*.log")]
    return [UUID(pk) for text in texts for pk in _ROW_IN_MAIL.findall(text)]


def _arrivals(row: Message, by_row: dict[UUID, list[Sent]], mails: Counter[UUID]) -> int:
    return sum(one.status in ARRIVED for one in by_row.get(row.pk, ())) + mails[row.pk]


def _once(
    told: Told,
    rows: dict[UUID, Message],
    by_row: dict[UUID, list[Sent]],
    mails: Counter[UUID],
    found: Found,
) -> None:
    """Each person was told each thing once, by whichever way; or staff have it on their list."""
    by_telling: dict[Telling, list[Message]] = defaultdict(list)
    for row in rows.values():
        if row.code_id is None:
            by_telling[row.event, row.about, row.recipient_id].append(row)
    found.n["tellings"] = len(told.tellings)
    found.disagree += [f"nobody asked for {one}" for one in set(by_telling) - told.tellings]
    for telling in told.tellings:
        its = by_telling.get(telling, [])
        arrivals = sum(_arrivals(row, by_row, mails) for row in its)
        if arrivals > 1:
            histories = "; ".join(_history(row, by_row, mails) for row in its)
            found.doubled.append(f"{telling} arrived {arrivals} times: {histories}")
        elif arrivals:
            found.settled.append(_seconds(its))
        elif _left_to_staff(its):
            found.proof["left_to_staff"] += 1
        else:
            found.lost.append(f"{telling}: {[str(row) for row in its]}")
        found.proof["resent"] += any(row.resend for row in its)
        found.proof["by_email"] += any(mails[row.pk] for row in its)


def _history(row: Message, by_row: dict[UUID, list[Sent]], mails: Counter[UUID]) -> str:
    """A row as the ledger has it, and what reached the other side of it."""
    ends = [f"try {one.attempt} {one.status} at {one.at:.1f}" for one in by_row.get(row.pk, ())]
    ends += ["mail"] * mails[row.pk]
    times = {"written": row.created_at, "tried": row.tried_at, "settled": row.settled_at}
    when = [f"{name} {time.timestamp():.1f}" for name, time in times.items() if time is not None]
    why = f"{row.error_code} {row.error}".strip()
    return f"{row}, {row.attempts} tries, resend {row.resend}, {why!r}, {when}; there: {ends}"


def _left_to_staff(rows: Iterable[Message]) -> bool:
    """A task for a person; or an e-mail in doubt, which nobody can be asked about."""
    return any(
        (row.channel == Channel.STAFF and row.state == State.PENDING)
        or (row.channel == Channel.EMAIL and row.state == State.UNKNOWN)
        for row in rows
    )


def _seconds(rows: list[Message]) -> float:
    """From the telling until it was known what became of it."""
    ends = [row.settled_at or row.sent_at for row in rows if row.channel != Channel.STAFF]
    began = min(row.created_at for row in rows)
    # A mail in doubt has arrived, and nobody knows when.
    return max(((end - began).total_seconds() for end in ends if end is not None), default=0.0)


def _codes(
    told: Told, rows: dict[UUID, Message], by_row: dict[UUID, list[Sent]], found: Found
) -> None:
    """Once at most; one that did not arrive is known to have failed: another is asked for."""
    found.n["codes"] = len(told.codes)
    by_number = defaultdict(list)
    for row in rows.values():
        if row.event == Event.NUMBER_CODE:
            by_number[row.address].append(row)
    for number in told.codes:
        its = by_number.get(number, [])
        arrivals = sum(one.status in ARRIVED for row in its for one in by_row.get(row.pk, ()))
        if arrivals > 1 or len({row.code_id for row in its}) > 1:
            found.doubled.append(f"{[str(row) for row in its]}: {arrivals} codes arrived")
        elif not its or (
            not arrivals and not {row.state for row in its} <= {State.FAILED, State.CANCELLED}
        ):
            found.lost.append(f"a code: {[str(row) for row in its]}")
        found.proof["codes_arrived"] += arrivals


def _states(rows: Iterable[Message], by_row: dict[UUID, list[Sent]], found: Found) -> None:
    """The ledger says of each message what the stand-in says of it."""
    for row in rows:
        if row.channel in (Channel.EMAIL, Channel.STAFF):
            continue
        found.n["rows_sent_by_twilio"] += 1
        ends = {one.status for one in by_row.get(row.pk, ())}
        wanted = {State.DELIVERED, State.READ} if ends & ARRIVED else {State.FAILED}
        if not ends & ARRIVED and not ends & FAILED:
            wanted.add(State.CANCELLED)
        if ends - ARRIVED - FAILED or row.state not in wanted:
            found.disagree.append(f"{row.pk} is {row.state} here and {sorted(ends)} there")
        found.proof["read_unheard_of"] += row.state == State.DELIVERED and "read" in ends
        found.proof["tried_more_than_once"] += row.attempts > 1


def _forgeries(notes: list[dict[str, Any]], found: Found) -> None:
    """Of those that were answered at all, every one was refused."""
    for note in notes:
        if "forged" in note and note["answer"]:
            found.n["forged"] += 1
            found.proof[f"forged_{note['forged']}"] += 1
            if note["answer"] != 403:
                found.forged.append(f"{note['forged']} was answered {note['answer']}")


def _stops(notes: list[dict[str, Any]], sent: list[Sent], found: Found) -> None:
    """Between a STOP that we have taken and a START nothing comes to that phone."""
    words: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for note in notes:
        if note.get("written") in ("STOP", "START"):
            words[note["number"]].append(note)
            found.n[note["written"]] += 1
            found.proof[f"{note['written']} by {'SMS' if note['by_sms'] else 'WhatsApp'}"] += 1
            # In text messages Twilio answers by itself.
            wanted = [0, 0] if note["by_sms"] else [1, 0]
            if note["answers"] == [200, 200] and note["said"] != wanted:
                found.disagree.append(f"a {note['written']} twice was answered {note['said']}")
    for one in sent:
        before = [note for note in words.get(one.number, ()) if note["ended"] < one.at]
        last = max(before, key=lambda note: note["ended"], default=None)
        if last is None or last["written"] != "STOP" or 200 not in last["answers"]:
            continue
        starts = [note for note in words[one.number] if note["written"] == "START"]
        starting = any(note["began"] <= one.at <= note["ended"] for note in starts)
        if one.at > last["ended"] + SECONDS_TO_SEND and not starting:
            found.after_stop.append(f"{one.row} {one.at - last['ended']:.1f} s after STOP")


def _again(by_row: dict[UUID, list[Sent]], found: Found) -> None:
    """Accepted once per row; once more only after it was reported to have failed."""
    for row, its in by_row.items():
        tries = Counter(one.attempt for one in its)
        found.again += [f"try {n} of {row} was accepted twice" for n in tries if tries[n] > 1]
        if sum(one.status not in FAILED for one in its) > 1:
            found.again.append(f"{row} was accepted {len(its)} times: {[o.status for o in its]}")
        found.proof["accepted_after_it_failed"] += len(its) > 1


def _nights(told: Told, rows: dict[UUID, Message], sent: list[Sent], found: Found) -> None:
    """No phone rang where it was night, but for what is urgent."""
    found.n["waited_for_morning"] = told.waited
    for one in sent:
        row = rows.get(one.row)
        if row and not row.urgent and one.number in told.abroad and one.at < told.morning:
            found.at_night.append(f"{row} {told.morning - one.at:.0f} s before morning")


def _paces(sent: list[Sent], found: Found) -> None:
    """In no ten seconds a sender sent more than its bucket lets through."""
    for sender in {one.sender for one in sent}:
        by_sms = sender == settings.TWILIO_SMS_FROM
        rate = settings.TWILIO_SMS_RATE if by_sms else settings.TWILIO_WHATSAPP_RATE
        times = sorted(one.at for one in sent if one.sender == sender)
        for first, began in enumerate(times):
            count = bisect_left(times, began + PACE_SECONDS) - first
            if count > rate * PACE_SECONDS + max(1.0, rate / 10) + HANDS:
                found.too_fast.append(f"{sender}: {count} in {PACE_SECONDS:.0f} s")
        found.n["sms" if by_sms else "whatsapp"] += len(times)


def _proof(
    notes: list[dict[str, Any]], sent: list[Sent], mails: Counter[UUID], found: Found
) -> None:
    """What shows that it all happened."""
    found.n["accepted"], found.n["mails"] = len(sent), sum(mails.values())
    for note in notes:
        for name in ("request", "fate", "reports"):
            if name in note:
                found.proof[f"{name}_{note[name]}"] += 1
        if "report" in note:
            found.proof[f"callback_answered_{note['answer']}"] += 1
