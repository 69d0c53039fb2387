"""The admins' pages of invitations: a list, a new one, one of them, sent again or taken back."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts import audit, clinics
from accounts.access import admin_required, person
from accounts.models import Role
from notifications import invitations, invited, staff
from notifications.forms import InviteForm
from notifications.invitations import InvitationError
from notifications.invited import State
from notifications.models import Invitation


@require_safe
@admin_required
def invitation_list(request: HttpRequest) -> HttpResponse:
    """Those nobody has answered, unless another list is asked for."""
    user, wanted = person(request), request.GET.get("state", "")
    state = State(wanted) if wanted in set(State) else State.OPEN
    found = invited.page(user, state, after=_after(request))
    context = {
        "state": state,
        "lines": found.lines,
        "next_page": f"state={state}&after={found.after}" if found.after else "",
        "first_page": "after" not in request.GET,
        "lists": [(one.heading, str(one), one is state) for one in State],
    }
    return render(request, "manage/invitations.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@admin_required
def invite(request: HttpRequest) -> HttpResponse:
    """Ask whom to invite, and send it."""
    user, posted = person(request), request.method == "POST"
    form = InviteForm(clinics.managed_by(user), user, request.POST if posted else None)
    if posted and form.is_valid():
        data = form.cleaned_data
        try:
            made = invitations.invite(
                name=data["name"],
                clinic=data["clinic"],
                invited_by=user,
                e164=data["number"],
                email=data["email"],
                role=Role(data["role"]),
            )
        except InvitationError as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("%(name)s is invited.") % {"name": made.name})
            return redirect("manage_invitation", pk=made.pk)
    status = 422 if posted else 200
    return render(request, "manage/invite.html", {"form": form}, status=status)


@require_safe
@admin_required
def invitation_page(request: HttpRequest, pk: UUID) -> HttpResponse:
    """What became of one, and how it was told."""
    user, found = person(request), _invitation(request, pk)
    audit.record("invitation.viewed", actor=user, about=f"invitation:{found.pk}")
    told = staff.visible_to(user).filter(invitation=found).order_by("created_at", "pk")
    state = State.of(found)
    context = {
        "line": invited.Line.of(found),
        "told": [staff.Line.of(message) for message in told],
        "waits": state in (State.OPEN, State.EXPIRED),
        "orphaned": state is State.OPEN and not invitations.is_open(found),
    }
    return render(request, "manage/invitation.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@admin_required
def withdraw(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Asked once, then its link leads nowhere."""
    found = _invitation(request, pk)
    if request.method != "POST":
        return _asked(request, found, again=False)
    try:
        taken = invitations.revoke(found, person(request))
    except InvitationError as refusal:
        messages.warning(request, str(refusal))
    else:
        if taken or _now(found) is State.WITHDRAWN:
            messages.success(request, _("The invitation is taken back. Its link has ended."))
        else:
            messages.warning(request, _("They have joined already. You can suspend them."))
    return redirect("manage_invitation", pk=found.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@admin_required
def again(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Asked once, then the same link goes out once more."""
    found = _invitation(request, pk)
    if request.method != "POST":
        return _asked(request, found, again=True)
    try:
        invitations.send_again(found, person(request))
    except InvitationError as refusal:
        messages.warning(request, str(refusal))
    else:
        messages.success(request, _("The invitation is sent once more."))
    return redirect("manage_invitation", pk=found.pk)


def _asked(request: HttpRequest, found: Invitation, *, again: bool) -> HttpResponse:
    context = {"line": invited.Line.of(found), "again": again}
    return render(request, "manage/invitation_asked.html", context)


def _invitation(request: HttpRequest, pk: UUID) -> Invitation:
    return get_object_or_404(invitations.visible_to(person(request)), pk=pk)


def _now(found: Invitation) -> State:
    return State.of(Invitation.objects.get(pk=found.pk))


def _after(request: HttpRequest) -> UUID | None:
    try:
        return UUID(request.GET.get("after", ""))
    except ValueError:
        return None
