"""Signing up: there is an account only once its address is confirmed, so nobody learns of one.

Whoever signs up sees the same page and is sent one letter, whether their address has an account or
not: it holds a code, or says that there is an account. What they typed waits for the code, sealed,
in their browser's session and nowhere else; of the password only its hash waits.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from typing import Any, Final

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.core.internal.cryptokit import compare_user_code
from allauth.utils import build_absolute_uri
from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from accounts import letters, people, sealed
from accounts.models import Clinic, Consent, User
from accounts.rows import PeopleError

_KEY: Final = "signing_up"
LASTS: Final = 30 * 60  # seconds from the form to the last moment for the code
TRIES: Final = 5
LETTERS: Final = 3
NOT_SENT: Final = _("We cannot send e-mail at this moment. Ask for it again in a few minutes.")


class TakenError(PeopleError):
    """Meanwhile there is an account of this address. Said only to who has shown it is theirs."""


@dataclass
class SignUp:
    """What somebody typed, and how far they are."""

    email: str
    password: str  # its hash
    name: str
    clinic: int | None
    number: str  # E.164, or empty
    messages: bool
    onward: str | None  # where they wanted to go
    code: str
    began: float
    tries: int = 0
    letters: int = 0

    @property
    def is_over(self) -> bool:
        return self.tries >= TRIES or time.time() - self.began > LASTS

    def fits(self, code: str) -> bool:
        """Whether it is the code of the letter. Upper and lower case and dashes are all one."""
        return bool(compare_user_code(actual=code, expected=self.code))


def begin(request: HttpRequest, typed: dict[str, Any], onward: str | None) -> bool:
    """Keep what the form holds and send the letter. ``False`` where it could not be sent now.

    The same work for every address: one hash, one letter. Who sends the form twice is sent the
    same code twice.
    """
    clinic: Clinic | None = typed.get("clinic")
    before = waiting_for(request)
    again = before is not None and before.email == typed["email"]
    waiting = SignUp(
        email=typed["email"],
        password=make_password(typed["password1"]),
        name=typed["name"],
        clinic=clinic.pk if clinic else None,
        number=typed["number"],
        messages=typed["messages"],
        onward=onward,
        code=before.code if before and again else get_adapter().generate_email_verification_code(),
        began=time.time(),
    )
    return write(request, waiting)


def write(request: HttpRequest, waiting: SignUp) -> bool:
    """Send the letter, again too. ``False`` where it could not be sent; it is not counted then."""
    sent = letters.left(lambda: _send(request, waiting), "the letter of a sign-up")
    waiting.letters += sent
    keep(request, waiting)
    return sent


def waiting_for(request: HttpRequest) -> SignUp | None:
    """The sign-up of this browser that waits for its code. One that is over is forgotten."""
    try:
        waiting = SignUp(**json.loads(sealed.open_sealed(request.session[_KEY], context=_KEY)))
    except (KeyError, TypeError, sealed.SealError):  # none, of another release, of another key
        return None
    if waiting.is_over:
        forget(request)
        return None
    return waiting


def keep(request: HttpRequest, waiting: SignUp) -> None:
    """The session is gone with it: an anonymous one has nothing else to keep for weeks."""
    request.session[_KEY] = sealed.seal(json.dumps(asdict(waiting)), context=_KEY)
    request.session.set_expiry(LASTS)


def forget(request: HttpRequest) -> None:
    """Also of who logs in instead: their session is as long as anybody's."""
    if request.session.pop(_KEY, None) is not None:
        request.session.set_expiry(None)


def typed(request: HttpRequest | None) -> dict[str, Any]:
    """For who comes back to the form to mend something: all but the password."""
    waiting = waiting_for(request) if request is not None else None
    if waiting is None:
        return {}
    fields = ("email", "name", "clinic", "number", "messages")
    return {"care": True} | {name: getattr(waiting, name) for name in fields}


def is_taken(email: str) -> bool:
    """Whether an account has this address. One that somebody wrote down and never confirmed is
    nobody's: it keeps its owner out of nothing."""
    confirmed = EmailAddress.objects.filter(email=email, verified=True)
    return User.objects.filter(Q(email=email) | Q(pk__in=confirmed.values("user"))).exists()


@transaction.atomic
def finish(waiting: SignUp) -> User:
    """The account and what was agreed to, or neither. Raises :class:`TakenError`."""
    if is_taken(waiting.email):
        raise TakenError
    chosen = Clinic.objects.filter(pk=waiting.clinic).first() if waiting.clinic else None
    clinic = chosen or people.default_clinic()
    try:
        with transaction.atomic():  # two at once: a code typed twice, or in two browsers
            user = User.objects.create(
                email=waiting.email, password=waiting.password, name=waiting.name, clinic=clinic
            )
            EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    except IntegrityError:
        raise TakenError from None
    people.give_consent(user, Consent.Kind.CARE)
    if waiting.number:
        people.keep_number(user, waiting.number, messages=waiting.messages)
    return user


def _send(request: HttpRequest, waiting: SignUp) -> None:
    if is_taken(waiting.email):
        again = build_absolute_uri(request, reverse("account_reset_password"))
        said = {"email": waiting.email, "password_reset_url": again}
        get_adapter().send_mail("account/email/account_already_exists", waiting.email, said)
        return
    said = {"code": waiting.code}
    get_adapter().send_mail("account/email/email_confirmation", waiting.email, said)
