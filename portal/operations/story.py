"""What happened to one job, in the order it happened: without names, answers or anybody's words.

Who acted is said by role. Codes are as the tables have them, so that they can be looked for there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.utils.dateparse import parse_datetime
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from accounts.models import AuditEntry
from diagnoses.models import Case, CaseEvent, Escalation, Prediction, Scoring
from mlservice.models import BundleCheck
from notifications.models import Message
from portal.discretion import discreet
from portal.operations.jobs import Job, Sight

MOST = 300  # lines of one kind
# Of what events keep beside themselves, what is a code and tells nothing of anybody.
CODES = ("reason", "photos", "computer", "why")
_CODE = re.compile(r"[a-z0-9_]{1,30}")
QUEUE, EVENT, MESSAGE = _lazy("Queue"), _lazy("Case"), _lazy("Message")
TRAIL, LATE, PROOF = _lazy("Audit trail"), _lazy("Waited too long"), _lazy("Proof")
TRIES: dict[str, str | Promise] = {
    "leased": _lazy("taken up by a worker"),
    "failed": _lazy("failed"),
    "lost": _lazy("its worker was gone"),
    "handed_back": _lazy("handed back untouched"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened; ``about`` names the row it is of."""

    at: datetime
    source: str | Promise
    what: str
    detail: str = ""
    about: str = ""

    @property
    def when(self) -> str:
        """To the second, as logs have it."""
        return _utc(self.at)

    def as_text(self) -> str:
        parts = (self.when, str(self.source), self.about, self.what)
        line = "  ".join(part for part in parts if part)
        return f"{line}  ({self.detail})" if self.detail else line


@dataclass(frozen=True, slots=True)
class Story:
    """``facts`` are how it is now; ``case`` is the one it belongs to, where that is another."""

    title: str
    facts: Sequence[tuple[str, str]]
    entries: Sequence[Entry]
    case: str = ""

    def as_text(self) -> str:
        facts = [f"{name}: {value}" for name, value in self.facts if value]
        return "\n".join([self.title, *facts, "", *(one.as_text() for one in self.entries)])


def story(job: Job, sight: Sight) -> Story:
    """A fixed number of statements, however much happened."""
    match job.of:
        case Case() as case:
            return _of_case(case, job, sight)
        case Scoring() as scoring:
            return _of_case(scoring.case, job, sight)
        case Message() as message:
            return _of_message(message, job, sight)
        case BundleCheck() as check:
            return _of_check(check, job)


def _sorted(*entries: Entry) -> list[Entry]:
    return sorted(entries, key=lambda entry: entry.at)


# --- A case --------------------------------------------------------------------------------------


def _of_case(case: Case, job: Job, sight: Sight) -> Story:
    about = f"case:{case.pk}"
    rows = list(case.scorings.select_related("model_version").order_by("pk")[:MOST])
    both = Prediction.objects.live() | Prediction.objects.shadow()
    views = both.filter(case=case).only("scoring_id", "created_at", "receipt")
    filed = {view.scoring_id: view for view in views[:MOST]}
    steps = list(Escalation.objects.filter(case=case).order_by("pk")[:MOST])
    told_of = Q(about__startswith=about) | Q(about__in=[step.about for step in steps])
    messages = list(sight.messages().filter(told_of).select_related("link")[:MOST])
    facts = [
        (_("Case"), f"{case.reference}, {case.pk}"),
        (_("Clinic"), str(case.clinic_id)),
        (_("State"), case.status),
        (_("Sent"), _utc(case.submitted_at)),
        (_("To be answered by"), _utc(case.answer_due_at)),
    ]
    entries = [
        *_events(case),
        *(entry for row in rows for entry in _scoring(row, filed.get(row.pk))),
        *(Entry(one.told_at, LATE, one.step) for one in steps),
        *(entry for message in messages for entry in _message(message)),
        *_trail([about, *(f"message:{one.pk}" for one in messages)]),
    ]
    return Story(job.words, facts, _sorted(*entries))


