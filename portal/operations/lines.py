"""How the portal is doing, in words: each line with what to do where it is not well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from diagnoses.models import UNSCORED_SHOWS_AFTER
from notifications.models import Message
from portal import speech
from portal.operations import charts, figures, storage
from portal.operations.figures import Signs, Worker, counted

Words = str | Promise
GOOD, WAITS, BAD, UNKNOWN = "good", "wait", "bad", ""
WELL: dict[str, Words] = {GOOD: _lazy("Well"), WAITS: _lazy("Look"), BAD: _lazy("Not well")}
# Beyond this a queue is no longer a busy minute.
QUEUE_IS_LONG = timedelta(minutes=2)
MESSAGES_WAIT_LONG = timedelta(minutes=10)
MISSED = 4  # as the io workers' own clock has it
SLACK = timedelta(seconds=30)
SWEEPS: dict[str, Words] = {
    "diagnoses.sweep": _lazy("Cases"),
    "diagnoses.sweep_drafts": _lazy("Forms nobody sent"),
    "diagnoses.sweep_erasures": _lazy("Accounts to be erased"),
    "diagnoses.make_exports": _lazy("Training exports"),
    "diagnoses.look_out": _lazy("Alarms about models"),
    "diagnoses.sweep_reminders": _lazy("Reminders"),
    "diagnoses.sweep_escalations": _lazy("What waits too long"),
    "accounts.seal_trail": _lazy("Audit trail linked"),
    "accounts.keep_seal": _lazy("Audit trail sealed"),
    "accounts.sweep_sessions": _lazy("Sessions that are over"),
    "portal.measure_storage": _lazy("Storage"),
    "notifications.deliver_due": _lazy("Messages"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One thing: how it is, and what to do about it, "" where it is well."""

    title: Words
    value: Words
    detail: Words = ""
    tone: str = GOOD
    to_do: Words = ""

    @property
    def state(self) -> str:
        """In a word; "" where nobody knows yet."""
        return str(WELL.get(self.tone, ""))


@dataclass(frozen=True, slots=True)
class Room:
    """A bar of what is used of something, 0 to 100."""

    used: float
    low: bool
    words: str


@dataclass(frozen=True, slots=True)
class Glance:
    """The whole page."""

    at: datetime
    queues: Sequence[Line]
    workers: Sequence[Line]
    sweeps: Sequence[Line]
    room: Sequence[Line]
    disk: Room | None
    charts: Sequence[charts.Chart]

    @property
    def troubled(self) -> Sequence[Line]:
        """What is not well, whatever part it is of."""
        every = (*self.queues, *self.workers, *self.sweeps, *self.room)
        return [line for line in every if line.tone == BAD]


def glance() -> Glance:
    """A fixed number of statements, whatever there is."""
    signs, disk = figures.signs(), storage.disk()
    return Glance(
        at=timezone.now(),
        queues=list(_queues()),
        workers=[*_inference(), *_io(signs)],
        sweeps=list(_sweeps(signs)),
        room=list(_room(signs, disk)),
        disk=_disk(disk) if disk else None,
        charts=charts.failed(),
    )


def _older(since: datetime | None, limit: timedelta) -> bool:
    return since is not None and timezone.now() - since > limit


def _since(moment: datetime | None) -> str:
    return _("the oldest: %(ago)s") % _ago(moment) if moment else ""


# --- Queues --------------------------------------------------------------------------------------


def _queues() -> Iterator[Line]:
    yield _of_the_computer(figures.queue())
    yield _unscored(figures.unscored())
    yield from _messages(figures.messages())
    waiting = figures.checks()
    late = _older(waiting.oldest, MESSAGES_WAIT_LONG)
    yield Line(
        _("Bundles to be proved"),
        counted(waiting.n),
        _since(waiting.oldest),
        WAITS if late else GOOD,
        _("An inference worker proves one after the other: see whether one is alive.")
        if late
        else "",
    )


def _of_the_computer(queue: figures.Queue) -> Line:
    late = _older(queue.oldest, QUEUE_IS_LONG)
    words = {
        "leased": counted(queue.leased),
        "due": counted(queue.due),
        "retried": counted(queue.retried),
        "shadow": counted(queue.shadow),
    }
    said = _("%(due)s to be taken up, %(leased)s in a worker’s hands, %(retried)s tried before")
    detail = said % words
    if queue.shadow:
        detail = f"{detail}, " + _("%(shadow)s of a shadow version") % words
    return Line(
        _("The computer’s queue"),
        counted(queue.waiting),
        "; ".join(part for part in (detail, _since(queue.oldest)) if part),
        BAD if late else GOOD,
        _("Start more inference workers, or look below why those there are take nothing.")
        if late
        else "",
    )


def _unscored(unscored: figures.Waiting) -> Line:
    late = _older(unscored.oldest, UNSCORED_SHOWS_AFTER + SLACK)
    return Line(
        _("Cases nobody has looked at yet"),
        counted(unscored.n),
        _since(unscored.oldest),
        BAD if late else GOOD,
        _("After ten minutes they should be with the doctors: no worker does that now. Start one.")
        if late
        else "",
    )


def _messages(waiting: dict[str, figures.Waiting]) -> Iterator[Line]:
    pending = waiting[Message.State.PENDING]
    late = _older(pending.oldest, MESSAGES_WAIT_LONG)
    yield Line(
        _("Messages to be sent"),
        counted(pending.n),
        _since(pending.oldest),
        BAD if late else GOOD,
        _("See whether an io worker is alive, and what “Setting up messages” says.")
        if late
        else "",
    )
    unknown = waiting[Message.State.UNKNOWN]
    yield Line(
        _("Messages in doubt"),
        counted(unknown.n),
        _since(unknown.oldest),
        WAITS if unknown.n else GOOD,
        _("They are asked after by themselves. What stays, stands under “Messages”, “In doubt”.")
        if unknown.n
        else "",
    )


