"""The pages each role finds in the header and in the account menu."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import User


@dataclass(frozen=True)
class Link:
    label: str | Promise
    url: str
    here: str = ""  # what aria-current says: "page", "true" for a page below it, or nothing


Pages = tuple[tuple[str | Promise, str], ...]

PATIENT: Pages = (
    (_("My cases"), "case_list"),
    (_("New photo"), "case_new"),
    (_("Learn"), "learn"),
)
DOCTOR: Pages = ((_("Worklist"), "worklist"), (_("Answered"), "worklist_done"))
ADMIN: Pages = ((_("Admin"), "admin:index"),)
ACCOUNT: Pages = (
    (_("Your account"), "account"),
    (_("Change password"), "account_change_password"),
)


def for_user(user: User, path: str) -> list[Link]:
    """The pages of their role. A doctor nobody has verified yet finds none."""
    if user.is_admin:
        pages = ADMIN
    elif user.is_reading_doctor:
        pages = DOCTOR
    elif user.is_patient:
        pages = PATIENT
    else:
        return []
    return _marked([Link(label, reverse(name)) for label, name in pages], path)


def account() -> list[Link]:
    return [Link(label, reverse(name)) for label, name in ACCOUNT]


def _marked(links: list[Link], path: str) -> list[Link]:
    """Marks the link one stands on; a page below a link marks the longest that it is under."""
    under = max((link.url for link in links if path.startswith(link.url)), key=len, default="")
    return [
        Link(link.label, link.url, "page" if path == under else "true")
        if link.url == under
        else link
        for link in links
    ]
