"""What I decide about my own records, and those of whom I look after: what may be done with them, a
copy of them, their end.

The account page is accounts' own; what changes cases, or gathers them, is here. ``pk`` names
somebody looked after; without it these are one's own.
"""

from __future__ import annotations

from typing import Any

from allauth.account.decorators import reauthentication_required
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts import audit, care, people
from accounts.access import login_required, patient_required, person
from accounts.agreements import kinds
from accounts.models import Consent, User
from accounts.wording import WORDING
from diagnoses import erasure, everything, workflow
from diagnoses.mine_forms import EraseForm
from diagnoses.models import Case, Photo
from diagnoses.zipped import zipped


@login_required
@require_POST
def consent(request: HttpRequest, kind: str, pk: int | None = None) -> HttpResponse:
    """Give or take back one consent; ``answer`` is "give" or "withdraw"."""
    user = whose(request, pk)
    if kind not in kinds(user):
        raise Http404
    chosen = Consent.Kind(kind)
    if request.POST.get("answer") == "give":
        people.give_consent(user, chosen)
        said = _("Thank you. You agreed: %(what)s") % {"what": WORDING[chosen].text}
        messages.success(request, said)
    elif request.POST.get("answer") == "withdraw":
        workflow.withdraw_consent(user, chosen)
        said = _("Done, you took it back. %(without)s") % {"without": WORDING[chosen].without}
        messages.success(request, said)
    return redirect(page_of(user))


@never_cache
@patient_required
@require_http_methods(["GET", "HEAD", "POST"])
def download(request: HttpRequest, pk: int | None = None) -> HttpResponseBase:
    """The password first; then say what is in a copy of everything, and with POST send it."""
    answer: HttpResponseBase = _download(request, pk, whose(request, pk))
    return answer


@reauthentication_required  # type: ignore[untyped-decorator]  # allauth ships no types
def _download(request: HttpRequest, pk: int | None, user: User) -> HttpResponseBase:
    if request.method != "POST":
        mine = Case.objects.filter(patient=user)
        context = {
            "about": user if pk else None,
            "back": page_of(user),
            "cases": mine.count(),
            "photos": Photo.objects.filter(case__in=mine).count(),
        }
        return render(request, "mine/download.html", context)
    return as_zip(user)


def as_zip(user: User, **where: str) -> StreamingHttpResponse:
    """A copy of everything of ``user``'s, written to the trail and made while it is sent."""
    copy = everything.gather(user)
    audit.record(
        "person.exported",
        actor=user,
        about=f"user:{user.pk}",
        cases=len(copy.record["cases"]),
        photos=len(copy.pictures),
        **where,
    )
    stream = zipped(copy)
    name = f"lentigo-{timezone.localdate():%Y-%m-%d}.zip"
    response = StreamingHttpResponse(stream, content_type="application/zip")
    response["Content-Length"] = str(len(stream))
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response


@never_cache
@patient_required
@require_http_methods(["GET", "HEAD", "POST"])
def erase(request: HttpRequest, pk: int | None = None) -> HttpResponseBase:
    """Say what goes, what stays and why; asked for already, say when, and how to keep it."""
    user = whose(request, pk)
    context: dict[str, Any] = {"about": user if pk else None, "back": page_of(user)}
    if user.erase_asked_at is not None:
        context["day"] = erasure.not_before(user)
        return render(request, "mine/erase_asked.html", context)
    waiting = erasure.open_cases(user).count()
    form = EraseForm(request.POST or None, has_open_cases=waiting > 0)
    if request.method == "POST" and form.is_valid():
        answer: HttpResponseBase = _erase_asked(request, form, user)
        return answer
    context |= {
        "form": form,
        "open_cases": waiting,
        "looked_after": care.people_of(user),
        "cases": Case.objects.visible_to(user).count(),
        "years": settings.RECORD_RETENTION_YEARS,
    }
    return render(request, "mine/erase.html", context, status=422 if form.is_bound else 200)


@reauthentication_required  # type: ignore[untyped-decorator]  # allauth ships no types
def _erase_asked(request: HttpRequest, form: EraseForm, user: User) -> HttpResponseBase:
    erasure.ask(user, after_answers=form.after_answers)
    if user.carer_id is not None:
        return redirect("person_erase", user.pk)
    logout(request)
    messages.success(
        request,
        _("You are logged out, and your account will be erased. To keep it, log in within a week."),
    )
    return redirect("account_login")


@patient_required
@require_POST
def keep(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """Undo it: the account stays."""
    user = whose(request, pk)
    people.keep_account(user)
    said = (
        _("Their records stay. Nothing was erased.")
        if pk
        else _("Your account stays. Nothing was erased.")
    )
    messages.success(request, said)
    return redirect(page_of(user))


def whose(request: HttpRequest, pk: int | None) -> User:
    user = person(request)
    if pk is None:
        return user
    return get_object_or_404(user.cared_for.select_related("carer", "clinic"), pk=pk)


def page_of(user: User) -> str:
    return reverse("account") if user.carer_id is None else reverse("person", args=[user.pk])
