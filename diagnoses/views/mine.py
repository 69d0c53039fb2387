"""What I decide about my own records: what may be done with them, a copy of them, their end.

The account page is accounts' own; what changes cases, or gathers them, is here.
"""

from __future__ import annotations

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
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
from diagnoses import everything, workflow
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
@reauthentication_required(allow_get=True)  # type: ignore[untyped-decorator]  # allauth ships no types
def download(request: HttpRequest) -> HttpResponseBase:
    """Say what is in a copy of everything; with POST, and the password just typed, send it."""
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
