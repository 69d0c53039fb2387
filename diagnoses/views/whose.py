"""Whose: a patient's pages are about themselves, or about somebody they look after.

What was sent or begun says itself whose it is; only where something new begins does the address say
it (``?for=``). Nothing is switched for a whole session, so that no tab is ever about somebody else
than it shows.
"""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404
from django.utils.http import urlencode

from accounts.access import person
from accounts.models import User
from diagnoses import conversation
from diagnoses.models import Case, Draft
from mlservice import registry
from mlservice.packs import Pack
from mlservice.readers import pack_for_reader


def case_of(request: HttpRequest, pk: UUID) -> Case:
    """The case, with its patient and who acts for them; 404 where it is not theirs to see."""
    cases = Case.objects.visible_to(person(request)).select_related("patient__carer")
    return get_object_or_404(cases, pk=pk)


def named(request: HttpRequest) -> User | None:
    """The patient that ``?for=`` names; ``None`` without it, 404 for anybody else's."""
    raw = request.GET.get("for")
    if not raw:
        return None
    mine = User.objects.answered_for_by(person(request)).select_related("carer", "clinic")
    return get_object_or_404(mine, pk=int(raw) if raw.isdecimal() and len(raw) < 19 else 0)


def draft(request: HttpRequest, key: UUID, about: Case | None) -> Draft:
    """The form as it was begun; one not saved yet where it was not, for whom the address names."""
    begun = conversation.begun_by(person(request)).filter(submit_key=key).first()
    return begun or Draft(
        submit_key=key,
        patient=_of_address(request, about),
        pack_name=pack_of(request, about).name,
        about=about,
    )


def _of_address(request: HttpRequest, about: Case | None) -> User:
    return about.patient if about else named(request) or person(request)


def query(patient: User, user: User, about: Case | None = None, pack: str = "") -> str:
    """What the address of a form not yet begun has to say of it, with its "?".

    ``pack`` is the disease area's name, where it is not the installation's own.
    """
    if about is not None:
        return f"?{urlencode({'about': str(about.pk)})}"
    said = {"for": str(patient.pk)} if patient != user else {}
    if pack and pack != settings.PACK:
        said["pack"] = pack
    return f"?{urlencode(said)}" if said else ""


def pack_of(request: HttpRequest, about: Case | None) -> Pack:
    """What a form not yet begun is about: as the case it asks about again, else as the address
    says, else the installation's own; 404 for what is not offered."""
    if about is not None:
        return pack_for_reader(about.pack_name)
    named = request.GET.get("pack") or settings.PACK
    if named != settings.PACK and named not in registry.offered():
        raise Http404
    return pack_for_reader(named)
