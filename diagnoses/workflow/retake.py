"""A new photo joins an open case: scored again with the others, and back to the doctors."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from accounts import audit, people
from accounts.models import Consent, User
from diagnoses.models import Case, Photo, Retake, Scoring
from diagnoses.states import NewPhoto, Status, WorkflowError
from diagnoses.triage import by_answers
from diagnoses.workflow.computer import SCORE_DUE
from diagnoses.workflow.moves import about_case, note, too_late
from diagnoses.workflow.nudges import photo_came
from diagnoses.workflow.patient import forget_files, stored
from diagnoses.workflow.talk import open_request
from diagnoses.workflow.telling import tell_doctors
from mlservice import registry
from mlservice.engine.types import Tier
from mlservice.packs import PackError
from notifications.wake import wake

# The computer looks at all of a case's photos each time: more of them say no more.
MOST_PHOTOS = 12


def retake(case: Case, patient: User, photos: Sequence[NewPhoto], key: uuid.UUID) -> Retake:
    """The patient's new photos, asked for or not; the same ``key`` again gives the first click's.

    The case stays where the doctors have it: their list says that there is a new photo, and whoever
    was about to sign is asked to look first. Raises :class:`Moved` once the case is signed or
    withdrawn. The files are on the disk before the rows exist, as with a new case.
    """
    if existing := _sent_before(case, patient, key):
        return existing
    _check(case, patient, photos)
    rows: list[Photo] = []
    try:
        for new in photos:
            rows.append(stored(case.pk, new))
        with transaction.atomic():
            joined, made = _join(case, patient, rows, key)
    except BaseException:
        forget_files(rows)
        raise
    if not made:
        forget_files(rows)
    return joined


def _sent_before(case: Case, patient: User, key: uuid.UUID) -> Retake | None:
    return Retake.objects.filter(case=case, case__patient=patient, key=key).first()


def _check(case: Case, patient: User, photos: Sequence[NewPhoto]) -> None:
    """What can be said before anything is written."""
    if case.patient_id != patient.pk:
        raise WorkflowError(_("This case is not yours."))
    if not people.has_consent(patient, Consent.Kind.CARE):
        raise WorkflowError(_("Please agree that a doctor may look at your photos first."))
    if not photos:
        raise WorkflowError(_("Please add a photo."))
    if case.photos.count() + len(photos) > MOST_PHOTOS:
        raise WorkflowError(
            _("This case has %(most)s photos at most. Please write to your doctor instead.")
            % {"most": MOST_PHOTOS}
        )
    try:
        for new in photos:
            case.pack.photo_kind(new.kind)
    except PackError as error:
        raise WorkflowError(str(error)) from error


def _join(case: Case, patient: User, photos: list[Photo], key: uuid.UUID) -> tuple[Retake, bool]:
    """The retake, and whether it was made here: the case is held, so two clicks come in turn."""
    case = Case.objects.select_for_update(of=("self",)).select_related("clinic").get(pk=case.pk)
    if existing := _sent_before(case, patient, key):
        return existing, False
    if not case.is_open:
        raise too_late(case)
    joined = Retake.objects.create(case=case, request=open_request(case), key=key)
    for photo in photos:
        photo.retake = joined
    Photo.objects.bulk_create(photos)
    looks = _score_again(case, photos)
    note(case, "retaken", patient, photos=len(photos), computer=looks)
    audit.record("case.retaken", actor=patient, about=about_case(case), retake=joined.pk)
    photo_came(case)
    if case.status == Status.PARTIAL:  # before that the computer's view will tell them
        tell_doctors(case, f"{about_case(case)}#retake{joined.pk}")
    return joined, True


def _begun_without_it(rows: QuerySet[Scoring]) -> None:
    rows.filter(settled_at=None).update(
        settled_at=Now(), lease_until=None, token=None, holder=None, error="a new photo came"
    )


def _score_again(case: Case, photos: Sequence[Photo]) -> bool:
    """A new row for the worker, instead of one that may have begun without the new photo.

    Whether there is one: where the computer has nothing to look at, the view from before stands,
    and a row that waits goes on waiting.
    """
    scorable = any(
        case.pack.photo_kind(photo.kind).scored and not photo.sent_anyway for photo in photos
    )
    version = registry.scoring(case.pack_name)
    agreed = case.computer_check and people.has_consent(case.patient, Consent.Kind.COMPUTER_CHECK)
    rows = Scoring.objects.filter(case=case)
    if scorable:  # a candidate would see more than the view it is compared with
        _begun_without_it(rows.shadow())
    if not scorable or version is None or not agreed:
        return False
    live = rows.live()
    _begun_without_it(live)
    urgent = Tier.RED in {by_answers(case.pack, case.answers).tier, case.tier}
    Scoring.objects.create(
        case=case,
        model_version=version,
        round=live.count() + 1,
        priority=0 if urgent else 1,
    )
    wake(SCORE_DUE)
    return True
