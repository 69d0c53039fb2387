"""The pages that messages lead to: a link, and an invitation."""

from __future__ import annotations

from django.contrib.auth import login
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.access import login_required, person
from accounts.forms import keep_number
from accounts.models import Role, User
from accounts.people import PeopleError
from notifications import invitations, links
from notifications.forms import JoinForm
from notifications.models import Invitation

GONE = 410


@never_cache
@require_safe
@login_required
def link(request: HttpRequest, token: str) -> HttpResponse:
    """Lead the one person a link was made for to its page; for anyone else it does not exist."""
    found = links.find(token, person(request))
    if found is None:
        raise Http404
    if not links.is_open(found):
        return render(request, "notifications/link_ended.html", status=GONE)
    return redirect(links.follow(found))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Explain an invitation; with POST, accept it with the account one has, or a new one."""
    found = invitations.find(token)
    if found is None or not invitations.is_open(found):
        return render(request, "notifications/invitation_ended.html", status=GONE)
    if isinstance(request.user, User):
        return _with_account(request, found, request.user)
    form = JoinForm(found, request.POST or None)
    if request.method == "POST" and form.is_valid():
        return _with_new_account(request, found, form)
    return render(request, "notifications/invitation.html", {"invitation": found, "form": form})


def _with_account(request: HttpRequest, found: Invitation, user: User) -> HttpResponse:
    fits = invitations.is_for(found, user)
    if request.method == "POST" and fits:
        return _accepted(request, found, user)
    context = {
        "invitation": found,
        "fits": fits,
        "is_patient": user.is_patient,
        "is_doctor": user.role == Role.DOCTOR,
    }
    return render(request, "notifications/invitation_account.html", context)


def _with_new_account(request: HttpRequest, found: Invitation, form: JoinForm) -> HttpResponse:
    data = form.cleaned_data
    with transaction.atomic():
        user = User.objects.create_user(data["email"], data["password"], name=data["name"])
        if data["number"]:
            keep_number(user, data["number"], messages=data["messages"])
        response = _accepted(request, found, user)
        if response.status_code == GONE:
            transaction.set_rollback(True)
            return response
    login(request, user)
    return response


def _accepted(request: HttpRequest, found: Invitation, user: User) -> HttpResponse:
    try:
        invitations.accept(found, user)
    except (invitations.InvitationError, PeopleError):
        return render(request, "notifications/invitation_ended.html", status=GONE)
    return redirect("home")
