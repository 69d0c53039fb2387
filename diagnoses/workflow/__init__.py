"""Every change of a case's state, and nothing else changes state.

Each move is a compare-and-set: ``filter(pk=…, status=old).update(status=new)``. No row changed
means somebody else was first. The same transaction writes the event and the messages.
"""

from diagnoses.states import Answer, Brought, Moved, NewPhoto, NotYet, Submission, WorkflowError
from diagnoses.workflow.afterwards import record_outcome, write_letter
from diagnoses.workflow.again import ask_colleague, ask_here_or_elsewhere, differs, read_again
from diagnoses.workflow.computer import (
    attach,
    give_up,
    pass_on_the_late,
    pass_on_the_paused,
    requeue,
)
from diagnoses.workflow.doctor import amend, read_first, sign, undo_signature
from diagnoses.workflow.escalating import escalate
from diagnoses.workflow.moves import too_late
from diagnoses.workflow.nudges import open_reminder, stop_all_of, tell_of_visit
from diagnoses.workflow.patient import name_mark, raise_urgency, submit, withdraw, withdraw_consent
from diagnoses.workflow.reminding import begin_sun_season, tell_next
from diagnoses.workflow.retake import retake
from diagnoses.workflow.shadow import close_the_shadows
from diagnoses.workflow.sharing import (
    agree_to_share,
    doctor_at,
    end_shares_of,
    refuse_share,
    share,
    take_back_share,
)
from diagnoses.workflow.talk import ask, no_answer_needed, read_up_to, request_retake
from diagnoses.workflow.unread import open_answer, told_by_doctor

__all__ = [
    "Answer",
    "Brought",
    "Moved",
    "NewPhoto",
    "NotYet",
    "Submission",
    "WorkflowError",
    "agree_to_share",
    "amend",
    "ask",
    "ask_colleague",
    "ask_here_or_elsewhere",
    "attach",
    "begin_sun_season",
    "close_the_shadows",
    "differs",
    "doctor_at",
    "end_shares_of",
    "escalate",
    "give_up",
    "name_mark",
    "no_answer_needed",
    "open_answer",
    "open_reminder",
    "pass_on_the_late",
    "pass_on_the_paused",
    "raise_urgency",
    "read_again",
    "read_first",
    "read_up_to",
    "record_outcome",
    "refuse_share",
    "request_retake",
    "requeue",
    "retake",
    "share",
    "sign",
    "stop_all_of",
    "submit",
    "take_back_share",
    "tell_next",
    "tell_of_visit",
    "told_by_doctor",
    "too_late",
    "undo_signature",
    "withdraw",
    "withdraw_consent",
    "write_letter",
]
