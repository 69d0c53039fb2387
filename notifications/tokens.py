"""Random tokens for addresses that are sent to people, and the digits of codes.

Of a token only its SHA-256 is kept for good, of a code's digits nothing at all.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid

from django.utils.crypto import salted_hmac

# 128 bits: short enough for a message, and no one finds one by trying.
_BYTES = 16


def new() -> str:
    """Return 22 characters that fit into a URL."""
    return secrets.token_urlsafe(_BYTES)


def sha256(token: str) -> str:
    """Return the hexadecimal digest a token is looked up by."""
    return hashlib.sha256(token.encode()).hexdigest()


def digits(key: uuid.UUID) -> str:
    """Return the six digits of the code with this random key: a keyed hash of it, so that who
    reads the database, without the secret key, knows no code."""
    keyed = salted_hmac("notifications.number_code", key.hex, algorithm="sha256")
    return f"{int(keyed.hexdigest(), 16) % 10**6:06}"
