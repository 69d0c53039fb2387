"""Who has looked at somebody's cases and photos: from the audit trail, for that person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from django.db.models import Count, Max, Q, QuerySet
from django.db.models.functions import TruncDate
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import AuditEntry, User
from diagnoses.models import Case

PHOTO: Final = "photo.viewed"
# What counts as a look, and what it is called. A photo is counted.
LOOKS: Final[Mapping[str, str | Promise]] = {
    "case.viewed": _("opened the case"),
    "heatmap.viewed": _("looked at where the computer looked"),
    "case.report": _("saved the case as a PDF"),
    "case.exported": _("took a copy of the case along"),
    "case.letter_printed": _("printed a letter about it"),
    "job.viewed": _("looked at how the case travelled, without photos or words"),
}


@dataclass(frozen=True, slots=True)
class Look:
    """What one person did with one case on one day."""

    case: Case
    who: User | None  # None: nobody was logged in
    day: date
    last: datetime
    photos: int
    did: list[str | Promise]


def looks(person: User) -> QuerySet[AuditEntry, Any]:
    """At ``person``'s cases by anybody but themselves and their carer: by day, person and case, the
    newest first; rows for :func:`told`."""
    mine = Case.objects.filter(patient=person).values_list("pk", flat=True)
    rows = AuditEntry.objects.filter(
        about__in=[f"case:{pk}" for pk in mine], action__in=[PHOTO, *LOOKS]
    )
    others = rows.exclude(actor__in=[person.pk, *([person.carer_id] if person.carer_id else [])])
    counted = {
        name.replace(".", "_"): Count("pk", filter=Q(action=name)) for name in (PHOTO, *LOOKS)
    }
    found: QuerySet[AuditEntry, Any] = (
        others.order_by()
        .values("actor", "about", day=TruncDate("at"))
        .annotate(last=Max("at"), **counted)
        .order_by("-last", "about")
    )
    return found


def told(rows: Sequence[Mapping[str, Any]]) -> list[Look]:
    """Rows of :func:`looks` with the cases and people they are of, in two statements."""
    cases = Case.objects.in_bulk([row["about"].removeprefix("case:") for row in rows])
    by_id = {str(pk): case for pk, case in cases.items()}
    people = User.objects.select_related("clinic").in_bulk({row["actor"] for row in rows} - {None})
    return [
        Look(
            by_id[row["about"].removeprefix("case:")],
            people.get(row["actor"]),
            row["day"],
            row["last"],
            row["photo_viewed"],
            [words for name, words in LOOKS.items() if row[name.replace(".", "_")]],
        )
        for row in rows
    ]
