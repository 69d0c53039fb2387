"""The pages that messages lead to: a link, an invitation, and where a code is typed."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import login
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from accounts import people, reminders
from accounts.access import login_required, person
from accounts.models import ContactNumber, Role, User
from accounts.people import PeopleError
from accounts.phone import spoken
from notifications import invitations, links, optional, verification
from notifications.forms import CodeForm, JoinForm
from notifications.ledger import DELIVER
from notifications.models import Channel, Invitation, Message
from notifications.verification import Typed
from notifications.wake import wake

GONE = 410
WHAT_IS_WRONG = {
    Typed.WRONG: _lazy("This is not the code we sent last. Look at the newest message."),
    Typed.TOO_OFTEN: _lazy("That was the fifth try, so this code has ended. Ask for a new one."),
    Typed.ENDED: _lazy("This code has ended: it works for 10 minutes. Ask for a new one."),
}


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
        user = User.objects.create_user(
            data["email"], data["password"], name=data["name"], language=get_language() or ""
        )
        if data["number"]:
            people.keep_number(user, data["number"], messages=data["messages"])
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


@never_cache
@sensitive_post_parameters("code")
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def number_confirm(request: HttpRequest, pk: int) -> HttpResponse:
    """Type the code that was sent to one of my numbers, or ask for another one."""
    user = person(request)
    number = get_object_or_404(user.numbers, pk=pk)
    form = CodeForm()
    if request.method == "POST" and "send" in request.POST:
        return _another_code(request, user, number)
    if request.method == "POST" and number.verified_at is None:
        form = CodeForm(request.POST)
        if form.is_valid():
            typed = verification.confirm(user, number, form.cleaned_data["code"])
            number.refresh_from_db()  # the other click of a double click may have confirmed it
            if number.verified_at is None:
                form.add_error("code", WHAT_IS_WRONG[typed])
    if number.verified_at is not None:
        messages.success(request, _("Thank you. This number is confirmed."))
        return redirect(_way_back(request))
    return _code_page(request, number, form)


def _another_code(request: HttpRequest, user: User, number: ContactNumber) -> HttpResponse:
    try:
        verification.send(user, number)
    except verification.TooSoon as refusal:
        messages.warning(request, str(refusal))
    back = urlencode({"next": request.POST.get("next", "")})
    return redirect(f"{reverse('number_confirm', args=[number.pk])}?{back}")


def _code_page(request: HttpRequest, number: ContactNumber, form: CodeForm) -> HttpResponse:
    code = verification.newest(number)
    awaited = code is None and verification.is_awaited(number)
    if awaited:
        wake(DELIVER)  # the sweep would send it within seconds; this is sooner
    newest = code.messages.order_by("-created_at").first() if code is not None else None
    context = {
        "number": spoken(number.e164),
        "code": code,
        "awaited": awaited,
        "by_sms": newest is not None and newest.channel == Channel.SMS,
        "arrived_not": newest is not None and newest.state == Message.State.FAILED,
        "form": form,
        "next": _way_back(request),
    }
    status = 422 if form.errors else 200
    return render(request, "notifications/number_confirm.html", context, status=status)


def _way_back(request: HttpRequest) -> str:
    """The page of ours one came from; else the account page."""
    given = request.POST.get("next") or request.GET.get("next") or ""
    ours = url_has_allowed_host_and_scheme(given, allowed_hosts=None)
    return given if ours and given.startswith("/") else reverse("account")


@never_cache
@csrf_exempt  # mail programs press it: they have no page of ours, and the token says all there is
@require_http_methods(["GET", "HEAD", "POST"])
def email_stop(request: HttpRequest, token: str) -> HttpResponse:
    """Stop one kind of reminder from an e-mail, by a POST; looking at the page stops nothing."""
    found = optional.read(token)
    if found is None:
        raise Http404
    user, kind = found
    if request.method == "POST":
        reminders.stop(user, kind)
    context = {"kind": kind, "stopped": not reminders.wanted(user, kind)}
    return render(request, "notifications/email_stop.html", context)
