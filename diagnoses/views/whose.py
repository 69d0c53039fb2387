"""Whose: a patient's pages are about themselves, or about somebody they look after.

What was sent or begun says itself whose it is; only where something new begins does the address say
it (``?for=``). Nothing is switched for a whole session, so that no tab is ever about somebody else
than it shows.
"""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.utils.http import urlencode

from accounts.access import person
from accounts.models import User
from diagnoses import conversation
from diagnoses.models import Case, Draft
from mlservice.packs import Pack


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


def of_form(request: HttpRequest, key: UUID, about: Case | None = None) -> User:
    """Whose form this is: as it was begun, else the patient of the case it asks about again, else
    whom the address names, else one's own."""
    begun = conversation.begun_by(person(request)).filter(submit_key=key).first()
    return begun.patient if begun else _of_address(request, about)


def draft(request: HttpRequest, key: UUID, pack: Pack, about: Case | None) -> Draft:
    """The form as it was begun; one not saved yet where it was not, for whom the address names."""
    begun = conversation.begun_by(person(request)).filter(submit_key=key).first()
    return begun or Draft(
        submit_key=key, patient=_of_address(request, about), pack_name=pack.name, about=about
    )


def _of_address(request: HttpRequest, about: Case | None) -> User:
    return about.patient if about else named(request) or person(request)


def query(patient: User, user: User, about: Case | None = None) -> str:
    """What the address of a form not yet begun has to say of it, with its "?"."""
    if about is not None:
        return f"?{urlencode({'about': str(about.pk)})}"
    return f"?{urlencode({'for': patient.pk})}" if patient != user else ""
