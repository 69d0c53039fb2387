"""The pages each role finds in the header and in the account menu."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from django.urls import NoReverseMatch, reverse

from accounts.models import User


@dataclass(frozen=True)
class Link:
    label: str
    url: str
    here: str = ""  # what aria-current says: "page", "true" for a page below it, or nothing


PATIENT = (("My cases", "case_list"), ("New photo", "case_new"))
DOCTOR = (("Worklist", "worklist"),)
ADMIN = (("Admin", "admin:index"),)
ACCOUNT = (
    ("Contact and consents", "settings"),
    ("Change password", "account_change_password"),
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
    return _marked(_links(pages), path)


def account() -> list[Link]:
    return _links(ACCOUNT)


def _links(pages: Iterable[tuple[str, str]]) -> list[Link]:
    """What is mounted: a page whose room is switched off leaves no dead link behind."""
    links = []
    for label, name in pages:
        with suppress(NoReverseMatch):
            links.append(Link(label, reverse(name)))
    return links


def _marked(links: list[Link], path: str) -> list[Link]:
    """Marks the link one stands on; a page below a link marks the longest that it is under."""
    under = max((link.url for link in links if path.startswith(link.url)), key=len, default="")
    return [
        Link(link.label, link.url, "page" if path == under else "true")
        if link.url == under
        else link
        for link in links
    ]
