"""Who someone is, what they agreed to, how they can be reached."""

from __future__ import annotations

from accounts.models.consent import Consent, ConsentQuerySet
from accounts.models.number import ContactNumber, ContactNumberQuerySet, StoppedPhone
from accounts.models.token import ApiToken, Scope
from accounts.models.trail import AuditEntry, AuditLink
from accounts.models.user import (
    ERASED_DOMAIN,
    ERASED_NAME,
    NO_LOGIN_DOMAIN,
    Clinic,
    Relation,
    ResetReason,
    Role,
    SuspensionReason,
    User,
    UserManager,
    UserQuerySet,
)
from accounts.reminder_stop import ReminderStop

__all__ = [
    "ERASED_DOMAIN",
    "ERASED_NAME",
    "NO_LOGIN_DOMAIN",
    "ApiToken",
    "AuditEntry",
    "AuditLink",
    "Clinic",
    "Consent",
    "ConsentQuerySet",
    "ContactNumber",
    "ContactNumberQuerySet",
    "Relation",
    "ReminderStop",
    "ResetReason",
    "Role",
    "Scope",
    "StoppedPhone",
    "SuspensionReason",
    "User",
    "UserManager",
    "UserQuerySet",
]
