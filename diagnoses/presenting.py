"""What people read about a case: one place that decides which words, and who may see which number.

Patients read the pack's outcome for their result, never a number. Doctors of a clinic that reads
blind see the urgency only until they have recorded their own reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format, localize
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from accounts.models import Clinic, User
from diagnoses.gathered import EVENTS, FIRST_READINGS, REVIEWS
from diagnoses.models import Case, FirstReading, Prediction, Review
from diagnoses.states import Answer
from diagnoses.triage import by_answers
from mlservice.engine.types import Modality, Tier
from mlservice.packs import NO_LABEL_PAGE, Label, Outcome, Pack

NOT_JUDGED, NO_LESION = "not_judged", "no_lesion"  # outcomes of a photo with nothing to judge


@dataclass(frozen=True, slots=True)
class About:
    """A link to the page about a condition."""

    title: str
    url: str


@dataclass(frozen=True, slots=True)
class Card:
    """The patient's result in words. ``tone`` picks the colour and the icon."""

    key: str
    tone: str  # green | amber | red | neutral | signed
    headline: str
    body: tuple[str, ...]
    label_line: str
    next_steps: tuple[str, ...]
    about: About | None  # the page of what these words name, and of nothing else

    @property
    def asks_for_a_retake(self) -> bool:
        """The photo was sent and a doctor has it; another one may say more."""
        return self.key in (NOT_JUDGED, NO_LESION)


@dataclass(frozen=True, slots=True)
class Step:
    """One stop of Sent › Checked › Doctor › Answer."""

    name: str
    state: str  # done | now | todo
    when: datetime | None


@dataclass(frozen=True, slots=True)
class Share:
    """One label's calibrated probability, for doctors."""

    label: Label
    probability: float
    possible: bool  # in the conformal set


@dataclass(frozen=True, slots=True)
class ComputerView:
    """Everything the computer said, for a doctor who may see it."""

    prediction: Prediction
    shares: tuple[Share, ...]  # likeliest first
    label: Label | None  # None where the 80 % rule or the picture allows none
    top: Label
    reasons: tuple[str, ...]


def patient_card(case: Case) -> Card:
    """The result as the patient reads it now. A signed answer comes first, whatever was before."""
    prediction = None if _being_checked(case) else case.prediction
    return card_of(case, prediction, answer_for_patient(case))


def card_of(case: Case, prediction: Prediction | None, review: Review | None) -> Card:
    """The same of a case whose newest view and standing answer were read with many others'."""
    prediction = None if _being_checked(case) else prediction
    key, tone = outcome_of(case, prediction, review)
    return _card(case, key, tone, prediction, review)


def machine_card(case: Case) -> Card | None:
    """The computer's part alone, to be folded under a signed answer."""
    prediction = case.prediction
    return None if prediction is None else view_card(case, prediction)


def view_card(case: Case, prediction: Prediction) -> Card:
    """One view of the computer in the patient's words."""
    key, tone = _scored_outcome(case, prediction)
    return _card(case, key, tone, prediction, None)


def answer_for_patient(case: Case) -> Review | None:
    """The newest standing answer whose seconds to undo are over."""
    if not case.is_signed:
        return None
    now = timezone.now()
    told = [one for one in REVIEWS.of(case) if not one.is_undone and one.effective_at <= now]
    return told[-1] if told else None


def _being_checked(case: Case) -> bool:
    """The computer's view moves a case on in its own transaction: until then there is none."""
    return case.status == Case.Status.REGISTERED


def outcome_of(case: Case, prediction: Prediction | None, review: Review | None) -> tuple[str, str]:
    """Which of the pack's outcomes holds, and its tone."""
    if review is not None:
        return "signed", "signed"
    if case.status == Case.Status.CANCELLED:
        return "withdrawn", "neutral"
    if case.clinic.release_policy == Clinic.Release.AFTER_REVIEW:
        return "held", "neutral"  # from the start: "waiting" promises what the computer finds
    if _being_checked(case):
        return "waiting", "neutral"
    if prediction is None:
        return "unscored", "neutral"
    return _scored_outcome(case, prediction)


