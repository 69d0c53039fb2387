"""Every change of a case's state, and nothing else changes state.

Each move is a compare-and-set: ``filter(pk=…, status=old).update(status=new)``. No row changed
means somebody else was first. The same transaction writes the event and the messages.
"""

from diagnoses.states import Answer, Moved, NewPhoto, NotYet, Submission, WorkflowError
from diagnoses.workflow.computer import attach, give_up, pass_on_the_late, requeue
from diagnoses.workflow.doctor import amend, read_first, sign, undo_signature
from diagnoses.workflow.patient import raise_urgency, submit, withdraw, withdraw_consent

__all__ = [
    "Answer",
    "Moved",
    "NewPhoto",
    "NotYet",
    "Submission",
    "WorkflowError",
    "amend",
    "attach",
    "give_up",
    "pass_on_the_late",
    "raise_urgency",
    "read_first",
    "requeue",
    "sign",
    "submit",
    "undo_signature",
    "withdraw",
    "withdraw_consent",
]
