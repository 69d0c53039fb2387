"""What somebody can see and do, in words, from what they are at this moment."""

from __future__ import annotations

from django.utils.translation import gettext as _

from accounts.models import Role, User


def what_they_see(person: User) -> list[str]:
    """One sentence a line; ``person`` comes with their clinic and carer."""
    if person.erased_at is not None:
        return [_("Nothing. The account is erased, and nobody can log in with it.")]
    if person.carer is not None:
        words = {"carer": person.carer}
        return [_("Nothing: they have no login of their own. %(carer)s acts for them.") % words]
    if not person.is_active:
        return [_("Nothing. Nobody can log in with this account while it is suspended.")]
    if person.role == Role.ADMIN:
        return _admin(person)
    if person.role == Role.DOCTOR:
        return _doctor(person)
    return [
        _("Their own marks, photos, messages and answers, and those of whom they look after."),
        _("Nobody else’s, and no list of people."),
    ]


def _doctor(person: User) -> list[str]:
    if person.verified_at is None:
        return [_("No case, no photo and no name, until an admin has verified them.")]
    return [
        _("Every case of %(clinic)s: photos, answers and the patient’s name. They read and sign.")
        % {"clinic": person.clinic},
        _("Cases of other clinics only where a patient has agreed to share one with them."),
        _("Nothing about other people’s accounts, and no settings."),
    ]


def _admin(person: User) -> list[str]:
    where = {"clinic": person.clinic}
    if person.clinic is None:
        scope = _("All clinics: their people, messages and settings, and how their cases travel.")
    else:
        scope = (
            _("%(clinic)s: its people, messages and settings, and how its cases travel.") % where
        )
    return [
        scope,
        _("No photos, none of the patients’ answers, and nothing of what doctors wrote."),
        _("The audit trail: who changed and who looked at what."),
    ]