def _scored_outcome(case: Case, prediction: Prediction) -> tuple[str, str]:
    """The case's tier decides the headline; "tell us now" may have raised it since."""
    tier = Tier(prediction.tier).raised_to(Tier(case.tier or prediction.tier))
    if not prediction.names_a_class:
        # The numbers of such a picture mean nothing. The answers count, and earlier photos do.
        urgent = Tier.RED in {by_answers(case.pack, case.answers).tier, case.tier}
        return ("red", Tier.RED.value) if urgent else (_unjudged(prediction), "neutral")
    if tier is Tier.RED:
        return "red", tier.value
    if prediction.no_disease:
        return f"no_disease_{tier.value}", tier.value
    if case.pack.label(prediction.label).harmful:
        return "harmful_named_amber", tier.value
    return f"harmless_{tier.value}", tier.value


def _unjudged(prediction: Prediction) -> str:
    """Which outcome tells of a photo in which there was nothing to judge."""
    return NO_LESION if prediction.modality == Modality.NO_LESION.value else NOT_JUDGED


def _card(
    case: Case, key: str, tone: str, prediction: Prediction | None, review: Review | None
) -> Card:
    outcome = case.pack.outcomes[key]
    filled = outcome.fill(**_words(case, prediction, review))
    return Card(
        key=key,
        tone=tone,
        headline=filled.headline,
        body=filled.body,
        label_line=filled.label_line,
        next_steps=filled.next_steps,
        about=_about_result(case, outcome, prediction),
    )


def _about_result(case: Case, outcome: Outcome, prediction: Prediction | None) -> About | None:
    """The page of what the outcome's words name. Words that name nothing link to nothing."""
    if prediction is None or not prediction.names_a_class or not outcome.tells_the_result:
        return None
    return about(case.pack, prediction.label or NO_LABEL_PAGE)


def about_answer(case: Case, review: Review) -> About | None:
    """The page of the signed diagnosis, where the doctor's own words already say what it is.

    A link must not be the first to break news that the doctor chose to tell in person.
    """
    if not review.diagnosis:
        return None
    named = case.pack.condition(review.diagnosis).is_named_in(review.advice)
    return about(case.pack, review.diagnosis) if named else None


def diagnosis_title(pack: Pack, label: str, *, short: bool = False) -> str:
    """A doctor's diagnosis, for doctors; "" is none of the pack's."""
    if not label:
        return _("None of these, or no lesion")
    return pack.label(label).short if short else pack.label(label).title


def about(pack: Pack, name: str) -> About:
    """The page about one label, or about none being named."""
    condition = pack.condition(name)
    url = reverse("learn_condition", args=[condition.slug])
    query = "" if pack.name == settings.PACK else "?" + urlencode({"pack": pack.name})
    return About(condition.title, url + query)


def _words(case: Case, prediction: Prediction | None, review: Review | None) -> Mapping[str, str]:
    label = prediction.label if prediction else ""
    threshold = percent(prediction.threshold) if prediction else ""
    unnamed = case.pack.no_label.format(threshold=threshold)
    if prediction and not prediction.names_a_class:
        empty = _unjudged(prediction) == NO_LESION
        unnamed = case.pack.no_lesion if empty else case.pack.not_judged
    return {
        "doctor": review.doctor.name if review else doctor_name(case),
        "due": spoken(case.answer_due_at),
        "label": case.pack.label(label).plain if label else unnamed,
        "signed": spoken(review.signed_at) if review else "",
        "threshold": threshold,
    }


def percent(share: float) -> str:
    """A configured share as it was typed: 0.8 is "80 %", 0.825 is "82.5 %"."""
    return f"{localize(Decimal(f'{round(share * 100, 1):g}'))} %"


