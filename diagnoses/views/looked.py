"""Who looked at my photos: what the audit trail says of one's own cases."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.access import patient_required
from diagnoses.looked import looks, told
from diagnoses.views.mine import page_of, whose

PAGE = 30


@never_cache
@patient_required
@require_safe
def looked(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """By day, the newest first; ``pk`` names somebody looked after."""
    user = whose(request, pk)
    page = Paginator(looks(user), PAGE).get_page(request.GET.get("page"))
    context = {
        "about": user if pk else None,
        "back": page_of(user),
        "looks": told(list(page.object_list)),
        "page": page,
    }
    return render(request, "mine/looked.html", context)
