"""The eight kinds of resource, and how each is found: one by its id, or a page of them.

Most are said of a case, so a page is made of cases, newest first, and what each has of the kind. It
goes on at a case and behind so many of its resources: nothing is left out between two pages, and
the number of statements is the same for every page.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from accounts.models import User
from diagnoses.fhir import findings, resources
from diagnoses.fhir.asking import Asked, bad_page, next_page
from diagnoses.fhir.library import Resource
from diagnoses.fhir.told import TELLING_MOVES, Told, cases_for, told
from diagnoses.models import (
    CaseEvent,
    CaseQuerySet,
    FirstReading,
    Lesion,
    Prediction,
    Remark,
    Review,
)
from mlservice.models import ModelVersion

M = TypeVar("M", bound=Model)
EVERY = Q()
_CASE_FIRST = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Page:
    """Resources with what each is about, for the trail: "case:…", "user:…"; "" for nobody's."""

    found: tuple[tuple[Resource, str], ...]
    next: str = ""


@dataclass(frozen=True, slots=True)
class OfCase:
    """What is said of a case. ``some``: cases that may have some of it at all."""

    name: str
    make: Callable[[Told], Iterable[Resource]]
    some: Q | Exists = EVERY
    search: frozenset[str] = frozenset({"_id", "patient", "subject", "based-on", "_lastUpdated"})

    def page(self, user: User, base: str, asked: Asked) -> Page:
        cases = _asked_for(cases_for(user).filter(self.some), user, asked)
        if asked.key:
            cases = cases.filter(_case_of(self.name, asked.key))
        given: dict[UUID, int] = {}  # how many of a case's resources are on the pages before
        if asked.page is not None:
            behind, given = _position(asked.page)
            cases = cases.filter(behind)
        newest = cases.order_by("-submitted_at", "-pk")[: asked.count + 1]
        all_told = told(newest, user, base)
        page: list[tuple[Resource, str]] = []
        for one in all_told:
            made = list(self.make(one))
            for number in range(given.get(one.case.pk, 0), len(made)):
                if asked.key not in ("", made[number]["id"]):
                    continue
                if len(page) == asked.count:
                    return Page(tuple(page), _goes_on(one, number))
                page.append((made[number], f"case:{one.case.pk}"))
        if len(all_told) > asked.count:  # some cases have none
            return Page(tuple(page), _goes_on(one, len(made)))
        return Page(tuple(page))


@dataclass(frozen=True, slots=True)
class Row(Generic[M]):
    """What has a table of its own, in the order of ``key``."""

    name: str
    rows: Callable[[User], QuerySet[M]]
    make: Callable[[M], Resource]
    key: str
    about: Callable[[M], str]
    patient: str = ""  # the lookup that a search by patient means
    uuids: bool = True

    @property
    def search(self) -> frozenset[str]:
        return frozenset({"_id", "patient"} if self.patient else {"_id"})

    def page(self, user: User, base: str, asked: Asked) -> Page:  # noqa: ARG002 - one of two
        rows = self.rows(user).order_by(self.key)
        if asked.key:
            rows = rows.filter(**{self.key: asked.key}) if self._is_key(asked.key) else rows.none()
        if asked.patient:
            rows = rows.filter(**{self.patient: asked.patient})
        if asked.page is not None:
            if len(asked.page) != 1 or not self._is_key(asked.page[0]):
                raise bad_page()
            rows = rows.filter(**{f"{self.key}__gt": asked.page[0]})
        found = list(rows[: asked.count + 1])
        page = tuple((self.make(row), self.about(row)) for row in found[: asked.count])
        more = len(found) > asked.count
        return Page(page, next_page(getattr(found[-2], self.key)) if more else "")

    def _is_key(self, words: str) -> bool:
        if not self.uuids:
            return re.fullmatch(r"[0-9a-f]{64}", words) is not None
        return _CASE_FIRST.fullmatch(words) is not None


Kind = OfCase | Row[Any]


# --- Cases ---------------------------------------------------------------------------------------


def _asked_for(cases: CaseQuerySet, user: User, asked: Asked) -> CaseQuerySet:
    if asked.patient:
        cases = cases.filter(patient__public_id=asked.patient)
    if asked.case:
        cases = cases.filter(pk=asked.case)
    if asked.references:
        cases = cases.filter(pk__range=asked.references)
    return cases.filter(_changed(user, asked)) if asked.since else cases