def doctor_name(case: Case) -> str:
    """Who will look, as the start of a sentence."""
    asked = case.asked_doctor
    return asked.name if asked and asked.is_reading_doctor else _("A doctor")


def spoken(moment: datetime) -> str:
    """As people say it: "Tuesday 24 November, 17:00"."""
    pattern = pgettext("a date, as Django writes it", "l j F, H:i")
    return date_format(timezone.localtime(moment), pattern)


def dated(moment: datetime) -> str:
    """Where years matter: "24 November 2026, 17:00"."""
    said = pgettext("a date, as Django writes it", "j F Y, H:i")
    return date_format(timezone.localtime(moment), said)


def steps(case: Case) -> list[Step]:
    """Where the case is on its way."""
    checking, review = _being_checked(case), answer_for_patient(case)
    events = () if checking else EVENTS.of(case)
    checked = next((event for event in events if event.kind in {"checked", "unscored"}), None)
    by_computer = checked.kind == "checked" if checked else case.computer_check
    return [
        Step(_("Sent"), "done", case.submitted_at),
        Step(
            _("Checked by the computer") if by_computer else _("Passed to a doctor"),
            "now" if checking else "done",
            checked.at if checked else None,
        ),
        Step(
            _("Doctor looking"),
            "done" if review else "todo" if checking else "now",
            None if review else case.answer_due_at,
        ),
        Step(_("Answer"), "done" if review else "todo", review.signed_at if review else None),
    ]


def may_see_computer(case: Case, doctor: User) -> bool:
    """Blind first: the computer's view opens with the doctor's own reading.

    For a doctor of another clinic, with whom the case is shared, always and only then.
    """
    if doctor.clinic_id != case.clinic_id:
        return case.first_readings.filter(doctor=doctor).exists()
    if not case.clinic.blind_reading:
        return True
    # A signature opens it for colleagues only when it can no longer be undone.
    if case.is_signed and (case.signed_by_id == doctor.pk or answer_for_patient(case)):
        return True
    return own_reading(case, doctor) is not None


def own_is_in(case: Case, doctor: User) -> bool:
    """Whether colleagues' readings and what it turned out to be are open to a doctor of the clinic.

    Where it reads blind: once their own reading is in, or nobody waits for one any more.
    """
    return not case.is_open or may_see_computer(case, doctor)


def own_reading(case: Case, doctor: User) -> FirstReading | None:
    """What the doctor said before the computer's view opened, once they have."""
    return next((one for one in FIRST_READINGS.of(case) if one.doctor_id == doctor.pk), None)


def signed_already(case: Case, doctor: User, answer: Answer) -> Review | None:
    """This doctor's standing signature under this very answer: the other click of a double click,
    or the same request once more."""
    standing = case.reviews.standing().last()
    if standing is None or standing.doctor_id != doctor.pk:
        return None
    same = all(getattr(standing, name) == said for name, said in asdict(answer).items())
    return standing if same else None


def computer_view(case: Case, doctor: User) -> ComputerView | None:
    """The computer's view, or ``None`` where there is none or it is not to be seen yet.

    Until it may be seen it is not even read from the database; then it is read whole.
    """
    if not may_see_computer(case, doctor):
        return None
    prediction = case.live_predictions().select_related("model_version").first()
    if prediction is None:
        return None
    pack = case.pack
    ranked: list[tuple[str, Any]] = sorted(
        prediction.probabilities.items(), key=lambda item: -item[1]
    )
    return ComputerView(
        prediction=prediction,
        shares=tuple(
            Share(pack.label(name), p, name in prediction.conformal_set) for name, p in ranked
        ),
        label=pack.label(prediction.label) if prediction.label else None,
        top=pack.label(prediction.top_label),
        reasons=tuple(pack.reasons.get(code, code) for code in prediction.reasons),
    )
