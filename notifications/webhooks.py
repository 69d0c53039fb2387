"""What Twilio tells us: where a message is, and what somebody wrote back.

Only what carries Twilio's signature over the exact public address is read. A report that comes
again, late or out of order changes nothing, because states only move forward and an inbound
message is a row that exists once.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.db import transaction
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.shortcuts import get_object_or_404
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from twilio.request_validator import RequestValidator
from twilio.twiml.messaging_response import MessagingResponse

from accounts import people
from accounts.agreements import agreed_to_messages
from accounts.languages import language_of
from accounts.models import ContactNumber
from notifications import settling
from notifications.models import Inbound, Message
from notifications.setup.webhook import echo_of
from notifications.twilio_api import Fate

logger = logging.getLogger(__name__)
P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]

MAX_BODY = 32 * 1024
# Twilio's own words: in text messages it heeds them itself, and answers; on WhatsApp we do.
STOP = {"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"}
START = {"START", "UNSTOP"}
# As people say it in Spanish, which Twilio does not heed by itself.
STOP_TOO = {"PARAR", "PARE", "BAJA", "ALTO", "CANCELAR", "DETENER"}
START_TOO = {"INICIAR", "ALTA", "COMENZAR", "REANUDAR"}
# In a text message it lifts Twilio's block. It may answer another question: it undoes a STOP only.
YES = "YES"
REPLIES = {
    Inbound.Word.STOP: _(
        "You will get no more messages here. News comes by e-mail instead. "
        "To get messages here again, write START."
    ),
    Inbound.Word.START: _("You will get messages here again. To end them, write STOP."),
}
# START is for the phone; what may be sent to it is agreed to by whoever it is.
ALSO_AGREE = _("Thank you. To get messages here, please also agree to them on your account page.")


def from_twilio(view: View[P]) -> View[P]:
    """Let only POSTs through that Twilio signed for this very address; 403 for the rest."""

    @csrf_exempt
    @require_POST
    @wraps(view)
    def checked(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if _length(request) > MAX_BODY:
            return HttpResponse(status=413)
        if not _signed(request):
            logger.warning("refused a webhook without Twilio's signature")
            return HttpResponse(status=403)
        return view(request, *args, **kwargs)

    return checked


def _length(request: HttpRequest) -> int:
    """What the request says its body is long; Django reads no byte more than that."""
    said = request.META.get("CONTENT_LENGTH") or "0"
    return int(said) if said.isascii() and said.isdigit() else 0


def _signed(request: HttpRequest) -> bool:
    token = settings.TWILIO_AUTH_TOKEN
    signature = request.headers.get("X-Twilio-Signature", "")
    if not token or not signature:
        return False  # without a token the signature would be anyone's
    # Our own public address, not the Host header, which the sender chooses.
    url = settings.PUBLIC_URL + request.get_full_path()
    try:
        fields = request.POST
    except (SuspiciousOperation, MultiPartParserError, UnreadablePostError):
        return False  # nothing that Twilio would send
    return bool(RequestValidator(token).validate(url, fields, signature))


@from_twilio
def status(request: HttpRequest, pk: uuid.UUID, attempt: int) -> HttpResponse:
    """A status callback for one try of one message. Our own id is in the address, so a report
    that is faster than the answer to our request finds its message too.
    """
    message = get_object_or_404(Message, pk=pk)
    fate = Fate(
        sid=request.POST.get("MessageSid", "")[:64],
        status=request.POST.get("MessageStatus", ""),
        code=_number(request.POST.get("ErrorCode", "")),
    )
    settling.reported(message, fate, attempt=attempt)
    return HttpResponse(status=204)


@from_twilio
def inbound(request: HttpRequest) -> HttpResponse:
    """Somebody wrote to our number, on WhatsApp or as a text message. STOP and START count, for the
    phone and so for both; other words are not kept."""
    sid = request.POST.get("MessageSid", "")[:64]
    if not sid:
        return HttpResponse(status=400)
    sender = request.POST.get("From", "").removeprefix("whatsapp:")[:16]
    by_sms = not request.POST.get("From", "").startswith("whatsapp:")
    said = _said(request.POST.get("OptOutType") or request.POST.get("Body", ""))
    word = _word(said)
    if said == YES and by_sms and people.stopped(sender):
        word = Inbound.Word.START
    twilio_answers = "OptOutType" in request.POST or (by_sms and said in STOP | START | {YES})
    answer = MessagingResponse()
    with transaction.atomic():
        _, new = Inbound.objects.get_or_create(
            provider_id=sid, defaults={"e164": sender, "word": word}
        )
        if new and word == Inbound.Word.STOP:
            people.opt_out(sender)
        elif new and word == Inbound.Word.START:
            people.opt_in(sender)
    if new and word in REPLIES and not twilio_answers:
        with override(_language_of(sender)):
            answer.message(str(_reply(word, sender)))
    return HttpResponse(str(answer), content_type="text/xml")


@from_twilio
def check(request: HttpRequest) -> HttpResponse:
    """The set-up page tries whether what Twilio sends arrives: answer as only we can."""
    return HttpResponse(echo_of(request.POST.get("Nonce", "")[:64]), content_type="text/plain")


def _reply(word: Inbound.Word, e164: str) -> str | Promise:
    whose = list(ContactNumber.objects.filter(e164=e164).values_list("user", flat=True))
    if word == Inbound.Word.START and whose and not agreed_to_messages(whose):
        return ALSO_AGREE
    return REPLIES[word]


def _language_of(e164: str) -> str:
    """Of whoever has this phone, else the portal's own."""
    number = ContactNumber.objects.select_related("user").filter(e164=e164).first()
    return language_of(number.user) if number else str(settings.LANGUAGE_CODE)


def _said(body: str) -> str:
    return body.strip().strip(".!¡").upper()


def _word(said: str) -> Inbound.Word:
    if said in STOP | STOP_TOO:
        return Inbound.Word.STOP
    return Inbound.Word.START if said in START | START_TOO else Inbound.Word.OTHER


def _number(raw: str) -> int | None:
    return int(raw) if raw.isascii() and raw.isdigit() else None
