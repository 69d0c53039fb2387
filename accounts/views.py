"""The account page: who I am, how I am reached, what I agreed to. Forms only, no JavaScript."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from accounts import people
from accounts.access import login_required, person
from accounts.forms import NumberForm
from accounts.models import Consent, ContactNumber, User
from accounts.phone import spoken
from accounts.wording import WORDING, Wording


@dataclass(frozen=True)
class Agreement:
    """One thing to agree to, as its line on the page shows it."""

    kind: Consent.Kind
    wording: Wording
    given_at: datetime | None  # None: not agreed to today's wording
    asked_again: bool  # agreed once, to words that have changed since


@dataclass(frozen=True)
class Number:
    row: ContactNumber
    spoken: str
    stopped: bool


@login_required
@require_safe
def account(request: HttpRequest) -> HttpResponse:
    return _page(request, NumberForm())


@login_required
@require_POST
def consent(request: HttpRequest, kind: str) -> HttpResponse:
    """Give or take back one consent; ``answer`` is "give" or "withdraw"."""
    user = person(request)
    if kind not in _kinds(user):
        raise Http404
    chosen = Consent.Kind(kind)
    if request.POST.get("answer") == "give":
        people.give_consent(user, chosen)
        messages.success(request, f"Thank you. You agreed: {WORDING[chosen].text}")
    elif request.POST.get("answer") == "withdraw":
        people.withdraw_consent(user, chosen)
        messages.success(request, f"Done, you took it back. {WORDING[chosen].without}")
    return redirect("account")


@login_required
@require_POST
def number_add(request: HttpRequest) -> HttpResponse:
    form = NumberForm(request.POST)
    if not form.is_valid():
        return _page(request, form)
    form.save(person(request))
    messages.success(request, "Your number is saved.")
    return redirect("account")


@login_required
@require_POST
def number_change(request: HttpRequest, pk: int) -> HttpResponse:
    """Remove one of my numbers, or have messages sent to it."""
    user = person(request)
    number = get_object_or_404(user.numbers, pk=pk)
    if request.POST.get("answer") == "remove":
        people.remove_number(user, number)
        messages.success(request, "Your number is removed.")
    elif request.POST.get("answer") == "use":
        people.give_consent(user, Consent.Kind.MESSAGES)
        people.add_number(user, number.e164, opt_in=True)
        messages.success(request, "We will send messages to this number.")
    return redirect("account")


@login_required
@require_POST
def log_out_everywhere(request: HttpRequest) -> HttpResponse:
    people.log_out_everywhere(person(request))
    return redirect("account_login")


def _page(request: HttpRequest, form: NumberForm) -> HttpResponse:
    user = person(request)
    context = {
        "numbers": [
            Number(row, spoken(row.e164), people.stopped(row.e164))
            for row in user.numbers.order_by("pk")
        ],
        "agreements": [_agreement(user, kind) for kind in _kinds(user)],
        "form": form,
    }
    return render(request, "accounts/account.html", context, status=422 if form.errors else 200)


def _agreement(user: User, kind: Consent.Kind) -> Agreement:
    wording = WORDING[kind]
    given = user.consents.in_force().filter(kind=kind).first()
    current = given is not None and given.version == wording.version
    return Agreement(
        kind,
        wording,
        given_at=given.given_at if given and current else None,
        asked_again=given is not None and not current,
    )


def _kinds(user: User) -> list[Consent.Kind]:
    """Care and its computer check are a patient's to agree to; messages are everyone's."""
    return list(Consent.Kind) if user.is_patient else [Consent.Kind.MESSAGES]
