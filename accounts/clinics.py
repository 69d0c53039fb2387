"""Clinics: a new one, and the rules of one there is. Every change is a line of the audit trail."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts.audit import record
from accounts.models import Clinic, User
from accounts.rows import PeopleError, lock

# All that admins set, in the order in which it is asked.
SETTINGS: Final = (
    *("name", "release_policy", "blind_reading", "double_reading_percent"),
    *("red_answer_hours", "amber_answer_hours", "green_answer_hours"),
    *("time_zone", "sun_month", "full_report"),
)


class ChangedMeanwhileError(PeopleError):
    """Somebody else has set something since the page was opened. Nothing is saved."""


class NameTakenError(PeopleError):
    """There is a clinic of this name."""


def managed_by(admin: User) -> QuerySet[Clinic]:
    """The clinics ``admin`` looks after: their own, or all if they belong to none."""
    if not admin.is_admin:
        return Clinic.objects.none()
    return Clinic.objects.filter(pk=admin.clinic_id) if admin.clinic_id else Clinic.objects.all()


def seen(clinic: Clinic) -> str:
    """The rules as they are, as one word: another word means that they are others."""
    rules = [getattr(clinic, name) for name in SETTINGS]
    return sha256(json.dumps(rules).encode()).hexdigest()[:16]


@transaction.atomic
def add(by: User, rules: Mapping[str, Any]) -> Clinic:
    """A new clinic with these rules. For an admin of all clinics."""
    admin = lock(by)
    if not admin.is_admin or admin.clinic_id is not None:
        raise PeopleError(_("Only an admin of all clinics adds one."))
    clinic = Clinic(**{name: rules[name] for name in SETTINGS if name in rules})
    _save(clinic)
    record("clinic.added", actor=by, about=f"clinic:{clinic.pk}", **_told(rules, SETTINGS))
    return clinic


@transaction.atomic
def change(clinic: Clinic, by: User, rules: Mapping[str, Any], *, as_seen: str) -> list[str]:
    """Set the rules of ``clinic``; returns the names of those that are others now.

    ``as_seen`` is :func:`seen` of the page they were changed on. The same change sent twice is
    made once.
    """
    admin = lock(by)
    if not managed_by(admin).filter(pk=clinic.pk).exists():
        raise PeopleError(_("You are not an admin of this clinic."))
    current = Clinic.objects.select_for_update(no_key=True).get(pk=clinic.pk)
    new = [name for name in SETTINGS if name in rules and rules[name] != getattr(current, name)]
    if new and seen(current) != as_seen:
        raise ChangedMeanwhileError(_("Somebody else has changed these rules meanwhile."))
    if new:
        for name in new:
            setattr(current, name, rules[name])
        _save(current, new)
        record("clinic.changed", actor=by, about=f"clinic:{clinic.pk}", **_told(rules, new))
    return new


def _save(clinic: Clinic, fields: list[str] | None = None) -> None:
    try:
        with transaction.atomic():
            clinic.save(update_fields=fields)
    except IntegrityError as taken:
        raise NameTakenError(_("There is a clinic of this name already.")) from taken


def _told(rules: Mapping[str, Any], names: tuple[str, ...] | list[str]) -> dict[str, Any]:
    """The trail holds no free text, and so no name."""
    return {name: rules[name] for name in names if name in rules and name != "name"}
