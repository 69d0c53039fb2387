"""A case in the patient's words: its status in a line, its history, what was answered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from accounts.models import Clinic
from diagnoses import triage
from diagnoses.gathered import EVENTS
from diagnoses.models import Case, CaseEvent, Prediction, Review
from mlservice.packs import Pack, PackError

PLANS = {
    Review.Plan.REASSURE: _("Nothing more needs to be done now."),
    Review.Plan.RECHECK: _("Take a new photo later, so that we can compare."),
    Review.Plan.SEE: _("A doctor should look at it in person."),
    Review.Plan.REFER_URGENT: _("You are being referred to a specialist urgently."),
    Review.Plan.TREAT: _("It needs treatment."),
}

# What is only the house's own business (a first reading, a signature taken back) is not told.
_HISTORY = {
    "submitted": _("You sent this case."),
    "imported": _("Your doctor brought this case here from another portal."),
    "checked": _("The computer checked your photo."),
    "unscored": _("Your case went to the doctors without a view of the computer."),
    "requeued": _("Your case was given to the computer again."),
    "told_more": _("You told us more about it."),
    "retake_asked": _("A doctor asked for a new photo."),
    "retaken": _("You sent a new photo."),
    "share_asked": _("Your clinic asked you whether a doctor of another clinic may look."),
    "share_agreed": _("You agreed that a doctor of another clinic may look."),
    "share_refused": _("You did not agree that a doctor of another clinic looks."),
    "share_ended": _("The doctor of the other clinic is no longer asked."),
    "withdrawn": _("You withdrew this case."),
    "visit_yes": _("You told us that you saw the doctor."),
    "visit_not_yet": _("You told us that you have not seen the doctor yet."),
    "visit_no_appointment": _("You told us that you could not get an appointment."),
    "visit_decided_not": _("You told us that you decided not to see a doctor."),
}


@dataclass(frozen=True, slots=True)
class Told:
    """One line of the history."""

    at: datetime
    text: str
    words: str = ""  # the patient's own


def status_of(case: Case) -> str:
    """Where a case stands, in a few words.

    ``case`` carries ``answer``, its newest one's key, and ``photo_wanted``: whether a doctor asks
    for a new photo.
    """
    annotated: Any = case
    if case.is_open and annotated.photo_wanted and case.status != Case.Status.REGISTERED:
        return str(_("Your doctor asks for a new photo"))
    return state_of(case, answered=annotated.answer is not None)


def state_of(case: Case, *, answered: bool) -> str:
    """As :func:`status_of`; ``answered``: there is an answer whose seconds to undo are over."""
    if case.status == Case.Status.CANCELLED:
        return gettext("Withdrawn")
    if case.is_signed and answered:
        return gettext("Answered")
    if case.status == Case.Status.REGISTERED:
        return gettext("Being checked")
    return gettext("Waiting for a doctor")


def history(case: Case, review: Review | None) -> list[Told]:
    """What happened, oldest first; an answer only once its seconds to undo are over."""
    lines = []
    events = EVENTS.of(case)
    last_undone = max((one.pk for one in events if one.kind == "signature_undone"), default=0)
    for event in events:
        if event.kind in _HISTORY:
            words = str(event.detail.get("what", ""))
            lines.append(Told(event.at, str(_HISTORY[event.kind]), words))
        elif review is not None and event.kind in {"signed", "amended"}:
            lines += _answered(event, undone=event.pk < last_undone)
    return lines


def _answered(event: CaseEvent, *, undone: bool) -> list[Told]:
    """A signature that stood; one that was undone never reached the patient."""
    if event.kind == "signed" and undone:
        return []
    what = (
        gettext("%(name)s answered.")
        if event.kind == "signed"
        else gettext("%(name)s changed the answer.")
    )
    return [Told(event.at, what % {"name": event.actor})]


def answers_of(case: Case) -> list[tuple[str, str]]:
    """What the patient answered, in the pack's words; what was left open is not listed."""
    lines = []
    for question in case.pack.questions:
        given = triage.given(case.answers, question.name)
        if question.kind == "text":
            said = "".join(given)
        else:
            said = ", ".join(c.text for c in question.choices if c.value in given)
        if said:
            lines.append((question.text, said))
    return lines


def plan_of(review: Review) -> str:
    """What happens next, as the doctor decided."""
    plan = str(PLANS[Review.Plan(review.plan)])
    if review.recheck_days is None:
        return plan
    weeks, rest = divmod(review.recheck_days, 7)
    if weeks > 1 and not rest:
        again = gettext("Send a new photo in %(n)s weeks, so that we can compare.") % {"n": weeks}
    else:
        again = ngettext(
            "Send a new photo in %(n)s day, so that we can compare.",
            "Send a new photo in %(n)s days, so that we can compare.",
            review.recheck_days,
        ) % {"n": review.recheck_days}
    return again if review.plan == Review.Plan.RECHECK else f"{plan} {again}"


def computer_part(case: Case, review: Review | None) -> Prediction | None:
    """The computer's view, where the patient may see it by now."""
    return case.prediction if may_be_shown(case, review) else None


def may_be_shown(case: Case, review: Review | None) -> bool:
    """Whether the clinic lets the patient see the computer's view now."""
    return case.clinic.release_policy != Clinic.Release.AFTER_REVIEW or review is not None


def line_of(event: CaseEvent) -> str:
    """What an event is to the patient; "" for what is only the house's own business."""
    return str(_HISTORY.get(event.kind, ""))


def receipt_of(prediction: Prediction) -> list[tuple[str, str]]:
    """Which program said it: enough to find the very same one again."""
    receipt = prediction.receipt
    return [
        (gettext("Model version"), str(receipt.get("model", ""))),
        (gettext("Weights, SHA-256"), str(receipt.get("weights_sha256", ""))),
        (gettext("Preparing the picture, SHA-256"), str(receipt.get("preprocess_sha256", ""))),
        (gettext("Ran on"), str(receipt.get("device", ""))),
        (gettext("Photo, SHA-256"), prediction.photo.sha256),
    ]


def read_with(prediction: Prediction, pack: Pack) -> str:
    """What the names were read with beside the picture: "Age: 50 to 69"; "" for nothing."""
    known: dict[str, str] = prediction.receipt.get("metadata", {})
    return "; ".join(_known(pack, kind, value) for kind, value in known.items())


def by_picture(prediction: Prediction) -> dict[str, float] | None:
    """The probabilities of the photo that decided before anything beside it was heard.

    ``None`` where nothing was: then they are the view's own.
    """
    own = str(prediction.photo_id)
    photos = {one["photo"]: one for one in prediction.photos}
    alone: dict[str, float] | None = photos.get(own, {}).get("by_picture")
    return alone


def _known(pack: Pack, kind: str, value: str) -> str:
    try:
        if kind == "site":
            return f"{gettext('Place on the body')}: {pack.site(value).text}"
        question = pack.question(kind)
        return f"{question.short}: {question.choice(value).text}"
    except PackError:  # asked by an earlier edition of the pack
        return f"{kind}: {value}"
