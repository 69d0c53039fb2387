"""What the audit trail says about somebody, in words; newest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import TextChoices
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from accounts.models import AuditEntry, Clinic, Consent, ResetReason, Role, SuspensionReason, User
from accounts.rows import about
from accounts.wording import WORDING

PAGE = 20
VIEWED = "person.viewed"
READ = "person.read"  # by a program, with their cases
ACTIONS: Mapping[str, str | Promise] = {
    "admin.joined": _lazy("Joined as an admin"),
    "consent.given": _lazy("Agreed"),
    "consent.withdrawn": _lazy("Took back an agreement"),
    "doctor.joined": _lazy("Joined as a doctor"),
    "doctor.unverified": _lazy("Verification taken back"),
    "doctor.verified": _lazy("Verified as a doctor"),
    "factor.added": _lazy("Set up a second step"),
    "factor.new_codes": _lazy("Made new recovery codes"),
    "factor.recovery_used": _lazy("Used a recovery code"),
    "factor.removed": _lazy("Took a second step away"),
    "factor.reset": _lazy("Second step reset by an admin"),
    "number.added": _lazy("Gave a phone number"),
    "number.confirmed": _lazy("Phone number confirmed"),
    "number.opted_in": _lazy("Wants messages on a number"),
    "number.opted_out": _lazy("The phone said STOP"),
    "number.removed": _lazy("Removed a phone number"),
    "person.described": _lazy("Name or relation mended"),
    "person.erased": _lazy("Account erased"),
    "person.erasure_asked": _lazy("Asked to be erased"),
    "person.erasure_undone": _lazy("Will not be erased after all"),
    "person.exported": _lazy("All their data was downloaded"),
    "person.language_chosen": _lazy("Chose a language"),
    "person.logged_in": _lazy("Logged in"),
    "person.logged_out": _lazy("Logged out everywhere by an admin"),
    "person.logged_out_everywhere": _lazy("Logged out everywhere"),
    "person.looked_after": _lazy("Written down by their carer"),
    "person.moved": _lazy("Belongs to another clinic now"),
    "person.password_changed": _lazy("Password changed"),
    "person.restored": _lazy("May log in again"),
    "person.role_changed": _lazy("Has another role"),
    "person.suspended": _lazy("Suspended"),
    VIEWED: _lazy("An admin opened this page"),
    "reminders.resumed": _lazy("Has reminders again"),
    "reminders.stopped": _lazy("Stopped reminders"),
    "session.ended": _lazy("Ended sessions on other devices"),
    "token.created": _lazy("An API token was made"),
    "token.ended": _lazy("An API token was ended"),
}


class Factor(TextChoices):
    """As allauth calls them, in our words."""

    TOTP = "totp", _lazy("App with codes")
    WEBAUTHN = "webauthn", _lazy("Passkey")
    RECOVERY_CODES = "recovery_codes", _lazy("Recovery codes")


# Where one word of an entry's detail says what there is to say.
CODES: Mapping[str, tuple[str, type[TextChoices]]] = {
    "factor.added": ("type", Factor),
    "factor.removed": ("type", Factor),
    "factor.reset": ("reason", ResetReason),
    "person.suspended": ("reason", SuspensionReason),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened; ``by`` is empty where nobody was logged in."""

    at: datetime
    what: str
    more: str
    by: str


@dataclass(frozen=True, slots=True)
class Page:
    lines: list[Line]
    before: int | None  # the entry behind which older ones stand


def page(person: User, *, before: int | None = None, size: int = PAGE) -> Page:
    """What happened to ``person``, in two statements; who looked at it is in the audit trail."""
    entries = AuditEntry.objects.filter(about=about(person)).exclude(action__in=[VIEWED, READ])
    if before is not None:
        entries = entries.filter(pk__lt=before)
    found = list(entries.select_related("actor").order_by("-pk")[: size + 1])
    clinics = _clinics(found[:size])
    lines = [_line(entry, clinics) for entry in found[:size]]
    return Page(lines, found[size - 1].pk if len(found) > size else None)


def _clinics(entries: Sequence[AuditEntry]) -> dict[int, str]:
    named = {entry.detail.get(key) for entry in entries for key in ("clinic", "was")}
    ids = [one for one in named if isinstance(one, int)]
    return dict(Clinic.objects.filter(pk__in=ids).values_list("pk", "name"))


def _line(entry: AuditEntry, clinics: Mapping[int, str]) -> Line:
    what = str(ACTIONS.get(entry.action, entry.action))
    return Line(entry.at, what, _more(entry, clinics), str(entry.actor) if entry.actor else "")


def _more(entry: AuditEntry, clinics: Mapping[int, str]) -> str:
    """What the entry's codes mean; "" where they say no more than its action."""
    detail = entry.detail
    if entry.action in CODES:
        key, choices = CODES[entry.action]
        return _named(choices, detail.get(key))
    match entry.action:
        case "person.role_changed":
            return f"{_named(Role, detail.get('was'))} → {_named(Role, detail.get('role'))}"
        case "person.moved":
            places = (_place(detail.get(key), clinics) for key in ("was", "clinic"))
            return " → ".join(places)
        case "doctor.joined" | "admin.joined":
            return _place(detail.get("clinic"), clinics)
        case "consent.given" | "consent.withdrawn":
            kind = detail.get("kind")
            return str(WORDING[Consent.Kind(kind)].title) if kind in Consent.Kind.values else ""
    return ""


def _named(choices: type[TextChoices], code: object) -> str:
    return str(choices(code).label) if code in choices.values else ""


def _place(clinic: object, clinics: Mapping[int, str]) -> str:
    if clinic is None:
        return _("All clinics")
    return clinics.get(clinic, "") if isinstance(clinic, int) else ""
