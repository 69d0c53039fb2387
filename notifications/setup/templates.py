"""The approved templates: which the settings name, and what Twilio says of them when asked."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, Final

import requests
from django.conf import settings
from django.template.loader import get_template
from django.utils import translation
from twilio.base.exceptions import TwilioException

from notifications import twilio_api
from notifications.models import BY_STAFF, Event
from notifications.setup import SECONDS
from notifications.setup.intime import done_in_time

CONTENT_SID: Final = re.compile(r"HX[0-9a-fA-F]{32}")
# Those of one answer whole: a template more, with a second variable.
WHOLE: Final = (Event.CASE_SIGNED, Event.CASE_AMENDED)
CATEGORIES: Final[dict[str, str]] = {
    Event.NUMBER_CODE: "authentication",
    Event.REMIND_SUN: "marketing",  # nobody asked for it
}
# Its words are WhatsApp's own, in every language.
AUTHENTICATION: Final = {
    "add_security_recommendation": True,
    "code_expiration_minutes": 10,
    "actions": [{"type": "COPY_CODE", "copy_code_text": "Copy"}],
}
# How long one request may take, so that a few fit into one press.
CONNECT, READ = 2.0, 2.5


@dataclass(frozen=True, slots=True)
class Wanted:
    """One template there should be. ``key`` is how TWILIO_CONTENT_SIDS calls it."""

    event: Event
    language: str  # "en", "es"
    whole: bool
    sid: str  # "" where none is set
    shared: bool  # the one without a language stands in for it

    @property
    def key(self) -> str:
        return f"{self.event}{'.full' if self.whole else ''}.{self.language}"

    @property
    def text(self) -> str:
        """Our words, with Twilio's own marks where a variable stands."""
        return our_text(self.event, self.language, whole=self.whole)

    @property
    def category(self) -> str:
        """What WhatsApp files it under, and asks to be told."""
        return CATEGORIES.get(self.event, "utility")

    def request(self) -> dict[str, Any]:
        """What makes it at Twilio: the body of a POST to ``/v1/Content``."""
        samples = {"1": f"{settings.PUBLIC_URL}/l/{'A' * 22}/"}
        if self.whole:
            samples["2"] = "A. S.: Please show it at the clinic. «It looks harmless to me.»"
        kind: dict[str, Any] = {"twilio/text": {"body": self.text}}
        if self.event == Event.NUMBER_CODE:
            samples = {"1": "123456"}
            kind = {"whatsapp/authentication": AUTHENTICATION}
        return {
            "friendly_name": self.key.replace(".", "_"),
            "language": self.language,
            "variables": samples,
            "types": kind,
        }


@dataclass(frozen=True, slots=True)
class Said:
    """What Twilio says of one template. ``state`` is WhatsApp's word, or one of ours:

    ``refused`` (the credentials), ``missing`` (no such template), ``silent`` (could not be asked).
    """

    state: str
    reason: str = ""
    body: str = ""  # "" for a kind of template that has no text of its own

    def kept(self) -> dict[str, str]:
        return asdict(self)


def wanted(*, whole: bool) -> list[Wanted]:
    """Every event in every language, but what only ever waits for a person of the clinic; with
    ``whole`` those that carry an answer too."""
    return [
        _wanted(event, language, whole=carries)
        for event in Event
        if event not in BY_STAFF
        for carries in ((False, True) if whole and event in WHOLE else (False,))
        for language in _languages()
    ]


def _wanted(event: Event, language: str, *, whole: bool) -> Wanted:
    sids: dict[str, str] = settings.TWILIO_CONTENT_SIDS
    name = f"{event}.full" if whole else str(event)
    own = sids.get(f"{name}.{language}", "")
    sid = own or sids.get(name, "")
    return Wanted(event, language, whole, sid, shared=bool(sid and not own))


def _languages() -> list[str]:
    return [code.partition("-")[0] for code, _name in settings.LANGUAGES]


def not_ours() -> list[str]:
    """Names in TWILIO_CONTENT_SIDS that no message looks for: a slip of the pen."""
    known = {str(event) for event in Event} | {f"{event}.full" for event in WHOLE}
    known |= {f"{name}.{language}" for name in known for language in _languages()}
    return sorted(set(settings.TWILIO_CONTENT_SIDS) - known)


def our_text(event: Event, language: str, *, whole: bool) -> str:
    """What the template should say."""
    folder = f"notifications/{language}/{'full/' if whole else ''}"
    template = get_template(f"{folder}{event}.txt")
    with translation.override(language):
        text = template.render({"link": "{{1}}", "code": "{{1}}", "words": "{{2}}"}).strip()
        said = text if whole else text.split("\n\n", 1)[1]
        if event != Event.NUMBER_CODE:  # whose words are WhatsApp's own
            said = get_template(f"notifications/{language}/phone.txt").render({"text": said})
    return str(said).strip()


def same_text(one: str, other: str) -> bool:
    """Line ends and double spaces are nobody's meaning."""
    return one.split() == other.replace("{{ 1 }}", "{{1}}").replace("{{ 2 }}", "{{2}}").split()


# --- Asking --------------------------------------------------------------------------------------
def ask(templates: list[Wanted]) -> dict[str, Said]:
    """Ask Twilio about each template that is set, by its sid; never longer than ``SECONDS``.

    Without any set the account itself is asked for, under "": whether the credentials work.
    """
    sids = {one.sid for one in templates if CONTENT_SID.fullmatch(one.sid)} or {""}
    answers = done_in_time(_asked, sorted(sids), seconds=SECONDS)
    return {sid: answers.get(sid, Said("silent")) for sid in sids}


def _asked(sid: str) -> Said:
    try:
        return _ask(sid)
    except TwilioException as error:
        status = _status_of(error)
        if status in (401, 403):
            return Said("refused")
        return Said("missing" if status == 404 else "silent", f"HTTP {status}" if status else "")
    except (requests.RequestException, ValueError, TypeError, AttributeError):
        return Said("silent")  # nobody there, or an answer that is none of Twilio's


def _status_of(error: TwilioException) -> int:
    """The HTTP status of a refusal; a page that could not be had carries its answer instead."""
    answer = error.args[1] if len(error.args) > 1 else None
    return int(getattr(error, "status", 0) or getattr(answer, "status_code", 0))


def _ask(sid: str) -> Said:
    client = twilio_api.client((CONNECT, READ))
    if not sid:
        client.messages.page(page_size=1)
        return Said("approved")
    content = client.content.v1.contents(sid)
    approval: Any = content.approval_fetch().fetch().whatsapp or {}
    kinds: Any = content.fetch().types or {}
    bodies = [kind.get("body", "") for kind in kinds.values() if isinstance(kind, dict)]
    return Said(
        state=str(approval.get("status") or "unsubmitted"),
        reason=str(approval.get("rejection_reason") or "")[:300],
        body=str(next((body for body in bodies if body), "")),
    )
