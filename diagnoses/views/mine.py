"""What I decide about my own records: what may be done with them, a copy of them, their end.

The account page is accounts' own; what changes cases, or gathers them, is here.
"""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts import people
from accounts.access import login_required, person
from accounts.agreements import kinds
from accounts.models import Consent
from accounts.wording import WORDING
from diagnoses import workflow


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
