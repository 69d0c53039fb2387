"""How long what is kept; ``manage.py purge`` goes by it, and nothing else does."""

from __future__ import annotations

from portal.settings.environment import env

# Days after the last thing that happened to a closed case; 0 keeps its pictures for ever.
RETENTION_PICTURE_DAYS = env.int("RETENTION_PICTURE_DAYS", default=0)
# Days that the ledger of messages says to which number or address each went; 0 is for ever.
RETENTION_NUMBER_DAYS = env.int("RETENTION_NUMBER_DAYS", default=0)
