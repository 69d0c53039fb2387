"""Names that say nothing: the same for the same thing in every export of this installation.

A keyed hash, so that nobody without the key can tell whose they are, nor try out who it might be.
"""

from __future__ import annotations

from typing import Literal

from django.conf import settings
from django.utils.crypto import salted_hmac

LENGTH = 16  # of 64 hexadecimal digits; a million pictures meet by chance once in 37 million times
Thing = Literal["picture", "lesion", "patient"]


def pseudonym(thing: Thing, key: object) -> str:
    """ "picture", … -> "p" and hexadecimal digits; by ``LEARNING_KEY``, or else the secret key."""
    secret = settings.LEARNING_KEY or settings.SECRET_KEY
    made = salted_hmac(f"diagnoses.learning.{thing}", str(key), secret, algorithm="sha256")
    return f"{LETTERS[thing]}{made.hexdigest()[:LENGTH]}"


LETTERS: dict[Thing, str] = {"picture": "p", "lesion": "l", "patient": "s"}
