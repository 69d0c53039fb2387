"""Which views of a version are looked at: since when, of which clinic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import Clinic, User
from diagnoses.models import Prediction, Scoring
from diagnoses.models.scoring import NO_FAILURE
from mlservice.models import ModelVersion

# By what stands in the address; None is from the beginning.
PERIODS: Final[dict[str, tuple[str | Promise, int | None]]] = {
    "7": (_("7 days"), 7),
    "30": (_("30 days"), 30),
    "90": (_("90 days"), 90),
    "all": (_("All"), None),
}
USUAL: Final = "30"
# Longer periods are drawn by week.
MOST_DAYS: Final = 31


@dataclass(frozen=True, slots=True)
class Scope:
    """``period`` is a key of :data:`PERIODS`; without a ``clinic`` all clinics' cases count."""

    version: ModelVersion
    period: str = USUAL
    clinic: Clinic | None = None

    @property
    def since(self) -> datetime | None:
        days = PERIODS[self.period][1]
        return None if days is None else timezone.now() - timedelta(days=days)

    @property
    def by_week(self) -> bool:
        days = PERIODS[self.period][1]
        return days is None or days > MOST_DAYS

    def views(self) -> QuerySet[Prediction]:
        """The views of the period."""
        found = self.all_views()
        return found if self.since is None else found.filter(created_at__gte=self.since)

    def all_views(self) -> QuerySet[Prediction]:
        """Those of any time."""
        live = Prediction.objects.live().filter(model_version=self.version)
        return live if self.clinic is None else live.filter(case__clinic=self.clinic)

    def tried(self) -> QuerySet[Scoring]:
        """What the version was asked to look at in the period, and what came of it is known."""
        ended = Scoring.objects.live().filter(model_version=self.version)
        tried = ended.filter(settled_at__isnull=False).exclude(error__in=NO_FAILURE)
        if self.since is not None:
            tried = tried.filter(settled_at__gte=self.since)
        return tried if self.clinic is None else tried.filter(case__clinic=self.clinic)


def clinics_of(admin: User) -> list[Clinic]:
    """The clinics that an admin may choose among: all, or none beside their own."""
    return [] if admin.clinic_id else list(Clinic.objects.order_by("name"))


def scope_for(
    admin: User, version: ModelVersion, period: str, clinic: str, clinics: Sequence[Clinic]
) -> Scope | None:
    """What ``admin`` asks to see: of one clinic, that one; else all or one of ``clinics``.

    ``None``: there is no such clinic.
    """
    period = period if period in PERIODS else USUAL
    if admin.clinic is not None or not clinic:
        return Scope(version, period, admin.clinic)
    found = next((one for one in clinics if str(one.pk) == clinic), None)
    return None if found is None else Scope(version, period, found)