def _changed(user: User, asked: Asked) -> Q:
    """:attr:`Told.changed_at`, asked of the database; and what was said."""
    after = "gte" if asked.including else "gt"

    def later(name: str) -> dict[str, Any]:
        return {f"{name}__{after}": asked.since}

    mine = OuterRef("pk")
    moves = CaseEvent.objects.filter(case=mine, kind__in=TELLING_MOVES, **later("at"))
    standing = Review.objects.standing().filter(case=mine, effective_at__lte=timezone.now())
    own = FirstReading.objects.filter(case=mine, doctor=user, **later("created_at"))
    said = Remark.objects.filter(case=mine, **later("created_at"))
    news = (moves, standing.filter(**later("effective_at")), own, said)
    found = Q(**later("submitted_at"))
    for each in news:
        found |= Q(Exists(each))
    return found


def _case_of(kind: str, key: str) -> Q:
    """The case that a resource of this id is said of."""
    match = _CASE_FIRST.match(key)
    if match is None:
        return Q(pk__in=[])
    return Q(photos=match[0]) if kind == "Media" else Q(pk=match[0])


def _goes_on(one: Told, number: int) -> str:
    return next_page(one.case.submitted_at.isoformat(), one.case.pk, number)


def _position(page: Sequence[str]) -> tuple[Q, dict[UUID, int]]:
    """This case and whatever is older; how many of its resources were on the pages before."""
    try:
        moment, case, number = parse_datetime(page[0]), UUID(page[1]), int(page[2])
    except (ValueError, IndexError) as error:
        raise bad_page() from error
    if moment is None or timezone.is_naive(moment) or not 0 <= number < 10_000:
        raise bad_page()
    # The first condition says nothing new, and is what an index can start from.
    behind = Q(submitted_at__lte=moment) & (Q(submitted_at__lt=moment) | Q(pk__lte=case))
    return behind, {case: number}


# --- Everything there is -------------------------------------------------------------------------


def _patients(user: User) -> QuerySet[User]:
    """Whose cases there are; a patient also before their first one."""
    with_cases = Exists(cases_for(user).order_by().filter(patient=OuterRef("pk")))
    mine = User.objects.answered_for_by(user) if user.is_patient else User.objects.none()
    both = User.objects.get_queryset().filter(Q(with_cases) | Q(pk__in=mine.values("pk")))
    return both.select_related("carer", "clinic")


def _marks(user: User) -> QuerySet[Lesion]:
    of_cases = cases_for(user).order_by().values("lesion")
    return Lesion.objects.filter(pk__in=of_cases).select_related("patient")


def _versions(user: User) -> QuerySet[ModelVersion]:
    """Those that looked at a case of theirs; of a candidate in the shadow nobody hears here."""
    looked = Prediction.objects.live().filter(case__in=cases_for(user).order_by().values("pk"))
    return ModelVersion.objects.filter(pk__in=looked.order_by().values("model_version"))


def _one(make: Callable[[Told], Resource]) -> Callable[[Told], Iterator[Resource]]:
    def made(one: Told) -> Iterator[Resource]:
        yield make(one)

    return made


_SAID = Exists(Remark.objects.filter(case=OuterRef("pk")))
_BY_IDENTIFIER = frozenset({"_id", "patient", "subject", "identifier", "_lastUpdated"})
KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Row("Patient", _patients, resources.patient, "public_id", lambda row: f"user:{row.pk}"),
        OfCase("ServiceRequest", _one(resources.service_request), search=_BY_IDENTIFIER),
        OfCase("DiagnosticReport", _one(findings.diagnostic_report)),
        OfCase("Observation", findings.observations),
        OfCase("Media", resources.media),
        Row(
            "BodyStructure",
            _marks,
            resources.body_structure,
            "pk",
            lambda row: f"lesion:{row.pk}",
            patient="patient__public_id",
        ),
        Row("Device", _versions, resources.device, "manifest_hash", lambda _: "", uuids=False),
        OfCase("Communication", resources.communications, _SAID),
    )
}


def one_of(kind: Kind, user: User, base: str, key: str) -> tuple[Resource, str] | None:
    """The resource with this id and what it is about; ``None`` where there is none for them."""
    found = kind.page(user, base, Asked(count=1, key=key)).found
    return found[0] if found else None


def whole(case: UUID, user: User, base: str) -> list[Resource] | None:
    """Everything of one case, each resource once; ``None`` where it is not theirs."""
    all_told = told(cases_for(user).filter(pk=case), user, base)
    return whole_of(all_told[0]) if all_told else None


def whole_of(one: Told) -> list[Resource]:
    """The same, of a case that was read already."""
    return [
        resources.patient(one.case.patient),
        *([resources.body_structure(one.case.lesion)] if one.case.lesion else []),
        resources.service_request(one),
        *resources.media(one),
        *([resources.device(one.view.model_version)] if one.view else []),
        *findings.observations(one),
        findings.diagnostic_report(one),
        *resources.communications(one),
    ]
