"""Twilio's Content API: the templates of an account, and what WhatsApp thinks of them.

It starts with the portal's own message templates, all approved, under ids that are the same on
every machine. More can be made as at Twilio, with ``POST /v1/Content``.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from portal.standin.refusals import Refused, not_found

PATH = "/v1/Content"
WITH_APPROVALS = "/v1/ContentAndApprovals"
HOST = "https://content.twilio.com"
OURS = Path(__file__).resolve().parents[2] / "templates" / "notifications"
# Parts of other messages, not messages.
PARTS = {"email", "phone"}
# What Meta files them under; the rest is "utility".
CATEGORIES = {"number_code": "AUTHENTICATION", "remind_sun": "MARKETING"}
# A template WhatsApp has taken back fails, whenever it is sent.
TAKEN_BACK = {"rejected": 63040, "paused": 63041, "disabled": 63042}
NOT_TEMPLATED = 63016
POLICY = 63013
_SID = re.compile(r"HX[0-9a-fA-F]{32}")
_VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_ANSWER = re.compile(r"\{\{\s*words\|safe\s*\}\}")
# WhatsApp approves none of which nobody can say how it begins or ends.
_AT_AN_END = re.compile(r"^\{\{\s*\w+\s*\}\}|\{\{\s*\w+\s*\}\}$")
AUTHENTICATION = "whatsapp/authentication"
_BAD_IN_A_VARIABLE = re.compile(r"[\n\t]| {4}")


@dataclass(frozen=True)
class Template:
    """One template. ``status`` is WhatsApp's word for it: approved, pending, rejected, paused …"""

    sid: str
    name: str
    language: str
    body: str
    status: str = "unsubmitted"
    reason: str = ""
    category: str = "UTILITY"
    at: str = field(default_factory=lambda: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))

    @property
    def variables(self) -> list[str]:
        return list(dict.fromkeys(_VARIABLE.findall(self.body)))


def sid_of(event: str, language: str) -> str:
    """The id of one of the portal's own templates here."""
    digest = hashlib.md5(f"{event}.{language}".encode(), usedforsecurity=False)
    return "HX" + digest.hexdigest()


def our_templates(folder: Path = OURS) -> list[Template]:
    """The portal's messages as templates: one for each event and language, and one more where a
    message can carry a doctor's answer whole."""
    return [
        Template(
            sid=sid_of(event, language),
            name=f"{event}_{language}",
            language=language,
            body=body,
            status="approved",
            category=CATEGORIES.get(event, "UTILITY"),
        )
        for event, language, body in _ours(folder)
    ]


def our_sids(folder: Path = OURS) -> dict[str, str]:
    """Those templates as the portal's setting ``TWILIO_CONTENT_SIDS`` names them."""
    return {
        event if language == "en" else f"{event}.{language}": sid_of(event, language)
        for event, language, _body in _ours(folder)
    }


