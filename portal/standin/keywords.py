"""The words with which a phone stops and starts text messages, as Twilio itself heeds them.

On WhatsApp Twilio heeds none of them: whoever sends there has to do it themselves.
"""

from __future__ import annotations

STOP = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"})
START = frozenset({"START", "YES", "UNSTOP"})
# What Twilio answers by itself; what the portal would answer to a STOP is not delivered any more.
STOPPED = (
    "You have successfully been unsubscribed. You will not receive any more messages from this "
    "number. Reply START to resubscribe."
)
STARTED = (
    "You have successfully been re-subscribed to messages from this number. Reply HELP for help. "
    "Reply STOP to unsubscribe."
)


def said(body: str) -> str:
    """The one word somebody wrote, in capitals; a sentence is no keyword."""
    return body.strip().upper()
