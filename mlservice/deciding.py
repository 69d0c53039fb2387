"""What admins decide about model versions: which one serves, back to the last, none for a while.

A version scores every clinic's cases, so only admins who look after all clinics decide
(:func:`may_decide`). Every decision is one transaction under the lock of its pack, and in the
audit trail. It says what it was made about: who comes second learns that somebody was first, and
a second click changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import User
from mlservice import registry
from mlservice.engine import BundleError
from mlservice.engine.gate import Line, margin_lines, release_lines
from mlservice.models import Activation, ModelVersion, Override, Pause

How, Outcome = Activation.How, Override.Outcome
LONGEST_REASON = 300


class Refusal(Exception):
    """It may not be done; the message says why, for the admin who asked."""


def may_decide(user: User) -> bool:
    """Admins of no clinic: a model version is every clinic's affair."""
    return user.is_admin and user.clinic_id is None


# --- The gate ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Gate:
    """Whether a version may take the place of ``against``, line by line.

    ``apart`` says why the two cannot be held against each other, where they cannot.
    """

    lines: tuple[Line, ...]
    against: ModelVersion | None
    apart: str = ""

    @property
    def passed(self) -> bool:
        return not self.apart and all(line.met for line in self.lines)


def gate(version: ModelVersion, against: ModelVersion | None) -> Gate:
    """The release conditions of ``version``, and its margins to the one in service."""
    lines = tuple(release_lines(version.metrics))
    if against is None or against == version:
        return Gate(lines, None)
    if apart := not_comparable(version, against):
        return Gate(lines, against, apart)
    return Gate((*lines, *margin_lines(version.metrics, against.metrics)), against)


def not_comparable(one: ModelVersion, other: ModelVersion) -> str:
    """Why two versions' numbers cannot stand side by side, in a sentence; "" where they can."""
    if one.pack != other.pack:
        return _("They belong to different disease areas.")
    for version in (one, other):
        if not version.frozen_set:
            return _("%(version)s does not say on which pictures it was measured.") % {
                "version": version
            }
    same = all(one.metrics.get(key) == other.metrics.get(key) for key in ("n", "classes"))
    if one.frozen_set != other.frozen_set or not same:
        return _("They were measured on different pictures, so their numbers say nothing together.")
    return ""


# --- Which one serves ----------------------------------------------------------------------------


def promote(version: ModelVersion, by: User, instead_of: int | None) -> None:
    """Put a version into service that passes the gate; ``instead_of`` is the key of the one it
    takes the place of, as the admin saw it. Raises :class:`Refusal`."""
    must_decide(by)
    _whole(version)
    with transaction.atomic():
        current = registry.lock(version.pack)
        if current == version:  # a second click
            return
        _still(current, instead_of)
        if not gate(version, current).passed:
            raise Refusal(_("The gate does not let %(version)s pass.") % {"version": version})
        registry.put_into_service(version, current, Activation(how=How.GATE, by=by))


def back_from(current: ModelVersion) -> ModelVersion | None:
    """The version that ``current`` took the place of, when it was not itself a way back."""
    came = current.activations.exclude(how=How.BACK).select_related("replaced").first()
    return came.replaced if came else None


def roll_back(current: ModelVersion, by: User) -> ModelVersion:
    """The version before ``current`` serves again, without a gate: it has served before.

    Raises :class:`Refusal` where there is none, its files are gone, or somebody was first.
    """
    must_decide(by)
    before = back_from(current)
    if before is None:
        raise Refusal(_("No version was in service before %(version)s.") % {"version": current})
    _whole(before)
    with transaction.atomic():
        now = registry.lock(current.pack)
        if now == before and before.activations.filter(how=How.BACK, replaced=current).exists():
            return before  # a second click
        _still(now, current.pk)
        registry.put_into_service(before, now, Activation(how=How.BACK, by=by))
    return before


# --- Past the gate -------------------------------------------------------------------------------


def ask_override(version: ModelVersion, by: User, instead_of: int | None, reason: str) -> Override:
    """Ask a second admin to let a version into service that the gate refuses."""
    must_decide(by)
    reason = reason_in(reason)
    with transaction.atomic():
        current = registry.lock(version.pack)
        asked = Override.objects.filter(version=version, outcome="").first()
        if asked is not None:
            return asked  # a second click, or somebody else asked the same
        if current == version:
            raise Refusal(_("%(version)s is in service already.") % {"version": version})
        _still(current, instead_of)
        if gate(version, current).passed:
            raise Refusal(_("The gate lets it pass: no second admin is needed."))
        asked = Override.objects.create(
            version=version, instead_of=current, reason=reason, asked_by=by
        )
        audit.record("model.override_asked", actor=by, about=registry.about(version), reason=reason)
    return asked