def _ours(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Event, language and text: the link or the code is variable 1, an answer is variable 2."""
    for path in sorted(folder.glob("*/*.txt")):
        if path.stem not in PARTS:
            text = path.read_text(encoding="utf-8").split("\n\n", 1)[1].strip()
            said = text if path.stem == "number_code" else _on_a_phone(text, path.parent)
            yield path.stem, path.parent.name, _VARIABLE.sub("{{1}}", said)
    for path in sorted(folder.glob("*/full/*.txt")):
        text = _on_a_phone(path.read_text(encoding="utf-8").strip(), path.parents[1])
        body = _ANSWER.sub("{{2}}", _VARIABLE.sub("{{1}}", text))
        yield f"{path.stem}.full", path.parents[1].name, body


def _on_a_phone(text: str, folder: Path) -> str:
    """With how to stop behind it, as every message but a code has it."""
    frame = (folder / "phone.txt").read_text(encoding="utf-8").strip()
    return frame.replace("{{ text|safe }}", text)


class Contents:
    """An account's templates."""

    def __init__(self, templates: list[Template] | None = None) -> None:
        given = our_templates() if templates is None else templates
        self._by_sid = {template.sid: template for template in given}

    def set_status(self, sid: str, status: str, reason: str = "") -> None:
        """WhatsApp has thought about it."""
        self._by_sid[sid] = replace(self._by_sid[sid], status=status, reason=reason)

    # --- Sending ------------------------------------------------------------------------------
    def render(self, sid: str, variables: str) -> str:
        """The template's words with the variables (JSON) in them. Raises ``Refused``."""
        template = self._by_sid.get(sid)
        if not _SID.fullmatch(sid) or template is None:
            raise Refused(400, 21655, "The ContentSid is Invalid")
        given = _variables(variables)
        if any(not given.get(name) for name in template.variables):
            raise Refused(400, 21656, "The ContentVariables Parameter is invalid")
        return _VARIABLE.sub(lambda found: given[found[1]], template.body)

    def fails_with(self, sid: str, variables: str) -> int:
        """The code WhatsApp refuses such a message with after Twilio has taken it; 0 for none."""
        if any(_BAD_IN_A_VARIABLE.search(value) for value in _variables(variables).values()):
            return POLICY
        return TAKEN_BACK.get(self._by_sid[sid].status, 0)

    def opens(self, sid: str) -> bool:
        """Whether it may be sent outside of WhatsApp's 24 hours."""
        template = self._by_sid.get(sid)
        return template is not None and template.status == "approved"

    # --- The API ------------------------------------------------------------------------------
    def get(self, path: str, query: Mapping[str, str], account: str) -> dict[str, Any]:
        """Answer a GET below ``/v1``. Raises ``Refused``."""
        if path in (PATH, WITH_APPROVALS):
            return self._listing(path, query, account)
        sid, _, rest = path.removeprefix(PATH + "/").partition("/")
        template = self._by_sid.get(sid)
        if template is None or rest not in ("", "ApprovalRequests"):
            raise not_found()
        return _approval_page(template, account) if rest else _shown(template, account)

    def post(self, path: str, body: str, account: str) -> tuple[int, dict[str, Any]]:
        """Make a template, or ask WhatsApp to approve one: it waits. Raises ``Refused``."""
        try:
            wanted = json.loads(body)
        except json.JSONDecodeError as error:
            raise Refused(400, 20001, "Invalid request body: Not valid JSON") from error
        if path == PATH:
            made = _made(wanted)
            self._by_sid[made.sid] = made
            return 201, _shown(made, account)
        sid = path.removeprefix(PATH + "/").removesuffix("/ApprovalRequests/whatsapp")
        if sid not in self._by_sid or not path.endswith("/ApprovalRequests/whatsapp"):
            raise not_found()
        category = str(wanted.get("category", "UTILITY"))
        asked = replace(self._by_sid[sid], status="received", category=category)
        if category != "AUTHENTICATION" and _AT_AN_END.search(asked.body):
            asked = replace(asked, status="rejected", reason="INVALID_FORMAT")
        self._by_sid[sid] = asked
        return 201, _approval(asked)

    def _listing(self, path: str, query: Mapping[str, str], account: str) -> dict[str, Any]:
        size, page = int(query.get("PageSize", "50")), int(query.get("Page", "0"))
        found = list(self._by_sid.values())
        shown = found[page * size : (page + 1) * size]
        rows = [_shown(template, account) for template in shown]
        if path == WITH_APPROVALS:
            for row, template in zip(rows, shown, strict=True):
                row["approval_requests"] = _approval(template)

        def url(number: int) -> str:
            return f"{HOST}{path}?{urlencode({'PageSize': size, 'Page': number})}"

        more = len(found) > (page + 1) * size
        return {
            "meta": {
                "page": page,
                "page_size": size,
                "first_page_url": url(0),
                "previous_page_url": url(page - 1) if page else None,
                "next_page_url": url(page + 1) if more else None,
                "url": url(page),
                "key": "contents",
            },
            "contents": rows,
        }


def _variables(raw: str) -> dict[str, str]:
    try:
        given = json.loads(raw or "{}")
    except json.JSONDecodeError as error:
        raise Refused(400, 21656, "The ContentVariables Parameter is invalid") from error
    if not isinstance(given, dict) or not all(isinstance(one, str) for one in given.values()):
        raise Refused(400, 21656, "The ContentVariables Parameter is invalid")
    return given


def _made(wanted: Any) -> Template:
    kinds = wanted.get("types") if isinstance(wanted, dict) else None
    body = kinds.get("twilio/text", {}).get("body", "") if isinstance(kinds, dict) else ""
    if isinstance(kinds, dict) and AUTHENTICATION in kinds:
        body = "{{1}} is your verification code."  # WhatsApp's own words
    if not body or not wanted.get("language"):
        raise Refused(400, 20001, "Invalid request body: language and types are required")
    return Template(
        sid="HX" + secrets.token_hex(16),
        name=str(wanted.get("friendly_name", "")),
        language=str(wanted["language"]),
        body=str(body),
    )


def _shown(template: Template, account: str) -> dict[str, Any]:
    url = f"{HOST}{PATH}/{template.sid}"
    return {
        "sid": template.sid,
        "account_sid": account,
        "friendly_name": template.name,
        "language": template.language,
        "variables": dict.fromkeys(template.variables, ""),
        "types": {"twilio/text": {"body": template.body}},
        "date_created": template.at,
        "date_updated": template.at,
        "url": url,
        "links": {
            "approval_fetch": f"{url}/ApprovalRequests",
            "approval_create": f"{url}/ApprovalRequests/whatsapp",
        },
    }


def _approval(template: Template) -> dict[str, Any]:
    return {
        "type": "whatsapp",
        "name": template.name,
        "category": template.category,
        "content_type": "twilio/text",
        "status": template.status,
        "rejection_reason": template.reason,
        "allow_category_change": True,
        "flows": None,
    }


def _approval_page(template: Template, account: str) -> dict[str, Any]:
    return {
        "sid": template.sid,
        "account_sid": account,
        "url": f"{HOST}{PATH}/{template.sid}/ApprovalRequests",
        "whatsapp": _approval(template),
    }
