"""A case from another portal becomes a new one here, as if it had just been sent: its photos are
opened and judged anew, it is scored and queued, and a doctor here signs it or nobody does."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

from rest_framework import serializers

from accounts import people
from accounts.models import Consent, User
from diagnoses import intake, quota, workflow
from diagnoses.answering import checked_answers
from diagnoses.archive.reading import Archive, opened
from diagnoses.archive.refusal import ArchiveRefusedError
from diagnoses.models import Case, CaseImport
from mlservice.packs import Pack, PackError, Spot, available_packs, load_pack

KEYS = uuid.UUID("4cb0f5a2-2f0e-4b8e-a5c4-6c1a4b7b8f21")


@dataclass(frozen=True, slots=True)
class Taken:
    """The case, and whether it was made or found."""

    case: Case
    new: bool


def take_in(upload: IO[bytes], patient: User, by: User | None) -> Taken:
    """A new case of ``patient``'s; the same archive once more is the case that is already there.

    ``by`` is the doctor who brings it, ``None`` from the command line. Raises
    :class:`ArchiveRefusedError`, and of a photo in it ``intake.Refusal``: nothing was kept then.
    """
    with opened(upload) as archive:
        if not people.has_consent(patient, Consent.Kind.CARE):
            raise ArchiveRefusedError("not_agreed")
        pack = _pack_of(archive.case)
        if before := _brought_before(archive, patient):
            return Taken(before, new=False)
        _quota(archive, by)
        submission = _submission(archive, patient, pack, by)
    try:
        case = workflow.submit(patient, submission)
    except workflow.WorkflowError as refusal:
        raise ArchiveRefusedError("does_not_fit", refusal.sentence) from refusal
    # Of two at once one has made it: whether its archive is this one, too, is seen here.
    found = _held_to(archive, CaseImport.objects.get(case=case))
    return Taken(found, new=found.pk == submission.case_id)


def _held_to(archive: Archive, came: CaseImport) -> Case:
    """What was brought before, if it was with this very archive."""
    if came.digest != archive.digest:
        raise ArchiveRefusedError("came_before")
    return came.case


def _brought_before(archive: Archive, patient: User) -> Case | None:
    source = archive.case["id"]
    if Case.objects.filter(pk=source, patient=patient).exists():
        raise ArchiveRefusedError("here_already")
    came = CaseImport.objects.filter(case__patient=patient, source_case=source).first()
    return _held_to(archive, came) if came else None


def _pack_of(case: Mapping[str, Any]) -> Pack:
    """The pack it names, as we have it: whatever version, if all that was answered fits."""
    name = case["pack"]["name"]
    if name not in available_packs():
        raise ArchiveRefusedError("other_pack", name)
    pack = load_pack(name)
    try:
        pack.site(case["site"])
        checked_answers(pack, case["answers"])
        for photo in case["photos"]:
            pack.photo_kind(photo["kind"])
        if case["spot"]:
            pack.body_view(case["spot"]["view"])
    except PackError as error:
        raise ArchiveRefusedError("does_not_fit", error) from error
    except serializers.ValidationError as error:
        told: Any = error.detail
        raise ArchiveRefusedError("does_not_fit", told["answers"][0]) from error
    return pack


def _quota(archive: Archive, by: User | None) -> None:
    if by is not None:
        quota.spend(by, [archive.file.getinfo(name).file_size for name, _ in archive.photos])


def _submission(
    archive: Archive, patient: User, pack: Pack, by: User | None
) -> workflow.Submission:
    case = archive.case
    return workflow.Submission(
        pack_name=pack.name,
        site=case["site"],
        side=case["side"],
        spot=Spot(**case["spot"]) if case["spot"] else None,
        photos=[_photo(archive, pack, name, kind) for name, kind in archive.photos],
        answers=case["answers"],
        submit_key=uuid.uuid5(KEYS, f"{patient.pk}:{case['id']}"),
        computer_check=case["computer_check"],
        brought=workflow.Brought(
            by=by,
            portal=archive.portal,
            source_case=case["id"],
            written_at=archive.written_at,
            digest=archive.digest,
            record=archive.record,
        ),
    )


def _photo(archive: Archive, pack: Pack, name: str, kind: str) -> workflow.NewPhoto:
    """A poor one is taken, as the other portal took it, and goes to a doctor unscored."""
    photo = intake.clean(archive.photo(name), pack.glance_at(kind))
    return workflow.NewPhoto(kind, photo, sent_anyway=bool(photo.quality.reasons))
