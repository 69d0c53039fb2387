"""Random tokens for addresses that are sent to people. Only their SHA-256 is kept for good."""

from __future__ import annotations

import hashlib
import secrets

# 128 bits: short enough for a message, and no one finds one by trying.
_BYTES = 16


def new() -> str:
    """Return 22 characters that fit into a URL."""
    return secrets.token_urlsafe(_BYTES)


def sha256(token: str) -> str:
    """Return the hexadecimal digest a token is looked up by."""
    return hashlib.sha256(token.encode()).hexdigest()
