"""What the set-up page shows: settings, rows and earlier results, in words. It asks nobody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db.models import Count, Max, Q
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from accounts.models import Clinic, User
from accounts.phone import masked
from notifications import advice, errors, ledger
from notifications.models import Channel, Event, Inbound, Message, SetupCheck
from notifications.setup import templates, trying, webhook
from notifications.setup.templates import CONTENT_SID, Said, Wanted, same_text

# How far back errors are counted, and how long ago a reply from a phone is still news.
ERRORS_SINCE: Final = timedelta(days=30)
MOST_CODES: Final = 30

# A line's state: ok | bad | look (it may be meant so) | open (nobody has asked yet).
APPROVAL: Final[dict[str, tuple[str, Any]]] = {
    "approved": ("ok", _lazy("Approved by WhatsApp.")),
    "unsubmitted": ("bad", _lazy("Not sent to WhatsApp for approval yet.")),
    "received": ("look", _lazy("WhatsApp is looking at it.")),
    "pending": ("look", _lazy("WhatsApp is looking at it.")),
    "rejected": ("bad", _lazy("WhatsApp has rejected it.")),
    "paused": ("bad", _lazy("WhatsApp has paused it: too many people minded it.")),
    "disabled": ("bad", _lazy("WhatsApp has switched it off.")),
    "missing": ("bad", _lazy("Twilio has no such template in this account.")),
    "refused": ("bad", _lazy("Twilio does not accept our credentials.")),
    "silent": ("open", _lazy("Twilio could not be asked.")),
}
OUTCOMES: Final[dict[str, tuple[str, Any]]] = {
    "ok": ("ok", _lazy("It arrived, signed and whole.")),
    "no token": ("bad", _lazy("Without TWILIO_AUTH_TOKEN nothing can be signed.")),
    "no host": ("bad", _lazy("The name in PUBLIC_URL is not known. Check its spelling and DNS.")),
    "refused": ("bad", _lazy("Nobody listens at PUBLIC_URL. Is the proxy up, and the port right?")),
    "certificate": ("bad", _lazy("The certificate of PUBLIC_URL is not valid. Renew it.")),
    "too slow": ("open", _lazy("No answer in five seconds. Try again, then look at the proxy.")),
    "broken": ("bad", _lazy("The connection broke. Look at the proxy’s log.")),
    "redirected": ("bad", _lazy("It was redirected. Twilio needs the address that answers.")),
    "not signed": (
        "bad",
        _lazy("The signature was not taken: something in front of us changes the address or body."),
    ),
    "not found": ("bad", _lazy("The proxy does not pass /twilio/ on to the portal.")),
    "another": ("bad", _lazy("Something else answers at PUBLIC_URL, not this portal.")),
    "failing": ("bad", _lazy("The server failed. Look at the portal’s log.")),
}
MAILED: Final[dict[str, tuple[str, Any]]] = {
    "ok": ("ok", _lazy("The mail server took it. Look into your inbox.")),
    "address": ("bad", _lazy("The mail server refuses the sender or your address.")),
    "login": ("bad", _lazy("The mail server does not accept the name and password of EMAIL_URL.")),
    "unreachable": ("bad", _lazy("The mail server of EMAIL_URL cannot be reached.")),
    "refused": ("bad", _lazy("The mail server refused it.")),
    "too slow": ("open", _lazy("The mail server could not be asked: no answer in five seconds.")),
}
SENT: Final[dict[str, tuple[str, Any]]] = {
    Message.State.PENDING: ("open", _lazy("It waits to be sent. Look again in a moment.")),
    Message.State.SENT: ("look", _lazy("It has left. Whether it arrived is not known yet.")),
    Message.State.UNKNOWN: ("look", _lazy("It may have left. We ask after it by ourselves.")),
    Message.State.DELIVERED: ("ok", _lazy("It is on your phone.")),
    Message.State.READ: ("ok", _lazy("It is on your phone, and you have read it.")),
    Message.State.FAILED: ("bad", _lazy("It did not arrive.")),
    Message.State.CANCELLED: ("look", _lazy("It was withdrawn before it left.")),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that is there or not. ``more`` says what to do about it, or shows detail."""

    title: Any
    state: str  # ok | bad | look | open
    text: Any
    more: Any = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One template there should be, and how it stands."""

    event: str
    language: str
    whole: bool
    key: str
    sid: str
    line: Line
    ours: str
    theirs: str  # where it differs from ours, else ""


@dataclass(frozen=True, slots=True)
class Failing:
    """One code, how often it came of late, what it means and what to do."""

    code: str
    channel: str
    count: int
    last: datetime
    reason: Any
    to_do: Any


def checks() -> dict[str, SetupCheck]:
    """What each kind of check found last."""
    return {check.kind: check for check in SetupCheck.objects.select_related("by")}


# --- Credentials and senders ---------------------------------------------------------------------
def senders() -> list[Line]:
    """Whether each setting is there; secrets are never shown, our own numbers are."""
    return [
        _there("TWILIO_ACCOUNT_SID", _("Twilio account"), secret=True),
        _there("TWILIO_AUTH_TOKEN", _("Twilio token"), secret=True),
        _there("TWILIO_WHATSAPP_FROM", _("WhatsApp sender")),
        _there("TWILIO_SMS_FROM", _("SMS sender"), needed=False),
        _api_base(),
    ]


def _there(name: str, title: str, *, secret: bool = False, needed: bool = True) -> Line:
    value = str(getattr(settings, name, ""))
    if value:
        return Line(title, "ok", _("Set.") if secret else value)
    missing = _("Missing: set %(name)s.") % {"name": name}
    unneeded = _("Not set: no text messages are sent. Set %(name)s to send them.") % {"name": name}
    return Line(title, "bad", missing) if needed else Line(title, "look", unneeded)


def _api_base() -> Line:
    base = settings.TWILIO_API_BASE
    title = _("Twilio’s servers")
    if not base:
        return Line(title, "ok", _("Twilio’s own."))
    text = _("Another server plays Twilio’s part, and nothing reaches real phones.")
    return Line(title, "look", text, _("For real phones leave TWILIO_API_BASE empty."))


# --- Templates -----------------------------------------------------------------------------------
def template_rows(check: SetupCheck | None) -> list[Row]:
    said = {sid: Said(**each) for sid, each in check.found["said"].items()} if check else {}
    whole = Clinic.objects.filter(full_report=True).exists()
    return [_row(one, said) for one in templates.wanted(whole=whole)]


def _row(one: Wanted, said: dict[str, Said]) -> Row:
    answer = said.get(one.sid)
    ours = one.text
    differs = bool(answer and answer.body and not same_text(answer.body, ours))
    return Row(
        event=str(Event(one.event).label),
        language=one.language,
        whole=one.whole,
        key=one.key,
        sid=one.sid,
        line=_template_line(one, answer, differs=differs),
        ours=ours,
        theirs=answer.body if answer and differs else "",
    )


def _template_line(one: Wanted, answer: Said | None, *, differs: bool) -> Line:
    if not one.sid:
        return Line(one.key, "look", _("None set: WhatsApp takes it only within 24 hours."))
    if not CONTENT_SID.fullmatch(one.sid):
        return Line(one.key, "bad", _("This is no ContentSid: HX and 32 digits."))
    if answer is None:
        return Line(one.key, "open", _("Set. Twilio has not been asked yet."))
    state, text = APPROVAL.get(answer.state, ("look", answer.state))
    if differs:
        return Line(one.key, "bad", text, _("Its text is not ours."))
    if state != "ok":
        return Line(one.key, state, text, answer.reason)
    same = _("Its text is ours.") if answer.body else _("It has no text of its own to compare.")
    return Line(one.key, state, text, same)


# --- The webhook, e-mail, the test message -------------------------------------------------------
def address_line() -> Line:
    title = _("Public address")
    if webhook.only_here():
        text = _("Only this machine can reach it, so Twilio cannot report to us.")
        return Line(title, "look", settings.PUBLIC_URL, text)
    if not settings.SECURE:
        return Line(title, "bad", settings.PUBLIC_URL, _("Set PUBLIC_URL to an https address."))
    return Line(title, "ok", settings.PUBLIC_URL)


def webhook_line(check: SetupCheck | None) -> Line:
    title = _("From outside to our webhook and back")
    if check is None:
        return Line(title, "open", _("Not tried yet."))
    state, text = OUTCOMES[check.found["outcome"]]
    detail = ""
    if check.found["status"]:
        took = {"status": check.found["status"], "ms": check.found["milliseconds"]}
        detail = _("HTTP %(status)s after %(ms)s ms.") % took
    return Line(title, state, text, detail)


def inbound_line() -> tuple[Line, datetime | None]:
    """Whether anybody's reply has ever reached us, and when the last one did."""
    title = _("Last message from a phone")
    last = Inbound.objects.aggregate(last=Max("received_at"))["last"]
    if last is None:
        text = _("None yet. Write something to our number; STOP and START arrive the same way.")
        return Line(title, "open", text), None
    return Line(title, "ok", ""), last


