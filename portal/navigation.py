"""The pages each role finds in the header and in the account menu."""

from __future__ import annotations

from dataclasses import dataclass, replace

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts import directory
from accounts.models import User
from notifications import staff


@dataclass(frozen=True)
class Link:
    label: str | Promise
    url: str
    here: str = ""  # what aria-current says: "page", "true" for a page below it, or nothing
    also: str = ""  # another address whose pages stand below it
    count: str = ""  # how much waits there, "" for nothing


Pages = tuple[tuple[str | Promise, str], ...]
# A case is about a mark, and an invitation about somebody.
BELOW = {"lesion_list": "case_list", "manage_people": "manage_invitations"}

PATIENT: Pages = (
    (_("My marks"), "lesion_list"),
    (_("New photo"), "case_new"),
    (_("Learn"), "learn"),
)
DOCTOR: Pages = (
    (_("Worklist"), "worklist"),
    (_("Second readings"), "worklist_again"),
    (_("Answered"), "worklist_done"),
    (_("My numbers"), "worklist_numbers"),
)
ADMIN: Pages = (
    (_("Overview"), "manage"),
    (_("People"), "manage_people"),
    (_("Clinics"), "manage_clinics"),
    (_("Messages"), "staff_messages"),
    (_("Models"), "models"),
)
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
    links = [
        Link(
            label,
            reverse(name),
            also=reverse(BELOW[name]) if name in BELOW else "",
            count=directory.counted(staff.open_tasks(user)) if name == "staff_messages" else "",
        )
        for label, name in pages
    ]
    return _marked(links, path)


def account() -> list[Link]:
    return [Link(label, reverse(name)) for label, name in ACCOUNT]


def _marked(links: list[Link], path: str) -> list[Link]:
    """Marks the link one stands on; a page below a link marks the longest that it is under."""
    addresses = [url for link in links for url in (link.url, link.also) if url]
    under = max((url for url in addresses if path.startswith(url)), key=len, default="")
    return [
        replace(link, here="page" if path == link.url else "true")
        if under and under in (link.url, link.also)
        else link
        for link in links
    ]
