"""The account page: who I am, how I am reached, what I agreed to. Forms only, no JavaScript.

Where taking something back has consequences for cases, the page's forms lead to diagnoses.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from accounts import care, languages, people, reminders, second_factor, sessions
from accounts.access import login_required, patient_required, person
from accounts.agreements import agreements
from accounts.forms import NumberForm
from accounts.models import Consent, ContactNumber, StoppedPhone, User
from accounts.phone import spoken
from accounts.reminder_stop import Reminder


@dataclass(frozen=True)
class Number:
    """One of my numbers, as its card on the page shows it."""

    row: ContactNumber
    spoken: str
    stopped: bool


@login_required
@require_safe
def account(request: HttpRequest) -> HttpResponse:
    return _page(request, NumberForm())


@login_required
@require_POST
def number_add(request: HttpRequest) -> HttpResponse:
    form = NumberForm(request.POST)
    if not form.is_valid():
        return _page(request, form)
    number = form.save(person(request))
    messages.success(request, _("Your number is saved."))
    return _confirmed_first(number) or redirect("account")


@login_required
@require_POST
def number_change(request: HttpRequest, pk: int) -> HttpResponse:
    """Remove one of my numbers, or have messages sent to it."""
    user = person(request)
    number = get_object_or_404(user.numbers, pk=pk)
    if request.POST.get("answer") == "remove":
        people.remove_number(user, number)
        messages.success(request, _("Your number is removed."))
    elif request.POST.get("answer") == "use":
        people.give_consent(user, Consent.Kind.MESSAGES)
        people.add_number(user, number.e164, opt_in=True)
        messages.success(request, _("We will send messages to this number."))
        number.refresh_from_db()
        return _confirmed_first(number) or redirect("account")
    return redirect("account")


def _confirmed_first(number: ContactNumber) -> HttpResponse | None:
    """To the code that is being sent to a number, where its owner wants messages on it."""
    if number.verified_at is None and number.reachable:
        return redirect("number_confirm", number.pk)
    return None


@patient_required
@require_POST
def reminder_change(request: HttpRequest, kind: str) -> HttpResponse:
    """Stop one kind of reminder, or have it again; ``answer`` is "stop" or "resume"."""
    if kind not in Reminder.values:
        raise Http404
    user, chosen = person(request), Reminder(kind)
    if request.POST.get("answer") == "stop":
        reminders.stop(user, chosen)
        messages.success(request, _("Done. We send you no more reminders of this kind."))
    elif request.POST.get("answer") == "resume":
        reminders.resume(user, chosen)
        messages.success(request, _("We remind you again, when the time comes."))
    return redirect(reverse("account") + "#reminders")


@login_required
@require_POST
def log_out_everywhere(request: HttpRequest) -> HttpResponse:
    people.log_out_everywhere(person(request))
    return redirect("account_login")


@login_required
@require_POST
def session_end(request: HttpRequest, pk: int) -> HttpResponse:
    """Log one other device out."""
    if sessions.end(person(request), pk):
        messages.success(request, _("That device is logged out."))
    return redirect("usersessions_list")


@csrf_exempt
@require_POST
def language(request: HttpRequest) -> HttpResponse:
    """Choose the language of all pages, and come back to the same one.

    Its form stands on pages that anybody's cache may keep, where no token can be. None is needed:
    what another site sends comes without the session's cookie, and so changes nobody's account.
    """
    back, code = request.POST.get("next", ""), request.POST.get("language", "")
    ours = back.startswith("/") and url_has_allowed_host_and_scheme(back, allowed_hosts=None)
    response = redirect(back if ours else "home")
    if languages.is_known(code) and isinstance(request.user, User):
        languages.choose(request.user, code)
    elif languages.is_known(code):
        response.set_cookie(
            settings.LANGUAGE_COOKIE_NAME,
            code,
            secure=settings.LANGUAGE_COOKIE_SECURE,
            httponly=settings.LANGUAGE_COOKIE_HTTPONLY,
            samesite="Lax",
        )
    return response


def _page(request: HttpRequest, form: NumberForm) -> HttpResponse:
    user = person(request)
    context = {
        "numbers": _numbers(user),
        "agreements": agreements(user),
        "looked_after": care.people_of(user),
        "reminders": reminders.choices(user),
        "second_step": second_factor.has_factor(user),
        "form": form,
    }
    return render(request, "accounts/account.html", context, status=422 if form.errors else 200)


def _numbers(user: User) -> list[Number]:
    rows = list(user.numbers.order_by("pk"))
    stopped = set(
        StoppedPhone.objects.filter(e164__in=[row.e164 for row in rows]).values_list(
            "e164", flat=True
        )
    )
    return [Number(row, spoken(row.e164), row.e164 in stopped) for row in rows]
