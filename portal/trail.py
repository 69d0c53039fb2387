"""The audit trail for admins: who changed and who looked at what, the newest first.

An admin of one clinic reads what its people did, one of none everything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlencode

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import Promise
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.access import admin_required, person
from accounts.models import AuditEntry, AuditLink, User
from portal.trail_words import ACTIONS, LOOKS

PAGE = 50
MOST_PEOPLE = 50  # that a name may mean
LONGEST = 100
KINDS = ("", "looks", "changes")
_CASE = re.compile(r"[0-9a-f]{8}(-[0-9a-f-]{1,28})?")
_BEYOND_HEX = "g"


@dataclass(frozen=True, slots=True)
class Line:
    entry: AuditEntry
    what: str | Promise
    about: str
    address: str  # where there is more about it; "" for nowhere
    detail: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What a page is asked for: a name or a case, a kind of line, and what stands before."""

    search: str
    kind: str
    before: int | None

    @classmethod
    def read(cls, query: QueryDict) -> Asked:
        kind, before = query.get("kind", ""), query.get("before", "")
        return cls(
            query.get("q", "").replace("\0", "").strip()[:LONGEST],
            kind if kind in KINDS else "",
            int(before) if before.isascii() and before.isdecimal() and len(before) < 19 else None,
        )

    def older(self, before: int) -> str:
        said = {"q": self.search, "kind": self.kind, "before": str(before)}
        return urlencode({name: value for name, value in said.items() if value})


@never_cache
@require_safe
@admin_required
def trail(request: HttpRequest) -> HttpResponse:
    """A page of it. The number of statements does not grow with the trail."""
    user, asked = person(request), Asked.read(request.GET)
    rows = found(user, asked).select_related("actor")
    if asked.before is not None:
        rows = rows.filter(pk__lt=asked.before)
    entries = list(rows.order_by("-pk")[: PAGE + 1])
    context = {
        "asked": asked,
        "lines": [_line(entry) for entry in entries[:PAGE]],
        "older": asked.older(entries[PAGE - 1].pk) if len(entries) > PAGE else "",
        "linked": AuditLink.objects.order_by("-position").first(),
        "everything": user.clinic_id is None,
    }
    return render(request, "manage/trail.html", context)


def found(user: User, asked: Asked) -> QuerySet[AuditEntry]:
    """The lines ``user`` may read that are asked for."""
    rows = AuditEntry.objects.all()
    if user.clinic_id is not None:
        rows = rows.filter(actor__clinic=user.clinic_id)
    if asked.kind == "looks":
        rows = rows.filter(action__in=LOOKS)
    elif asked.kind == "changes":
        rows = rows.exclude(action__in=LOOKS)
    return rows.filter(_means(user, asked.search)) if asked.search else rows


def _means(user: User, search: str) -> Q:
    """Lines about a case, by its reference or id; else what people of this name did, and what
    was done to them."""
    lower = search.lower().removeprefix("case:")
    if _CASE.fullmatch(lower):
        start = f"case:{lower}"
        return Q(about__gte=start, about__lt=f"{start}{_BEYOND_HEX}")
    named = User.objects.managed_by(user).filter(
        Q(name__icontains=search) | Q(email__iexact=search)
    )
    keys = list(named.values_list("pk", flat=True)[:MOST_PEOPLE])
    return Q(actor__in=keys) | Q(about__in=[f"user:{key}" for key in keys])


def _line(entry: AuditEntry) -> Line:
    said = ", ".join(f"{name} {value}" for name, value in sorted(entry.detail.items()))
    kind, _, key = entry.about.partition(":")
    return Line(
        entry,
        ACTIONS.get(entry.action, entry.action),
        _called(kind, key),
        _address(kind, key),
        said,
    )


def _called(kind: str, key: str) -> str:
    """As people know it: a case by its reference."""
    return key[:8].upper() if kind == "case" else f"{kind} {key}".strip()


def _address(kind: str, key: str) -> str:
    if kind == "user":
        return reverse("manage_person", args=[key])
    if kind in ("case", "message"):
        return f"{reverse('operation_job')}?{urlencode({'id': f'{kind}:{key}'})}"
    return ""