# --- Who is alive --------------------------------------------------------------------------------


def _inference() -> Iterator[Line]:
    fleet = figures.fleet()
    for number, worker in enumerate(fleet.workers, 1):
        yield _worker(worker, number)
    if not fleet.workers:
        yield Line(
            _("Inference workers"),
            _("None"),
            "",
            BAD,
            _("Start one: cases go to the doctors unscored after ten minutes."),
        )
    for version in fleet.unserved if fleet.workers else ():
        yield Line(
            str(version),
            _("Nobody serves it"),
            "",
            BAD,
            _("It is in service: see above why it is refused, or put another one into service."),
        )
    for pack in fleet.paused:
        yield Line(
            pack,
            _("Paused"),
            "",
            WAITS,
            _("An admin has paused the computer. Under “Models” it can look again."),
        )


def _worker(worker: Worker, number: int) -> Line:
    report = worker.report
    serves = ", ".join(str(version) for version in worker.serves)
    parts = [report.device]
    if report.started_at:
        parts.append(_("since %(when)s") % {"when": speech.when(report.started_at)})
    parts.append(_("heard of %(ago)s") % {"ago": speech.in_time(report.heard_at)})
    refused = [f"{version} ({why.rstrip('.')})" for version, why in worker.refuses]
    return Line(
        report.name or _("Inference worker %(number)s") % {"number": number},
        _("serves %(versions)s") % {"versions": serves} if serves else _("serves nothing"),
        ", ".join(part for part in parts if part),
        BAD if refused else GOOD if serves else WAITS,
        _("It refuses %(what)s. Put the right files back, or another version into service.")
        % {"what": ", ".join(refused)}
        if refused
        else ""
        if serves
        else _("It is loading, or no version is in service: see “Models”."),
    )


def _io(signs: Signs) -> Iterator[Line]:
    n = len(signs.io)
    oldest = min((one.since for one in signs.io), default=None)
    yield Line(
        _("Io workers"),
        str(n) if n else _("None"),
        _("the longest since %(when)s") % {"when": speech.when(oldest)} if oldest else "",
        GOOD if n else BAD,
        "" if n else _("Start one: no message leaves, and nothing is swept."),
    )
    every = timedelta(seconds=float(_schedule()["diagnoses.sweep"]))
    beat = signs.beat
    silent = beat is None or _older(beat.heard_at, MISSED * every + SLACK)
    yield Line(
        _("Beat"),
        _("Not heard of") if beat is None else _("heard of %(ago)s") % _ago(beat.heard_at),
        "",
        WAITS if silent else GOOD,
        _("Start it. Until then the io workers do its work, only later.") if silent else "",
    )


def _ago(moment: datetime) -> dict[str, str]:
    return {"ago": speech.in_time(moment)}


def _schedule() -> dict[str, float]:
    schedule: dict[str, Any] = settings.CELERY_BEAT_SCHEDULE
    return {one["task"]: one["schedule"] for one in schedule.values()}


def _sweeps(signs: Signs) -> Iterator[Line]:
    for task, seconds in _schedule().items():
        pulse = signs.sweeps.get(task)
        late = pulse is not None and _older(
            pulse.heard_at, MISSED * timedelta(seconds=seconds) + SLACK
        )
        yield Line(
            SWEEPS.get(task, task),
            _("not yet") if pulse is None else speech.in_time(pulse.heard_at),
            "",
            BAD if late else UNKNOWN if pulse is None else GOOD,
            _("It has not come to its end for long: the io workers’ log says why.") if late else "",
        )


# --- Room ----------------------------------------------------------------------------------------


def _room(signs: Signs, disk: storage.Disk | None) -> Iterator[Line]:
    yield Line(_("Database"), filesizeformat(figures.database_bytes()))
    measured = storage.measured(signs.storage)
    if measured is None:
        yield Line(
            _("Pictures"),
            _("not measured yet"),
            "",
            WAITS,
            _("An io worker measures them when it starts, and every ten minutes."),
        )
    else:
        words = {"n": measured.files, "ago": speech.in_time(measured.at)}
        said = _("%(n)s files, measured %(ago)s") % words
        yield Line(_("Pictures"), filesizeformat(measured.pictures), said)
        yield Line(_("Models"), filesizeformat(measured.models))
    if measured is not None and measured.refused:
        yield Line(
            _("Photos that cannot be shown"),
            str(measured.refused),
            "",
            BAD,
            _("Their files were changed, moved or cut: the log names them. Restore from a backup."),
        )
    if disk is None:
        yield Line(
            _("The pictures’ disk"),
            _("does not answer"),
            "",
            BAD,
            _("Nobody can send a photo. See whether it is still there."),
        )
    else:
        yield Line(
            _("The pictures’ disk"),
            _("%(free)s free of %(size)s")
            % {"free": filesizeformat(disk.free), "size": filesizeformat(disk.size)},
            "",
            BAD if disk.low else GOOD,
            _("Less than a tenth is left. Make room: without it no photo can be sent.")
            if disk.low
            else "",
        )


def _disk(disk: storage.Disk) -> Room:
    share = speech.percent_floor(disk.share_used)
    return Room(round(100 * disk.share_used, 1), disk.low, _("%(share)s used") % {"share": share})
