"""The admins' pages of people: the list, one person, and what can be done about them."""

from __future__ import annotations

import re

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts import audit, clinics, directory, history, second_factor, tokens
from accounts.access import admin_required, person
from accounts.agreements import agreements
from accounts.deeds import BY_NAME, Deed, Form, offers
from accounts.directory import Filters, State
from accounts.models import Role, StoppedPhone, User
from accounts.rows import PeopleError, about
from accounts.sight import what_they_see


@require_safe
@admin_required
def people_list(request: HttpRequest) -> HttpResponse:
    """Everybody one looks after, by name, or those a search finds."""
    user, filters = person(request), Filters.read(request.GET)
    found = directory.page(user, filters, after=_number(request, "after"))
    tally = directory.counted(directory.waiting(user))
    context = {
        "filters": filters,
        "lines": found.lines,
        "next_page": filters.query(after=str(found.after)) if found.after else "",
        "first_page": "after" not in request.GET,
        "from_the_first": filters.query(),
        "lists": [
            {
                "title": state.heading,
                "query": filters.showing(state).query(),
                "current": state is filters.state,
                "tally": tally if state is State.WAITING else "",
            }
            for state in State
        ],
        "roles": Role.choices,
        "clinics": list(clinics.managed_by(user)) if user.clinic_id is None else [],
        "whole": Filters(filters.state).query(),
    }
    return render(request, "manage/people.html", context)


@require_safe
@admin_required
def person_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Who somebody is, what they agreed to and can see, what happened, what can be done."""
    user, found = person(request), _person(request, pk)
    audit.record(history.VIEWED, actor=user, about=about(found))
    words, tone = directory.STATES[State.of(found)]
    past = history.page(found, before=_number(request, "before"))
    numbers = list(found.numbers.order_by("pk"))
    stopped = StoppedPhone.objects.filter(e164__in=[number.e164 for number in numbers])
    silent = set(stopped.values_list("e164", flat=True))
    context = {
        "about": found,
        "is_me": found.pk == user.pk,
        "line": {"state": words, "tone": tone},
        "email": found.email if directory.hidden(found) else "",
        "numbers": [(str(one), one.reachable, one.e164 in silent) for one in numbers],
        "agreements": agreements(found) if found.erased_at is None else [],
        "looks_after": list(found.cared_for.order_by("pk")),
        "tokens": tokens.of(found).count(),
        "second_steps": second_factor.names(found),
        "sees": what_they_see(found),
        "offers": offers(user, found),
        "history": past,
        "older": past.before,
        "newest": "before" not in request.GET,
    }
    return render(request, "manage/person.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@admin_required
def deed_page(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    """Ask once, with what it means; with POST, do it."""
    user, found, deed = person(request), _person(request, pk), BY_NAME.get(name)
    if deed is None or not deed.allowed(user):
        raise Http404
    posted = request.method == "POST"
    if not posted and not deed.offered(user, found):
        messages.info(request, _("There is nothing to do: somebody may have done it already."))
        return redirect("manage_person", pk=found.pk)
    form = deed.form(found, request.POST if posted else None) if deed.form else None
    if not posted or (form is not None and not form.is_valid()):
        return _asked(request, deed, found, form)
    try:
        deed.do(found, user, form)
    except PeopleError as refusal:
        messages.warning(request, str(refusal))
    else:
        messages.success(request, str(deed.done) % {"name": found})
    still = User.objects.managed_by(user).filter(pk=found.pk).exists()
    return redirect("manage_person", pk=found.pk) if still else redirect("manage_people")


def _asked(request: HttpRequest, deed: Deed, found: User, form: Form | None) -> HttpResponse:
    context = {
        "about": found,
        "back": reverse("manage_person", args=[found.pk]),
        "kind": "danger" if deed.kind == "danger" else "",
        "title": str(deed.title) % {"name": found},
        "button": str(deed.label).removesuffix(" …"),
        "means": deed.means(found),
        "form": form,
    }
    status = 422 if form is not None and form.errors else 200
    return render(request, "manage/deed.html", context, status=status)


def _person(request: HttpRequest, pk: int) -> User:
    rows = User.objects.managed_by(person(request))
    return get_object_or_404(rows.select_related("clinic", "carer", "verified_by"), pk=pk)


def _number(request: HttpRequest, name: str) -> int | None:
    given = request.GET.get(name, "")
    return int(given) if re.fullmatch(r"[0-9]{1,18}", given) else None