def mail_lines(check: SetupCheck | None) -> list[Line]:
    title = _("E-mail")
    if trying.mail_leaves():
        server = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
        lines = [Line(title, "ok", _("Leaves by %(server)s.") % {"server": server})]
    else:
        text = _("No mail server is set: nobody gets an e-mail. Set EMAIL_URL.")
        lines = [Line(title, "bad", text)]
    nowhere = "@localhost" in settings.DEFAULT_FROM_EMAIL
    more = _("Set DEFAULT_FROM_EMAIL to an address of yours.") if nowhere else ""
    state = "bad" if nowhere else "ok"
    lines.append(Line(_("Sender of e-mails"), state, settings.DEFAULT_FROM_EMAIL, more))
    if check is not None:
        state, text = MAILED[check.found["outcome"]]
        lines.append(Line(_("Test e-mail"), state, text, check.found.get("code", "")))
    return lines


def message_line(user: User) -> tuple[Line, datetime | None]:
    """What became of the test message ``user`` sent last, and where the next would go."""
    title = _("Test message")
    last = trying.last_message(user)
    if last is None:
        route = ledger.route_to(user)
        if route.channel == Channel.EMAIL:
            return Line(title, "open", _("You have no confirmed number that takes messages.")), None
        ready = _("Ready to go to %(number)s.") % {"number": masked(route.address)}
        return Line(title, "open", ready), None
    state, text = SENT[last.state]
    if not last.error_code:
        return Line(title, state, text), last.created_at
    said = advice.reason(last), errors.known(last.error_code).to_do
    return Line(title, state, text, f"{last.error_code}: {said[0]} {said[1]}"), last.created_at


# --- What went wrong -----------------------------------------------------------------------------
def failing(admin: User) -> list[Failing]:
    """The codes of the last 30 days, the newest first; of their own clinic for who has one."""
    wrong = ~Q(error_code="") & ~Q(error_code__in=errors.WAITS)
    rows = Message.objects.filter(wrong, created_at__gt=Now() - ERRORS_SINCE)
    if admin.clinic_id:
        own = Q(recipient__clinic=admin.clinic_id) | Q(invitation__clinic=admin.clinic_id)
        rows = rows.filter(own)
    counted = (
        rows.order_by()
        .values("error_code", "channel")
        .annotate(count=Count("pk"), last=Max("created_at"))
        .order_by("-last")[:MOST_CODES]
    )
    return [_failing(**row) for row in counted]


def _failing(error_code: str, channel: str, count: int, last: datetime) -> Failing:
    meant = errors.known(error_code, mail=channel == Channel.EMAIL)
    name = str(Channel(channel).label)
    return Failing(error_code, name, count, last, reason=meant.reason, to_do=meant.to_do)
