"""What an admin can do about somebody: each asked once, with its consequence named.

A deed is offered where it would change something. Sent a second time, or by two admins at once, it
changes nothing more; that is the affair of ``accounts.managing``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from accounts import managing, second_factor
from accounts.models import Clinic, ResetReason, Role, SuspensionReason, User
from accounts.rows import manages

Words = str | Promise
ALL_CLINICS = "all"


class ReasonForm(forms.Form):
    """Why somebody is suspended: a code, for the trail holds no free text about people."""

    reason = forms.ChoiceField(
        label=_lazy("Why?"),
        choices=SuspensionReason.choices,
        widget=forms.RadioSelect,
        error_messages={"required": _lazy("Choose why. It stands in the audit trail.")},
    )


class ResetForm(forms.Form):
    """Why somebody's second step is reset; a code, too."""

    reason = forms.ChoiceField(
        label=_lazy("Why?"),
        choices=ResetReason.choices,
        widget=forms.RadioSelect,
        error_messages={"required": _lazy("Choose why. It stands in the audit trail.")},
    )


class ClinicForm(forms.Form):
    """Where somebody belongs from now on."""

    clinic = forms.ChoiceField(
        label=_lazy("Which clinic?"),
        widget=forms.RadioSelect,
        error_messages={"required": _lazy("Choose a clinic.")},
    )

    def __init__(self, person: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Sent twice, the second finds them there already: that is an answer, and no mistake.
        here = 0 if self.is_bound else person.clinic_id or 0
        shown = Clinic.objects.exclude(pk=here).values_list("pk", "name")
        choices = [(str(pk), name) for pk, name in shown]
        if person.role == Role.ADMIN and (self.is_bound or person.clinic_id is not None):
            choices.append((ALL_CLINICS, _("All clinics")))
        field = self.fields["clinic"]
        if isinstance(field, forms.ChoiceField):
            field.choices = choices

    def chosen(self) -> Clinic | None:
        code = self.cleaned_data["clinic"]
        return None if code == ALL_CLINICS else Clinic.objects.get(pk=code)


Form = ReasonForm | ResetForm | ClinicForm


@dataclass(frozen=True)
class Deed:
    """One thing to do. ``applies`` to whom, ``means`` what, ``do`` it; ``form`` asks what it needs.

    ``title`` and ``done`` have a place for %(name)s.
    """

    name: str
    label: Words
    title: Words
    done: Words
    applies: Callable[[User], bool]
    means: Callable[[User], list[str]]
    do: Callable[[User, User, Form | None], None]
    form: Callable[[User, Mapping[str, Any] | None], Form] | None = None
    kind: str = "quiet"
    for_all_clinics: bool = False  # only for admins who belong to none

    def allowed(self, by: User) -> bool:
        """Whether there is such a deed for this admin at all."""
        return by.is_admin and (by.clinic_id is None or not self.for_all_clinics)

    def offered(self, by: User, person: User) -> bool:
        return (
            by.pk != person.pk
            and self.allowed(by)
            and manages(by, person)
            and person.erased_at is None
            and self.applies(person)
        )


def _verify_means(person: User) -> list[str]:
    return [
        _("From then on they see every case of %(clinic)s, with photos and names, read and sign.")
        % {"clinic": person.clinic},
        _("Verify only whom you know to be a doctor: look them up in your register first."),
    ]


def _unverify_means(_person: User) -> list[str]:
    return [
        _("From their next click on they see no case, no photo and no name."),
        _("What they signed stays, with their name. Their open cases stay on the clinic’s list."),
        _("They can still log in, and are told that they wait to be verified."),
    ]


def _suspend_means(person: User) -> list[str]:
    said = [
        _("Every session and every API token of theirs ends at once, on every device."),
        _("They cannot log in, and get no messages, until an admin lifts this."),
    ]
    if person.role == Role.DOCTOR:
        said.append(
            _("What they signed stays. Their open cases stay on the clinic’s list for others.")
        )
    elif person.is_patient:
        said.append(_("Their open cases are still read. Reach them yourself if one is urgent."))
    return said


def _restore_means(_person: User) -> list[str]:
    return [
        _("They may log in again with the password they had."),
        _("Their sessions and API tokens of before stay ended."),
    ]


def _admin_means(person: User) -> list[str]:
    return [
        _("They look after the people, messages and settings of %(clinic)s.")
        % {"clinic": person.clinic},
        _("They see no photos any more and cannot sign. What they signed stays, with their name."),
        _("Their sessions and API tokens end now; they log in anew."),
    ]


def _doctor_means(_person: User) -> list[str]:
    return [
        _("They lose the admins’ pages at once. Their sessions and API tokens end."),
        _("They see no case until somebody verifies them as a doctor."),
    ]


def _move_means(person: User) -> list[str]:
    if person.is_patient:
        return [
            _("New photos go to the new clinic. What they sent stays where it was sent."),
            _("Whom they look after goes along."),
        ]
    if person.role == Role.DOCTOR:
        return [
            _("At once they see no case of %(clinic)s any more, and those of the new one instead.")
            % {"clinic": person.clinic},
            _("They stay verified. What they signed stays, with their name."),
        ]
    return [_("At once they look after the people, messages and settings there, and only there.")]


def _end_means(_person: User) -> list[str]:
    return [
        _("They are logged out on every device, and every API token ends."),
        _("They may log in again at once. To keep them out, suspend them."),
    ]


def _reset_means(_person: User) -> list[str]:
    return [
        _("Ask who they are first, by voice or in person: who asks for this may be somebody else."),
        _("Their app, passkeys and recovery codes let nobody in any more, and they are told."),
        _("Every session and API token ends. With their password they set up a new second step."),
    ]


def _reset(person: User, by: User, form: Form | None) -> None:
    if form is not None:
        second_factor.reset(person, by, form.cleaned_data["reason"])


def _suspend(person: User, by: User, form: Form | None) -> None:
    if form is not None:
        managing.suspend(person, by, form.cleaned_data["reason"])


def _move(person: User, by: User, form: Form | None) -> None:
    if isinstance(form, ClinicForm):
        managing.move(person, by, form.chosen())


def _has_login(person: User) -> bool:
    return person.carer_id is None


def _elsewhere(person: User) -> bool:
    more = Clinic.objects.exclude(pk=person.clinic_id or 0).exists()
    return _has_login(person) and (more or person.role == Role.ADMIN)


DEEDS = (
    Deed(
        "verify",
        _lazy("Verify as a doctor …"),
        _lazy("Verify %(name)s as a doctor?"),
        _lazy("%(name)s is a verified doctor."),
        lambda person: person.role == Role.DOCTOR and person.verified_at is None,
        _verify_means,
        lambda person, by, _form: managing.verify_doctor(person, by),
        kind="",
    ),
    Deed(
        "restore",
        _lazy("Lift the suspension …"),
        _lazy("Let %(name)s in again?"),
        _lazy("%(name)s may log in again."),
        lambda person: not person.is_active,
        _restore_means,
        lambda person, by, _form: managing.restore(person, by),
        kind="",
    ),
    Deed(
        "make-admin",
        _lazy("Make them an admin …"),
        _lazy("Make %(name)s an admin?"),
        _lazy("%(name)s is an admin now."),
        lambda person: person.role == Role.DOCTOR,
        _admin_means,
        lambda person, by, _form: managing.change_role(person, by, Role.ADMIN),
    ),
    Deed(
        "make-doctor",
        _lazy("Make them a doctor …"),
        _lazy("Make %(name)s a doctor, and no admin any more?"),
        _lazy("%(name)s is a doctor now, to be verified."),
        lambda person: person.role == Role.ADMIN and person.clinic_id is not None,
        _doctor_means,
        lambda person, by, _form: managing.change_role(person, by, Role.DOCTOR),
    ),
    Deed(
        "move",
        _lazy("Move to another clinic …"),
        _lazy("Where does %(name)s belong?"),
        _lazy("%(name)s belongs there now."),
        _elsewhere,
        _move_means,
        _move,
        form=ClinicForm,
        for_all_clinics=True,
    ),
    Deed(
        "end-sessions",
        _lazy("End their sessions …"),
        _lazy("Log %(name)s out everywhere?"),
        _lazy("%(name)s is logged out everywhere."),
        lambda person: person.is_active and _has_login(person),
        _end_means,
        lambda person, by, _form: managing.end_sessions_of(person, by),
    ),
    Deed(
        "reset-factor",
        _lazy("Reset their second step …"),
        _lazy("Reset the second step of %(name)s?"),
        _lazy("%(name)s sets up a new second step at the next log-in."),
        second_factor.has_factor,
        _reset_means,
        _reset,
        form=lambda _person, data: ResetForm(data),
    ),
    Deed(
        "unverify",
        _lazy("Take back the verification …"),
        _lazy("Take back the verification of %(name)s?"),
        _lazy("%(name)s is not verified any more."),
        lambda person: person.role == Role.DOCTOR and person.verified_at is not None,
        _unverify_means,
        lambda person, by, _form: managing.unverify_doctor(person, by),
        kind="danger",
    ),
    Deed(
        "suspend",
        _lazy("Suspend …"),
        _lazy("Suspend %(name)s?"),
        _lazy("%(name)s is suspended. Every session of theirs has ended."),
        lambda person: person.is_active and _has_login(person),
        _suspend_means,
        _suspend,
        form=lambda _person, data: ReasonForm(data),
        kind="danger",
    ),
)
BY_NAME = {deed.name: deed for deed in DEEDS}


def offers(by: User, person: User) -> list[Deed]:
    """What ``by`` can do about ``person`` now, in the order in which it is offered."""
    return [deed for deed in DEEDS if deed.offered(by, person)]