def _utc(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else ""


def _events(case: Case) -> Iterator[Entry]:
    rows = CaseEvent.objects.filter(case=case).order_by("-pk")
    for at, kind, detail, role in rows.values_list("at", "kind", "detail", "actor__role")[:MOST]:
        said = [*_codes(detail), *([_("by: %(role)s") % {"role": role}] if role else [])]
        yield Entry(at, EVENT, kind, ", ".join(said))


def _codes(detail: Mapping[str, Any]) -> Iterator[str]:
    for name in CODES:
        value = detail.get(name)
        if isinstance(value, bool | int) or (isinstance(value, str) and _CODE.fullmatch(value)):
            yield f"{name}: {value}"


def _scoring(row: Scoring, view: Prediction | None) -> Iterator[Entry]:
    about = f"scoring:{row.pk}"
    if row.queued_at:
        said = f"{row.model_version}, {row.purpose}, round {row.round}, priority {row.priority}"
        yield Entry(row.queued_at, QUEUE, _("queued"), said, about)
    leased = 0
    for line in row.tries:
        leased += line["what"] == "leased"
        at = parse_datetime(line["at"])
        if at is not None:
            why = f", {discreet(line['why'])}" if line["why"] else ""
            words = str(TRIES.get(line["what"], line["what"]))
            yield Entry(at, QUEUE, words, _("try %(n)s") % {"n": leased} + why, about)
    if view is not None:
        yield Entry(view.created_at, QUEUE, _("filed"), _receipt(row, view.receipt), about)
    elif row.settled_at:
        yield Entry(row.settled_at, QUEUE, _("closed without a view"), discreet(row.error), about)


def _receipt(row: Scoring, receipt: Mapping[str, Any]) -> str:
    """How it was computed, in the receipt's own words; the hashes are on the version's page."""
    shown = ("model", "device", "batch", "decode_ms", "predict_ms")
    parts = [f"{name}: {receipt[name]}" for name in shown if name in receipt]
    return ", ".join([*parts, f"attempts: {row.attempts}"])


def _trail(abouts: Sequence[str]) -> Iterator[Entry]:
    rows = AuditEntry.objects.filter(about__in=abouts).order_by("-pk")
    for at, action, about, role in rows.values_list("at", "action", "about", "actor__role")[:MOST]:
        who = _("by: %(role)s") % {"role": role} if role else ""
        yield Entry(at, TRAIL, action, who, "" if about.startswith("case:") else about)


# --- A message -----------------------------------------------------------------------------------


def _of_message(message: Message, job: Job, sight: Sight) -> Story:
    same = sight.messages().filter(
        event=message.event, about=message.about, recipient=message.recipient_id
    )
    rows = list(same.select_related("link").order_by("created_at")[:MOST])
    facts = [
        (_("Message"), str(message.pk)),
        (_("About"), f"{message.event}, {message.about}"),
        (_("Channel"), message.channel),
        (_("State"), message.state),
        (_("Next to be looked at"), _utc(message.run_after)),
    ]
    entries = [
        *(entry for row in rows for entry in _message(row)),
        *_trail([f"message:{row.pk}" for row in rows]),
    ]
    case = message.about.partition("#")[0]
    return Story(job.words, facts, _sorted(*entries), case if case.startswith("case:") else "")


def _message(message: Message) -> Iterator[Entry]:
    """Its row knows each thing that happened once; of several tries the last."""
    about = f"message:{message.pk}"

    def entry(at: datetime, what: str, *more: str) -> Entry:
        return Entry(at, MESSAGE, what, ", ".join(part for part in more if part), about)

    code = message.error_code
    yield entry(message.created_at, _("written"), message.event, message.channel)
    if message.tried_at:
        yield entry(message.tried_at, _("sending tried"), _("try %(n)s") % {"n": message.attempts})
    if message.sent_at:
        yield entry(message.sent_at, _("taken by the provider"), message.provider_id)
    if message.settled_at:
        yield entry(message.settled_at, _("reported: %(state)s") % {"state": message.state}, code)
    elif message.state in (Message.State.UNKNOWN, Message.State.PENDING) and code:
        yield entry(
            message.tried_at or message.created_at,
            _("now: %(state)s") % {"state": message.state},
            code,
        )
    if message.link is not None and message.link.first_opened_at:
        yield entry(message.link.first_opened_at, _("its link was opened"))


# --- A proof -------------------------------------------------------------------------------------


def _of_check(check: BundleCheck, job: Job) -> Story:
    facts = [
        (_("Bundle"), check.name),
        (_("State"), check.state),
        (_("Tries"), str(check.attempts)),
        (_("In a worker’s hands until"), _utc(check.lease_until)),
        (_("Manifest"), check.manifest_hash),
    ]
    entries = [Entry(check.asked_at, PROOF, _("asked for"))]
    if check.settled_at:
        entries.append(Entry(check.settled_at, PROOF, check.state, discreet(check.refusal)))
    entries.extend(_trail([f"bundle:{check.manifest_hash[:16]}"]))
    return Story(job.words, facts, _sorted(*entries))
