"""The staff's page of messages: a list, the whole of one telling, and what can be done about it."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import audit, directory
from accounts.access import admin_required, person
from accounts.phone import spoken
from notifications import again, staff
from notifications.models import Channel, Message
from notifications.staff import Filters, Line, Show

CONFLICT = 409
State = Message.State


@require_safe
@admin_required
def message_list(request: HttpRequest) -> HttpResponse:
    """What needs somebody, unless another list or a search is asked for."""
    user, filters = person(request), Filters.read(request.GET)
    found = staff.page(user, filters, after=_after(request))
    tally = directory.counted(staff.needing_someone(staff.visible_to(user)))
    context = {
        "filters": filters,
        "lines": found.lines,
        "next_page": filters.query(after=str(found.after)) if found.after else "",
        "first_page": "after" not in request.GET,
        "opened_with": filters.query(),
        "lists": [
            {
                "title": show.heading,
                "query": filters.showing(show).query(),
                "current": show is filters.show,
                "tally": tally if show is Show.NEEDS else "",
            }
            for show in Show
        ],
    }
    return render(request, "staff/list.html", context)


@require_safe
@admin_required
def message_page(request: HttpRequest, pk: UUID) -> HttpResponse:
    """One message, and every other way in which the same was told."""
    found = _message(request, pk)
    audit.record("message.viewed", actor=person(request), about=f"message:{found.pk}")
    task = found.channel == Channel.STAFF and found.state == State.PENDING
    context = {
        "line": Line.of(found),
        "story": staff.story(person(request), found),
        "is_task": task,
        "reach": _reach(found) if task else [],
        "again": again.may_be_asked(found),
        "in_doubt": found.state == State.UNKNOWN,
    }
    return render(request, "staff/message.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@admin_required
def message_again(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Send it once more; asked before, where nobody knows whether they have it."""
    found = _message(request, pk)
    in_doubt = found.state == State.UNKNOWN
    if request.method != "POST" or (in_doubt and "sure" not in request.POST):
        status = CONFLICT if request.method == "POST" else 200
        context = {"line": Line.of(found), "in_doubt": in_doubt}
        return render(request, "staff/again.html", context, status=status)
    try:
        sent = again.resend(found, person(request))
    except again.NotAgain as refusal:
        messages.warning(request, str(refusal))
        return redirect("staff_message", pk=found.pk)
    messages.success(request, _("It is sent once more. This is the new message."))
    return redirect("staff_message", pk=sent.pk)


@require_POST
@admin_required
def message_told(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Somebody of the clinic has told them."""
    found = _message(request, pk)
    try:
        again.done_by_hand(found, person(request))
    except again.NotAgain as refusal:
        messages.warning(request, str(refusal))
    else:
        messages.success(request, _("Thank you. This task is done."))
    return redirect("staff_message", pk=found.pk)


def _message(request: HttpRequest, pk: UUID) -> Message:
    return get_object_or_404(staff.visible_to(person(request)), pk=pk)


def _reach(message: Message) -> list[tuple[str, str]]:
    """How to reach whom a task is about: what to dial or write to, and how it is read."""
    who = message.recipient
    if who is not None:
        numbers = [number.e164 for number in who.numbers.order_by("pk")]
        email = who.email
    else:
        invited = message.invitation
        numbers = [invited.e164] if invited and invited.e164 else []
        email = invited.email if invited else ""
    ways = [(f"tel:{number}", spoken(number)) for number in numbers]
    return [*ways, (f"mailto:{email}", email)] if email else ways


def _after(request: HttpRequest) -> UUID | None:
    try:
        return UUID(request.GET.get("after", ""))
    except ValueError:
        return None
