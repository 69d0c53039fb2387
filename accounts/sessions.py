"""How long somebody stays logged in, and where they are logged in now.

A session ends when nobody has used it for a while, and in any case after a while: sooner for who
sees other people's photos (``SESSION_…`` of the settings). When it began and was used last stands
in the session; the list of somebody's sessions is allauth's, whose rows we give the same time.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Final

from allauth.usersessions.adapter import DefaultUserSessionsAdapter, get_adapter
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout, update_session_auth_hash
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.audit import record
from accounts.models import User
from accounts.rows import about, end_sessions
from accounts.second_factor import must_have

OPENED, USED = "opened_at", "used_at"
# Of a session that is in use it is written so often, and not at each click.
EVERY: Final = 60.0


def begin(request: HttpRequest) -> None:
    """Somebody has just logged in."""
    request.session[OPENED] = request.session[USED] = time.time()


def is_over(user: User, opened: float, used: float, now: float) -> bool:
    """Whether the limits of who ``user`` is end a session that began and was used at these times,
    in seconds."""
    staff = must_have(user)
    idle: timedelta = settings.SESSION_IDLE_STAFF if staff else settings.SESSION_IDLE_PATIENT
    whole: timedelta = settings.SESSION_LIMIT_STAFF if staff else settings.SESSION_LIMIT_PATIENT
    return now - used > idle.total_seconds() or now - opened > whole.total_seconds()


def in_force(rows: Iterable[UserSession]) -> list[UserSession]:
    """Without those that their limits end at the next click: allauth's list keeps them."""
    now = time.time()
    return [
        row
        for row in rows
        if row.is_current()
        or not is_over(row.user, row.created_at.timestamp(), row.last_seen_at.timestamp(), now)
    ]


class SessionLimits:
    """Ends what is over, before any page is reached."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, _view: object, _args: object, _kwargs: object
    ) -> None:
        user = request.user
        if not isinstance(user, User):
            return
        now = time.time()
        opened, used = (request.session.get(key) for key in (OPENED, USED))
        if opened is None or used is None:  # from before there were limits
            begin(request)
        elif is_over(user, opened, used, now):
            logout(request)
            messages.info(request, _("You were logged out because some time has passed."))
        elif now - used > EVERY and _by_hand(request):
            request.session[USED] = now
            theirs = UserSession.objects.filter(session_key=request.session.session_key)
            theirs.update(last_seen_at=timezone.now())


def _by_hand(request: HttpRequest) -> bool:
    """Whether somebody is there: pages ask for news by themselves, too. Browsers say which it is.

    A script that knows of somebody at work says it (``worklist/claim.js``).
    """
    by_script = request.headers.get("Sec-Fetch-Dest", "document") != "document"
    return not by_script or request.headers.get("X-By-Hand") == "1"


# --- Where somebody is logged in -----------------------------------------------------------------
def end_all_but_this(user: User, request: HttpRequest) -> None:
    """Whoever else is logged in as ``user``, by a session or a token, is so no longer."""
    end_sessions(user)
    update_session_auth_hash(request, user)
    UserSession.objects.create_from_request(request)


class SessionsAdapter(DefaultUserSessionsAdapter):  # type: ignore[misc]  # allauth ships no types
    """What somebody ends on their list of sessions stands in the audit trail."""

    @transaction.atomic
    def end_sessions(self, sessions: Sequence[UserSession]) -> None:
        super().end_sessions(sessions)
        if sessions:
            user = sessions[0].user
            record("session.ended", actor=user, about=about(user), sessions=len(sessions))


def end(user: User, pk: int) -> bool:
    """End one of ``user``'s other sessions. ``False`` where there is none of that number."""
    found = [row for row in UserSession.objects.filter(user=user, pk=pk) if not row.is_current()]
    get_adapter().end_sessions(found)
    return bool(found)


_BROWSERS: Final = (
    ("Edge", r"Edg(?:e|A|iOS)?/"),
    ("Opera", r"OPR/|Opera"),
    ("Samsung Internet", r"SamsungBrowser/"),
    ("Firefox", r"Firefox/|FxiOS/"),
    ("Chrome", r"Chrome/|CriOS/"),
    ("Safari", r"Safari/"),
)
_SYSTEMS: Final = (
    ("iPhone", r"iPhone"),
    ("iPad", r"iPad"),
    ("Android", r"Android"),
    ("Windows", r"Windows"),
    ("Mac", r"Mac OS X|Macintosh"),
    ("ChromeOS", r"CrOS"),
    ("Linux", r"Linux"),
)


def device(user_agent: str) -> str:
    """What somebody calls it: "Firefox on Windows"."""
    browser = next((name for name, sign in _BROWSERS if re.search(sign, user_agent)), "")
    system = next((name for name, sign in _SYSTEMS if re.search(sign, user_agent)), "")
    if browser and system:
        return _("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    return browser or system or _("Another device")


# --- Those that are over -------------------------------------------------------------------------
def over() -> QuerySet[Session]:
    """Nobody can come back to them."""
    return Session.objects.filter(expire_date__lt=timezone.now())


def sweep() -> int:
    """Delete them, what somebody typed who never finished signing up among it.

    Of the list of where people are logged in, too: it keeps addresses of networks.
    """
    count = over().delete()[0]
    there = Session.objects.values("session_key")
    UserSession.objects.exclude(session_key__in=there).delete()
    return count
