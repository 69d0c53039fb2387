"""What waits for a doctor, in the order it should be read, a page at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Self
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import (
    BooleanField,
    Count,
    Exists,
    ExpressionWrapper,
    OuterRef,
    Q,
    Subquery,
)
from django.db.models.functions import Now
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from diagnoses import claims, finding, gathered, ordering
from diagnoses.models import DUE_SOON, Case, CaseQuerySet, Claim, Photo, Remark, Retake
from mlservice.packs import available_packs
from mlservice.readers import pack_for_reader
from notifications.models import Invitation

PAGE = 25
# Counts stop here and then read "1000+": counting every row of a long list costs more than it says.
COUNT_UP_TO = 1000


class Show(StrEnum):
    """The lists a doctor can look at."""

    ALL = "all"
    MINE = "mine"
    UNASSIGNED = "unassigned"
    TODAY = "today"
    LATE = "late"
    ASKED = "asked"

    @property
    def heading(self) -> str:
        return {
            Show.ALL: _("All waiting"),
            Show.MINE: _("Asked for me"),
            Show.UNASSIGNED: _("Unassigned"),
            Show.TODAY: _("Due today"),
            Show.LATE: _("Late"),
            Show.ASKED: _("With a question"),
        }[self]


@dataclass(frozen=True, slots=True)
class Filters:
    """What the doctor chose to see. Made from a query string, and turns back into one."""

    show: Show = Show.ALL
    search: str = ""
    site: str = ""  # a body site's name
    area: str = ""  # a disease area's name: its pack's
    found: Q | None = None  # what the search means, once that is looked up

    @classmethod
    def read(cls, query: QueryDict) -> Self:
        """Unknown values mean the whole list: a mistyped address hides no case."""
        show, site, area = (query.get(name, "") for name in ("show", "site", "area"))
        return cls(
            show=Show(show) if show in set(Show) else Show.ALL,
            # PostgreSQL knows no zero character, and nobody is called so.
            search=query.get("q", "").replace("\0", "").strip()[:100],
            site=site if site in finding.sites() else "",
            area=area if area in available_packs() else "",
        )

    def apply(self, cases: CaseQuerySet, user: User) -> CaseQuerySet:
        there = cases.filter(site=self.site) if self.site else cases
        there = there.filter(pack_name=self.area) if self.area else there
        return self._found(there).filter(_shown(self.show, user))

    def looked_up(self) -> Self:
        """With what the search means, for whoever asks for more than one list."""
        return replace(self, found=finding.matching(self.search)) if self.search else self

    def _found(self, cases: CaseQuerySet) -> CaseQuerySet:
        found = self.looked_up().found if self.found is None else self.found
        return cases if found is None else cases.filter(found)

    @property
    def narrowed(self) -> bool:
        """Whether less than the whole of a list is asked for."""
        return bool(self.search or self.site or self.area)

    @property
    def site_in_words(self) -> str:
        return finding.sites().get(self.site, "")

    @property
    def area_in_words(self) -> str:
        return pack_for_reader(self.area).title if self.area else ""

    def showing(self, show: Show) -> Self:
        return replace(self, show=show)

    def query(self, **more: str) -> str:
        """As a query string, without what is not set; empty for the whole list."""
        show = self.show if self.show is not Show.ALL else ""
        values = {"show": show, "q": self.search, "site": self.site, "area": self.area, **more}
        return urlencode({key: value for key, value in values.items() if value})


@dataclass(frozen=True, slots=True)
class Tally:
    """How many, or at least how many."""

    number: int
    more: bool

    def __str__(self) -> str:
        return f"{self.number}+" if self.more else str(self.number)


@dataclass(frozen=True, slots=True)
class Row:
    """One case as a list shows it."""

    case: Case
    site: str  # as people call it
    photo_id: UUID | None
    late: bool
    soon: bool  # due within the hours that put a case ahead of its tier
    photo_wanted: bool = False  # a doctor asked for a new one, and it has not come
    photo_came: bool = False  # a new one came, and nobody has signed since
    open_with: Claim | None = None  # a colleague's

    @classmethod
    def of(cls, case: Case, open_with: Claim | None = None) -> Self:
        left = case.answer_due_at - timezone.now()
        return cls(
            case,
            case.place,
            getattr(case, "photo_id", None),
            late=case.is_open and left < timedelta(0),
            soon=case.is_open and timedelta(0) <= left < DUE_SOON,
            photo_wanted=case.is_open and getattr(case, "photo_wanted", False),
            photo_came=case.is_open and getattr(case, "photo_came", False),
            open_with=open_with,
        )


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the list; ``after`` is the case the next page starts behind, if there is one."""

    rows: Sequence[Row]
    after: UUID | None


