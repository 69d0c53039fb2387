"""What I decide about my own records: what may be done with them, a copy of them, their end.

The account page is accounts' own; what changes cases, or gathers them, is here.
"""

from __future__ import annotations

from allauth.account.decorators import reauthentication_required
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts import audit, people
from accounts.access import login_required, patient_required, person
from accounts.agreements import kinds
from accounts.models import Consent
from accounts.wording import WORDING
from diagnoses import erasure, everything, workflow
from diagnoses.mine_forms import EraseForm
from diagnoses.models import Case, Photo
from diagnoses.zipped import zipped


@login_required
@require_POST
def consent(request: HttpRequest, kind: str) -> HttpResponse:
    """Give or take back one consent; ``answer`` is "give" or "withdraw"."""
    user = person(request)
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
    return redirect("account")


@never_cache
@patient_required
@require_http_methods(["GET", "HEAD", "POST"])
@reauthentication_required  # type: ignore[untyped-decorator]  # allauth ships no types
def download(request: HttpRequest) -> HttpResponseBase:
    """The password first; then say what is in a copy of everything, and with POST send it."""
    user = person(request)
    if request.method != "POST":
        mine = Case.objects.visible_to(user)
        context = {
            "cases": mine.count(),
            "photos": Photo.objects.filter(case__in=mine).count(),
        }
        return render(request, "mine/download.html", context)
    copy = everything.gather(user)
    audit.record(
        "person.exported",
        actor=user,
        about=f"user:{user.pk}",
        cases=len(copy.record["cases"]),
        photos=len(copy.pictures),
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
def erase(request: HttpRequest) -> HttpResponseBase:
    """Say what goes, what stays and why; asked for already, say when, and how to keep it."""
    user = person(request)
    if user.erase_asked_at is not None:
        return render(request, "mine/erase_asked.html", {"day": erasure.not_before(user)})
    waiting = erasure.open_cases(user).count()
    form = EraseForm(request.POST or None, has_open_cases=waiting > 0)
    if request.method == "POST" and form.is_valid():
        answer: HttpResponseBase = _erase_asked(request, form)
        return answer
    context = {
        "form": form,
        "open_cases": waiting,
        "cases": Case.objects.visible_to(user).count(),
        "years": settings.RECORD_RETENTION_YEARS,
    }
    return render(request, "mine/erase.html", context, status=422 if form.is_bound else 200)


@reauthentication_required  # type: ignore[untyped-decorator]  # allauth ships no types
def _erase_asked(request: HttpRequest, form: EraseForm) -> HttpResponseBase:
    erasure.ask(person(request), after_answers=form.after_answers)
    logout(request)
    messages.success(
        request,
        _("You are logged out, and your account will be erased. To keep it, log in within a week."),
    )
    return redirect("account_login")


@patient_required
@require_POST
def keep(request: HttpRequest) -> HttpResponse:
    """Undo it: the account stays."""
    people.keep_account(person(request))
    messages.success(request, _("Your account stays. Nothing was erased."))
    return redirect("account")
