"""What rests on a disk: with which keys it is sealed, and where the pictures lie."""

from __future__ import annotations

from portal.settings.environment import env

# 32 bytes each, in base64: the first seals, all open. Empty: made of SECRET_KEY, for the demo.
DATA_KEYS = env.list("DATA_KEYS", default=[])
