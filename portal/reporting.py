"""``/.well-known/security.txt`` (RFC 9116): whom to tell who has found a hole."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

# It says who answers today: whoever keeps a copy asks again after a while.
HOLDS_FOR = timedelta(days=90)


@require_safe
@cache_control(max_age=86_400, public=True)
def security_txt(_request: HttpRequest) -> HttpResponse:
    """404 where the installation names nobody: a made-up address would swallow what is told."""
    if not settings.SECURITY_CONTACT:
        raise Http404
    until = (timezone.now() + HOLDS_FOR).replace(microsecond=0)
    lines = [
        *(f"Contact: {contact}" for contact in settings.SECURITY_CONTACT),
        f"Expires: {until.isoformat()}",
        "Preferred-Languages: en, es",
        f"Canonical: {settings.PUBLIC_URL}{reverse('security_txt')}",
    ]
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8")