def agree(asked: Override, by: User) -> None:
    """The second admin agrees, and the version serves. Raises :class:`Refusal`."""
    must_decide(by)
    _whole(asked.version)
    with transaction.atomic():
        current = registry.lock(asked.version.pack)
        asked = _open(asked)
        if by == asked.asked_by:
            raise Refusal(_("You asked for it yourself: a second admin decides."))
        if not may_decide(asked.asked_by):
            raise Refusal(_("Who asked for it is no longer an admin who may."))
        _still(current, asked.instead_of_id)
        _close(asked, by, Outcome.AGREED)
        past = Activation(how=How.OVERRIDE, by=asked.asked_by, agreed_by=by, reason=asked.reason)
        registry.put_into_service(asked.version, current, past)


def turn_down(asked: Override, by: User) -> None:
    """The second admin says no; who asked takes it back. Nothing changes."""
    must_decide(by)
    with transaction.atomic():
        registry.lock(asked.version.pack)
        asked = _open(asked)
        outcome = Outcome.TAKEN_BACK if by == asked.asked_by else Outcome.REFUSED
        _close(asked, by, outcome)


def _open(asked: Override) -> Override:
    rows = Override.objects.select_for_update(of=("self",))
    asked = rows.select_related("version", "asked_by", "decided_by").get(pk=asked.pk)
    if asked.outcome:
        raise Refusal(
            _("This was decided already: %(outcome)s.") % {"outcome": asked.get_outcome_display()}
        )
    return asked


def _close(asked: Override, by: User, outcome: Override.Outcome) -> None:
    Override.objects.filter(pk=asked.pk).update(outcome=outcome, decided_by=by, decided_at=Now())
    audit.record(
        "model.override_decided",
        actor=by,
        about=registry.about(asked.version),
        outcome=outcome.value,
        asked_by=asked.asked_by_id,
    )


# --- A pause -------------------------------------------------------------------------------------


def pause(pack_name: str, by: User, reason: str) -> None:
    """From now on the computer looks at no case of the pack; a second click changes nothing.

    The workers send what waits to the doctors, see ``diagnoses.workflow.pass_on_the_paused``.
    """
    must_decide(by)
    reason = reason_in(reason)
    with transaction.atomic():
        registry.lock(pack_name)
        if not Pause.objects.filter(pack=pack_name, ended_at=None).exists():
            Pause.objects.create(pack=pack_name, by=by, reason=reason)
            audit.record("model.paused", actor=by, about=f"pack:{pack_name}", reason=reason)


def resume(pack_name: str, by: User) -> None:
    """New cases are scored again. Those that went to the doctors meanwhile stay with them."""
    must_decide(by)
    with transaction.atomic():
        registry.lock(pack_name)
        paused = Pause.objects.filter(pack=pack_name, ended_at=None)
        if paused.update(ended_at=Now(), ended_by=by):
            audit.record("model.resumed", actor=by, about=f"pack:{pack_name}")


# --- What every decision asks --------------------------------------------------------------------


def must_decide(by: User) -> None:
    """Raises :class:`Refusal` where ``by`` is none who may."""
    if not may_decide(by):
        raise Refusal(_("Only an admin of all clinics decides about model versions."))


def reason_in(text: str) -> str:
    """A reason as it is kept; it stands in the audit trail, and two people read it."""
    reason = tidy(text)
    if not reason:
        raise Refusal(_("Please give a reason."))
    return reason


def tidy(text: str) -> str:
    """What somebody typed, on one line, as long as there is room, and without what PostgreSQL does
    not keep."""
    return " ".join(text.replace("\0", "").split())[:LONGEST_REASON]


def _whole(version: ModelVersion) -> None:
    """Its files, hash by hash; before the lock, because it takes a moment."""
    try:
        registry.verified(version)
    except BundleError as error:
        raise Refusal(
            _("The files of %(version)s are not whole: %(why)s")
            % {"version": version, "why": error}
        ) from error


def _still(current: ModelVersion | None, instead_of: int | None) -> None:
    """What the admin saw in service is so still."""
    if (current.pk if current else None) == instead_of:
        return
    if current is None:
        raise Refusal(_("No version is in service any more. Please look again."))
    came = current.activations.select_related("by").first()
    who = came.by if came and came.by else None
    said = (
        _("%(name)s put %(version)s into service in the meantime. Please look again.")
        if who
        else _("%(version)s was put into service in the meantime. Please look again.")
    )
    raise Refusal(said % {"name": who, "version": current})
