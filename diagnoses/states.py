"""The words of the workflow: what is asked of it, which moves are legal, how it says no."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from accounts.models import User
from diagnoses.intake import CleanPhoto
from diagnoses.models import Case, Lesion
from diagnoses.triage import Answers
from mlservice.packs import Spot

Status = Case.Status

# One table of legal moves. Undoing a signature is the only step back, and only within seconds.
MOVES: Mapping[str, frozenset[str]] = {
    Status.REGISTERED: frozenset({Status.PARTIAL, Status.CANCELLED}),
    Status.PARTIAL: frozenset({Status.FINAL, Status.CANCELLED}),
    Status.FINAL: frozenset({Status.AMENDED, Status.PARTIAL}),
    Status.AMENDED: frozenset({Status.AMENDED}),
    Status.CANCELLED: frozenset(),
}


class WorkflowError(Exception):
    """The move cannot be made; ``sentence`` tells the person why."""

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence
        super().__init__(sentence)


class Moved(WorkflowError):
    """Somebody else was first: who, and when."""

    def __init__(self, sentence: str, by: User | None = None, at: datetime | None = None) -> None:
        super().__init__(sentence)
        self.by = by
        self.at = at


class NotYet(WorkflowError):
    """The doctor has to read the case before."""


@dataclass(frozen=True, slots=True)
class NewPhoto:
    """A cleaned picture on its way into a case. ``sent_anyway``: poor, and the sender knows."""

    kind: str
    photo: CleanPhoto
    sent_anyway: bool = False


@dataclass(frozen=True, slots=True)
class Brought:
    """From where a case comes that somebody brings from another portal (``CaseImport``).

    ``by`` is the doctor who brings it; ``None`` from the command line.
    """

    by: User | None
    portal: str
    source_case: uuid.UUID
    written_at: datetime
    digest: str
    record: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Submission:
    """One filled-in form, from the page or the API. One photo and a site suffice."""

    pack_name: str
    site: str
    photos: Sequence[NewPhoto]
    answers: Answers = field(default_factory=dict)
    submit_key: uuid.UUID = field(default_factory=uuid.uuid4)
    contact_e164: str = ""
    doctor: User | None = None
    named_doctor: tuple[str, str] | None = None  # name, E.164: somebody to invite
    lesion: Lesion | None = None
    computer_check: bool = True
    side: str = ""  # of Side, or not said
    spot: Spot | None = None  # tapped on one of the pack's figures
    brought: Brought | None = None  # not sent by the patient
    # Of the case that this makes: another id is that of a case that was there already.
    case_id: uuid.UUID = field(default_factory=uuid.uuid4, init=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a doctor signs."""

    diagnosis: str  # a label's name; "" is none of them
    plan: str
    advice: str
    note: str = ""
    recheck_days: int | None = None
    agrees: bool | None = None
    differs_because: str = ""
