"""The talk on a case as one side reads it: who said what when, and what is new to whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from accounts.models import User
from diagnoses import drafts, presenting, workflow
from diagnoses.gathered import READ_MARKS, REMARKS, RETAKES
from diagnoses.models import Case, ReadMark, Remark, Retake
from diagnoses.workflow.talk import open_request
from mlservice.packs import Pack


@dataclass(frozen=True, slots=True)
class Line:
    """One remark, or that a new photo came. ``says``: ready sentences before the own words."""

    who: str
    own: bool
    by_patient: bool
    at: datetime
    says: tuple[str, ...]
    words: str
    new: bool  # to the reader
    asks_for_photo: bool = False
    is_photo: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """A request for a new photo that nobody has answered yet, with how to do better."""

    remark: Remark
    says: tuple[str, ...]
    advice: tuple[str, ...]
    drawings: tuple[tuple[str, str], ...] = ()  # templates, each with one to fall back on


@dataclass(frozen=True, slots=True)
class Talk:
    lines: Sequence[Line]
    unread: int
    newest: int  # the newest remark's primary key, 0 for none
    request: Request | None
    # Of the last remark, where it is of the reader's side: when the other side had read it.
    last_own_read: datetime | None
    own_waits: bool  # it has not been read
    last_retake: Retake | None

    def photo_came_after(self, moment: datetime) -> bool:
        return self.last_retake is not None and self.last_retake.created_at > moment

    @property
    def last_own_is_known(self) -> bool:
        return self.own_waits or self.last_own_read is not None


def talk(case: Case, reader: User) -> Talk:
    """At most three statements, however much was said; none for a case that came with all."""
    remarks, retakes, marks = REMARKS.of(case), RETAKES.of(case), READ_MARKS.of(case)
    by_patient = reader.pk == case.patient_id
    read = max((mark.upto_id for mark in marks if mark.person_id == reader.pk), default=0)
    lines = [_said(case, remark, reader, read) for remark in remarks]
    lines += [_photo_came(case, one, reader) for one in retakes]
    asked = [r for r in remarks if _asks(r) and not hasattr(r, "retake")]
    own = [r for r in remarks if (r.author_id == case.patient_id) == by_patient]
    last = own[-1] if own and own[-1] == remarks[-1] else None
    read_at = _read_at(case, last, marks, by_patient=by_patient) if last else None
    return Talk(
        lines=sorted(lines, key=lambda line: line.at),
        unread=sum(line.new for line in lines),
        newest=remarks[-1].pk if remarks else 0,
        request=_request(case.pack, asked[-1]) if asked else None,
        last_own_read=read_at,
        own_waits=last is not None and read_at is None,
        last_retake=retakes[-1] if retakes else None,
    )


def request_of(case: Case) -> Request | None:
    """What the patient is asked for, without the talk around it."""
    asked = open_request(case)
    return _request(case.pack, asked) if asked else None


def mark_read(case: Case, reader: User, shown: Talk) -> None:
    """What is on the page was read; costs nothing where nothing on it is new."""
    if shown.unread:
        workflow.read_up_to(case, reader, shown.newest)


def refusal_to_patient(case: Case, refusal: workflow.WorkflowError) -> str:
    """Why it was not possible. Nobody is told of a signature that can still be undone."""
    case.refresh_from_db()
    if case.is_signed and presenting.answer_for_patient(case) is None:
        return _("A doctor is just answering this case. Please look again in a minute.")
    return refusal.sentence


def sentences(pack: Pack, remark: Remark) -> tuple[str, ...]:
    """The ready words of a request: what is wrong with the photo, or that another one helps."""
    if not _asks(remark):
        return ()
    problems = [pack.quality[code].problem for code in remark.reasons if code in pack.quality]
    if problems:
        listed = _(" and ").join(problems)
        return (_("Please send a new photo. The last one can’t be judged well: %s.") % listed,)
    return (_("Please send a new photo, so that I can answer you."),)


def _asks(remark: Remark) -> bool:
    return remark.kind == Remark.Kind.RETAKE_REQUEST


def _said(case: Case, remark: Remark, reader: User, read: int) -> Line:
    by_patient = remark.author_id == case.patient_id
    other_side = by_patient != (reader.pk == case.patient_id)
    return Line(
        who=str(remark.author),
        own=remark.author_id == reader.pk,
        by_patient=by_patient,
        at=remark.created_at,
        says=sentences(case.pack, remark),
        words=remark.text,
        new=other_side and remark.pk > read,
        asks_for_photo=_asks(remark),
    )


def _photo_came(case: Case, retake: Retake, reader: User) -> Line:
    return Line(
        who=str(case.patient),
        own=reader.pk == case.patient_id,
        by_patient=True,
        at=retake.created_at,
        says=(),
        words="",
        new=False,
        is_photo=True,
    )


def _request(pack: Pack, remark: Remark) -> Request:
    known = [pack.quality[code] for code in remark.reasons if code in pack.quality]
    advice = tuple(dict.fromkeys(line for reason in known for line in reason.advice))
    drawings = tuple(drafts.drawings_of(pack, remark.reasons))
    return Request(remark, sentences(pack, remark), advice, drawings)


def _read_at(
    case: Case, remark: Remark, marks: Sequence[ReadMark], *, by_patient: bool
) -> datetime | None:
    """When somebody of the other side had read ``remark``; the first of them."""
    others = [mark for mark in marks if (mark.person_id == case.patient_id) != by_patient]
    return min((mark.at for mark in others if mark.upto_id >= remark.pk), default=None)
