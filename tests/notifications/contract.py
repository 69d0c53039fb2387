"""Twilio's published description of its Messages resource, as far as we use it.

Source: https://github.com/twilio/twilio-oai, ``spec/json/twilio_api_v2010.json`` (OpenAPI 3.0.1,
version 1.0.0, Apache 2.0), read at commit d50069b of 14 April 2026; of templates
``spec/json/twilio_content_v1.json`` (version 1.1.0), same commit. What stands here is our own
writing of what those say: names, types, patterns, what must be there. Of callbacks and errors,
which they do not describe: https://www.twilio.com/docs/messaging/guides/track-outbound-message-status
and https://www.twilio.com/docs/usage/twilios-response.
"""

from __future__ import annotations

from typing import Any, Final

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
# WhatsApp's numbers have their prefix before E.164.
PHONE: Final[Schema] = {"type": "string", "pattern": r"^(whatsapp:)?\+[1-9][0-9]{6,14}$"}
ADDRESS: Final[Schema] = {"type": "string", "pattern": r"^https?://[^\s]+$"}


def sid(*prefixes: str) -> Schema:
    """An id of Twilio's: two letters and 32 hexadecimal digits, 34 in all."""
    return {"type": "string", "pattern": f"^({'|'.join(prefixes)})[0-9a-fA-F]{{32}}$"}


def or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


# --- Sending -------------------------------------------------------------------------------------
PATH: Final = r"^/2010-04-01/Accounts/AC[0-9a-fA-F]{32}/Messages\.json$"
# Every name a form may have. Those with a schema are those we may send.
MAY_BE_SENT: Final[dict[str, Schema]] = {
    "To": PHONE,
    "From": PHONE,
    "MessagingServiceSid": sid("MG"),
    "Body": {"type": "string", "minLength": 1, "maxLength": 1600},
    "ContentSid": sid("HX"),
    "ContentVariables": TEXT,
    "StatusCallback": ADDRESS,
}
REQUEST: Final[Schema] = {
    "type": "object",
    "properties": MAY_BE_SENT,
    "required": ["To"],
    "additionalProperties": False,
    # The documentation of the resource: somebody sends it, and it says something.
    "allOf": [
        {"anyOf": [{"required": ["From"]}, {"required": ["MessagingServiceSid"]}]},
        {"oneOf": [{"required": ["Body"]}, {"required": ["ContentSid"]}]},
    ],
    "dependentRequired": {"ContentVariables": ["ContentSid"]},
}
LIST_QUERY: Final[Schema] = {
    "type": "object",
    "properties": {
        "To": PHONE,
        "DateSent>": {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$"},
        "PageSize": {"type": "string", "pattern": "^([1-9][0-9]{0,2}|1000)$"},
        "Page": {"type": "string", "pattern": "^[0-9]+$"},
        "PageToken": TEXT,
    },
    "additionalProperties": False,
}

# --- What is answered ----------------------------------------------------------------------------
STATUS: Final = (
    *("queued", "sending", "sent", "failed", "delivered", "undelivered", "receiving", "received"),
    *("accepted", "scheduled", "read", "partially_delivered", "canceled"),
)
# Of messages that come in: never said of one of ours.
INCOMING: Final = {"receiving", "received"}
_FIELDS: Final[dict[str, Schema]] = {
    "account_sid": or_null(sid("AC")),
    "api_version": or_null(TEXT),
    "body": or_null(TEXT),
    "date_created": or_null(TEXT),  # of RFC 2822
    "date_sent": or_null(TEXT),
    "date_updated": or_null(TEXT),
    "direction": {"enum": ["inbound", "outbound-api", "outbound-call", "outbound-reply"]},
    "error_code": or_null({"type": "integer"}),
    "error_message": or_null(TEXT),
    "from": or_null(PHONE),
    "messaging_service_sid": or_null(sid("MG")),
    "num_media": or_null(TEXT),
    "num_segments": or_null(TEXT),
    "price": or_null(TEXT),
    "price_unit": or_null(TEXT),
    "sid": or_null(sid("SM", "MM")),
    "status": {"enum": list(STATUS)},
    "subresource_uris": or_null({"type": "object"}),
    "to": or_null(TEXT),
    "uri": or_null(TEXT),
}
MESSAGE: Final[Schema] = {
    "type": "object",
    "properties": _FIELDS,
    "required": sorted(_FIELDS),
    "additionalProperties": False,
}
LISTING: Final[Schema] = {
    "type": "object",
    "properties": {
        "messages": {"type": "array", "items": MESSAGE},
        "first_page_uri": TEXT,
        "next_page_uri": or_null(TEXT),
        "previous_page_uri": or_null(TEXT),
        "uri": TEXT,
        **{name: {"type": "integer"} for name in ("page", "page_size", "start", "end")},
    },
    "required": ["messages", "next_page_uri", "page", "page_size", "uri"],
    "additionalProperties": False,
}
ERROR: Final[Schema] = {
    "type": "object",
    "properties": {
        "code": {"type": "integer"},
        "message": {"type": "string", "minLength": 1},
        "more_info": ADDRESS,
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
    },
    "required": ["code", "message", "more_info", "status"],
}

# --- What Twilio posts to us ---------------------------------------------------------------------
_ALWAYS: Final[dict[str, Schema]] = {
    "AccountSid": sid("AC"),
    "ApiVersion": TEXT,
    "From": PHONE,
    "MessageSid": sid("SM", "MM"),
    "SmsSid": sid("SM", "MM"),
    "To": PHONE,
}
CALLBACK: Final[Schema] = {
    "type": "object",
    "properties": {
        **_ALWAYS,
        "MessageStatus": {"enum": list(STATUS)},
        "SmsStatus": {"enum": list(STATUS)},
        "ErrorCode": {"type": "string", "pattern": "^[0-9]{5}$"},
        "MessagingServiceSid": sid("MG"),
    },
    "required": ["AccountSid", "From", "MessageSid", "MessageStatus", "To"],
    "additionalProperties": False,
}
INCOMING_MESSAGE: Final[Schema] = {
    "type": "object",
    "properties": {
        **_ALWAYS,
        "Body": TEXT,
        "NumMedia": {"type": "string", "pattern": "^[0-9]+$"},
        "NumSegments": TEXT,
        "SmsMessageSid": sid("SM", "MM"),
        "SmsStatus": {"enum": ["received"]},
        "OptOutType": {"enum": ["STOP", "START", "HELP"]},
        "MessagingServiceSid": sid("MG"),
        "ProfileName": TEXT,
        "WaId": TEXT,
    },
    "required": ["AccountSid", "Body", "From", "MessageSid", "NumMedia", "To"],
    "additionalProperties": False,
}

# --- Templates -----------------------------------------------------------------------------------
CONTENT_PATH: Final = r"^/v1/Content/HX[0-9a-fA-F]{32}(/ApprovalRequests)?$"
