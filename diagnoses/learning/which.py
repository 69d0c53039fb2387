"""Which pictures may be learnt from, and what each of them shows.

A picture counts if its patient agrees to today's words about learning, and its case is answered
for good. A mark has one label, however many its cases: the newest histology, else what time
has shown, or else the newest answer that cannot be undone. A mark whose label is none of the
pack's is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db.models import Case as Either
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery, When
from django.db.models.functions import Now

from accounts import wording
from accounts.models import Clinic, Consent
from diagnoses.models import Case, Outcome, Photo, Review, SecondReading
from mlservice.engine.types import Modality
from mlservice.packs import Pack

SIGNED = (Case.Status.FINAL, Case.Status.AMENDED)
RESEARCH = Consent.Kind.RESEARCH


class Source(StrEnum):
    """Where a label comes from; never to be learnt from: it follows the diagnosis."""

    HISTOLOGY = "histology"
    FOLLOW_UP = "follow_up"
    CONSENSUS = "consensus"  # a second doctor read it without knowing the answer, and agrees
    SIGNED = "signed"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for; without a clinic, of all of them."""

    pack: Pack
    modality: str  # as declared by the sender
    clinic: Clinic | None

    @property
    def kinds(self) -> list[str]:
        """The photo kinds the network is shown, taken this way."""
        kinds = self.pack.photo_kinds
        return [kind.name for kind in kinds if kind.scored and kind.modality == self.modality]


@dataclass(frozen=True, slots=True)
class Item:
    """One picture with its label."""

    photo: UUID
    file: str
    sha256: str
    lesion: str  # of ours; not what stands in the table
    patient: int
    dx: str
    source: Source
    site: str


@dataclass(frozen=True, slots=True)
class Found:
    """``unlabelled``: marks answered with none of the pack's labels. ``copies``: the same file
    again, left out."""

    items: list[Item]
    unlabelled: int
    copies: int


def modalities(pack: Pack) -> list[str]:
    """In which ways the pictures were taken that the pack's network is shown.

    Phone photos come last: they are the ones a network trained on anything else knows least of.
    """
    found = dict.fromkeys(kind.modality for kind in pack.photo_kinds if kind.scored)
    return sorted(found, key=lambda name: name == Modality.PHONE.value)


def answered(wanted: Wanted) -> QuerySet[Case]:
    """Signed cases of the pack, of people who were not erased; whoever agreed or not."""
    rows = Case.objects.filter(
        pack_name=wanted.pack.name, status__in=SIGNED, patient__erased_at=None
    )
    return rows.filter(clinic=wanted.clinic) if wanted.clinic else rows


def agreed() -> QuerySet[Consent]:
    """Consents to learning, to today's words."""
    return Consent.objects.in_force().filter(kind=RESEARCH, version=wording.version(RESEARCH))


def find(wanted: Wanted) -> Found:
    """In two statements, however many there are; the oldest case first."""
    cases = answered(wanted).filter(patient__in=agreed().values("user"))
    said = {row["pk"]: row for row in _with_labels(cases)}
    labels = _labels(said.values())
    known = {label.name for label in wanted.pack.labels}
    photos = Photo.objects.filter(
        case__in=cases.order_by().values("pk"), kind__in=wanted.kinds, sent_anyway=False
    )
    columns = ("pk", "case", "file", "sha256")
    items: list[Item] = []
    seen: set[str] = set()
    copies, nameless = 0, set()
    for pk, case, file, sha256 in photos.order_by("created_at", "pk").values_list(*columns):
        lesion = _lesion(said[case]) if case in said else ""
        dx, source = labels.get(lesion, ("", Source.SIGNED))
        if dx not in known:
            nameless.add(lesion)
        elif sha256 in seen:
            copies += 1
        else:
            seen.add(sha256)
            row = said[case]
            item = Item(pk, file, sha256, lesion, row["patient"], dx, source, row["site"])
            items.append(item)
    return Found(items, len(nameless - {""}), copies)


def _with_labels(cases: QuerySet[Case]) -> Iterable[dict[str, Any]]:
    answers = Review.objects.standing().filter(case=OuterRef("pk"), effective_at__lte=Now())
    by_tissue = Q(source=Outcome.Source.HISTOLOGY)
    outcomes = Outcome.objects.filter(case=OuterRef("pk")).order_by(
        Either(When(by_tissue, then=0), default=1), "-pk"
    )
    newest = answers.order_by("-pk")
    agrees = SecondReading.objects.filter(
        review=OuterRef("answer"), diagnosis=OuterRef("diagnosis"), read_at__isnull=False
    )
    rows = cases.annotate(
        answer=Subquery(newest.values("pk")[:1]),
        diagnosis=Subquery(newest.values("diagnosis")[:1]),
        outcome=Subquery(outcomes.values("pk")[:1]),
        shown=Subquery(outcomes.values("diagnosis")[:1]),
        shown_by=Subquery(outcomes.values("source")[:1]),
    ).annotate(consensus=Exists(agrees))
    rows = rows.filter(Q(answer__isnull=False)).order_by("submitted_at", "pk")
    found: Iterable[dict[str, Any]] = rows.values(
        *("pk", "lesion", "patient", "site", "answer", "diagnosis"),
        *("outcome", "shown", "shown_by", "consensus"),
    )
    return found


def _lesion(row: Mapping[str, Any]) -> str:
    """A case whose mark is not known is a mark of its own."""
    return str(row["lesion"] or f"case:{row['pk']}")


def _labels(rows: Iterable[Mapping[str, Any]]) -> dict[str, tuple[str, Source]]:
    """Mark -> its label and where that comes from."""
    answer: dict[str, Mapping[str, Any]] = {}
    outcome: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        lesion = _lesion(row)
        if lesion not in answer or row["answer"] > answer[lesion]["answer"]:
            answer[lesion] = row
        if row["outcome"] and (lesion not in outcome or _surer(row) > _surer(outcome[lesion])):
            outcome[lesion] = row
    found = {lesion: (row["diagnosis"], _signed(row)) for lesion, row in answer.items()}
    shown = {lesion: (row["shown"], Source(row["shown_by"])) for lesion, row in outcome.items()}
    return found | shown


def _surer(row: Mapping[str, Any]) -> tuple[bool, int]:
    """Histology before what time has shown, then the newer one."""
    return row["shown_by"] == Outcome.Source.HISTOLOGY, row["outcome"]


def _signed(row: Mapping[str, Any]) -> Source:
    return Source.CONSENSUS if row["consensus"] else Source.SIGNED
