"""The page where messages are set up, and its buttons. For admins; no JavaScript."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.access import admin_required, person
from accounts.audit import record
from accounts.models import Clinic, User
from notifications import twilio_api
from notifications.models import SetupCheck
from notifications.setup import looking, templates, trying, webhook
from notifications.setup.looking import OUTCOMES

Kind = SetupCheck.Kind


@never_cache
@require_safe
@admin_required
def page(request: HttpRequest) -> HttpResponse:
    """How messages stand: from settings, rows and the results of earlier checks."""
    user = person(request)
    checks = looking.checks()
    inbound, heard = looking.inbound_line()
    message, tried = looking.message_line(user)
    context = {
        "senders": looking.senders(),
        "rows": looking.template_rows(checks.get(Kind.TEMPLATES)),
        "not_ours": templates.not_ours(),
        "templates": checks.get(Kind.TEMPLATES),
        "address": looking.address_line(),
        "webhook": checks.get(Kind.WEBHOOK),
        "webhook_line": looking.webhook_line(checks.get(Kind.WEBHOOK)),
        "inbound": inbound,
        "heard": heard,
        "mail": checks.get(Kind.MAIL),
        "mail_lines": looking.mail_lines(checks.get(Kind.MAIL)),
        "message": message,
        "tried": tried,
        "failing": looking.failing(user),
    }
    return render(request, "notifications/setup.html", context)


@require_POST
@admin_required
def check(request: HttpRequest, kind: str) -> HttpResponse:
    """Do one check now, keep what it found, and show the page there."""
    if kind not in CHECKS:
        raise Http404
    CHECKS[kind](request, person(request))
    return redirect(f"{reverse('message_setup')}#{kind}")


def _templates(request: HttpRequest, user: User) -> None:
    if not twilio_api.configured():
        messages.warning(request, _("Set the account, the token and the sender first."))
        return
    asked = templates.wanted(whole=Clinic.objects.filter(full_report=True).exists())
    said = templates.ask(asked)
    _keep(Kind.TEMPLATES, user, {"said": {sid: each.kept() for sid, each in said.items()}})
    states = {each.state for each in said.values()}
    if "refused" in states:
        messages.warning(request, _("Twilio does not accept our credentials."))
    elif "silent" in states:
        messages.warning(
            request, _("Twilio could not be asked about everything. Please try again.")
        )
    else:
        messages.success(request, _("Twilio has answered."))


def _webhook(request: HttpRequest, user: User) -> None:
    tried = webhook.try_it()
    _keep(Kind.WEBHOOK, user, tried.kept())
    state, text = OUTCOMES[tried.outcome]
    messages.add_message(request, messages.SUCCESS if state == "ok" else messages.WARNING, text)


def _mail(request: HttpRequest, user: User) -> None:
    found = trying.mail_to(user.email)
    _keep(Kind.MAIL, user, found)
    state, text = looking.MAILED[found["outcome"]]
    messages.add_message(request, messages.SUCCESS if state == "ok" else messages.WARNING, text)


def _message(request: HttpRequest, user: User) -> None:
    try:
        trying.message_to(user)
    except trying.NotTried as refusal:
        messages.warning(request, str(refusal))
    else:
        messages.success(request, _("A test message is on its way to your phone."))


CHECKS: Final[dict[str, Callable[[HttpRequest, User], None]]] = {
    Kind.TEMPLATES.value: _templates,
    Kind.WEBHOOK.value: _webhook,
    Kind.MAIL.value: _mail,
    "message": _message,
}


@transaction.atomic
def _keep(kind: SetupCheck.Kind, user: User, found: dict[str, Any]) -> None:
    """The newest result in place of the one before, and a line in the audit trail."""
    now = timezone.now()
    SetupCheck.objects.update_or_create(kind=kind, defaults={"found": found, "at": now, "by": user})
    outcomes = {"outcome": found["outcome"]} if "outcome" in found else {}
    record("messages.checked", actor=user, about=f"setup:{kind.value}", **outcomes)