def waiting_for(user: User) -> CaseQuerySet:
    """Every case this doctor may read that still needs a doctor."""
    return Case.objects.readable_by_doctor(user).awaiting_review()


def shown_in(show: Show, user: User) -> CaseQuerySet:
    """What a list is made of. Questions are asked after the signature, too."""
    if show is Show.ASKED:
        return Case.objects.readable_by_doctor(user).with_question()
    return waiting_for(user)


def listed(user: User, filters: Filters) -> CaseQuerySet:
    """All that stands on the list these filters choose, in no order."""
    return filters.apply(shown_in(filters.show, user), user)


def page(user: User, filters: Filters, *, after: UUID | None = None, size: int = PAGE) -> Page:
    """The cases behind ``after`` in the order of urgency, at most ``size``.

    The page is marked by a case, not by its sort key: the key holds the computer's risk, which
    no doctor may see before their own reading. If that case has moved up in the meantime the page
    repeats some rows; it never skips one that stayed where it was.
    """
    cases = listed(user, filters)
    head = ordering.head(cases, size + 1, ordering.mark_of(user, after) if after else None)
    found = gathered.read(with_first_photo(head), gathered.CLAIMS)
    rows = [Row.of(case, claims.of_colleague(case, user)) for case in found[:size]]
    return Page(rows, rows[-1].case.pk if len(found) > size else None)


def next_of(rows: Sequence[Row]) -> Case | None:
    """The first case that no colleague has open; the first of all, if they have all of them."""
    free = [row for row in rows if row.open_with is None] or rows
    return free[0].case if free else None


def tallies(user: User, filters: Filters) -> dict[Show, Tally]:
    """How many cases each list holds under the same search, in two statements.

    Counted among the first :data:`COUNT_UP_TO` by due time, so what is late or due today is exact
    as long as the number is below it.
    """
    some = filters.showing(Show.ALL).apply(waiting_for(user), user)
    waiting = [show for show in Show if show is not Show.ASKED]
    belongs = {
        f"in_{show}": ExpressionWrapper(_shown(show, user), BooleanField()) for show in waiting
    }
    first = some.annotate(**belongs).order_by("answer_due_at")[:COUNT_UP_TO]
    numbers = first.aggregate(
        **{show: Count("pk", filter=Q(**{f"in_{show}": True})) for show in waiting}
    )
    asked = listed(user, filters.showing(Show.ASKED))
    numbers[Show.ASKED] = asked.order_by()[:COUNT_UP_TO].count()
    full = numbers[Show.ALL] >= COUNT_UP_TO
    anywhere = {Show.MINE, Show.UNASSIGNED}  # not only among the first by due time
    return {
        show: Tally(numbers[show], full and (show in anywhere or numbers[show] >= COUNT_UP_TO))
        for show in Show
    }


def answered(user: User, *, days: int = 14, size: int = 50) -> list[Row]:
    """What the clinic's doctors signed lately, newest first."""
    cases = Case.objects.readable_by_doctor(user).filter(
        signed_at__gte=Now() - timedelta(days=days)
    )
    return [Row.of(case) for case in with_first_photo(cases.order_by("-signed_at", "pk"))[:size]]


def with_first_photo(cases: CaseQuerySet) -> CaseQuerySet:
    """With everything :class:`Row` shows, at no query a row."""
    first_photo = Photo.objects.filter(case=OuterRef("pk")).order_by("created_at", "pk")
    asked = Remark.objects.filter(case=OuterRef("pk"), kind=Remark.Kind.RETAKE_REQUEST)
    return cases.select_related("patient", "doctor", "signed_by").annotate(
        photo_id=Subquery(first_photo.values("pk")[:1]),
        photo_wanted=Exists(asked.filter(retake=None)),
        photo_came=Exists(Retake.objects.filter(case=OuterRef("pk"))),
    )


def end_of_today() -> datetime:
    """Midnight tonight, where the clinic is."""
    tomorrow = timezone.localdate() + timedelta(days=1)
    return timezone.make_aware(datetime.combine(tomorrow, time.min))


def _shown(show: Show, user: User) -> Q:
    match show:
        case Show.MINE:
            return Q(doctor=user)
        case Show.UNASSIGNED:
            joined = Invitation.objects.filter(accepted_by__isnull=False).values("pk")
            asked = Q(doctor__isnull=False) | Q(invitation__in=joined)
            return ~asked & ~claims.by_a_colleague(user)
        case Show.TODAY:
            return Q(answer_due_at__lt=end_of_today())
        case Show.LATE:
            return Q(answer_due_at__lt=Now())
        case Show.ALL | Show.ASKED:
            return Q(pk__isnull=False)
