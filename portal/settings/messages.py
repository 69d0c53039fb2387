"""Twilio and e-mail."""

from __future__ import annotations

from portal.settings.environment import env

TWILIO_ACCOUNT_SID = env.str("TWILIO_ACCOUNT_SID", default="")
TWILIO_AUTH_TOKEN = env.str("TWILIO_AUTH_TOKEN", default="")
TWILIO_WHATSAPP_FROM = env.str("TWILIO_WHATSAPP_FROM", default="")
# For text messages: a number in E.164, or a messaging service ("MG…"). Empty sends none.
TWILIO_SMS_FROM = env.str("TWILIO_SMS_FROM", default="")
# Messages a second that a sender may send, over all workers together; 0 sets no limit of ours.
TWILIO_WHATSAPP_RATE = env.float("TWILIO_WHATSAPP_RATE", default=80.0)
TWILIO_SMS_RATE = env.float("TWILIO_SMS_RATE", default=1.0)
# From when to when phones are left in peace, by their clocks; empty is never.
QUIET_HOURS = env.str("QUIET_HOURS", default="21-8")
# Empty means Twilio's own servers; the demo and the tests put their local stand-in here.
TWILIO_API_BASE = env.str("TWILIO_API_BASE", default="")
TWILIO_CONTENT_SIDS = env.json("TWILIO_CONTENT_SIDS", default={})  # approved template per message
# All waits of messages times this, where somebody measures: notifications/waits.py.
MESSAGE_WAITS = env.float("MESSAGE_WAITS", default=1.0)
EMAIL_CONFIG = env.email_url("EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)
EMAIL_TIMEOUT = 5  # seconds; allauth sends while somebody waits, and a thread of the web with them
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Lentigo <no-reply@localhost>")
PHONE_REGION = env.str("PHONE_REGION", default="GB")
