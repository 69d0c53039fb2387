"""How allauth's second factors are kept, named and asked for here."""

from __future__ import annotations

from typing import Any, ClassVar

from allauth.account.adapter import get_adapter as get_account_adapter
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.forms import TextInput
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from accounts.sealed import open_sealed, seal
from accounts.second_factor import FACTORS, TooManyCodesError, check_code, must_have

CONTEXT = "second factor"
PRODUCT = "Lentigo"


class FactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth ships no types
    """Secrets are sealed before they reach the database; who must have a factor keeps one."""

    error_messages: ClassVar = DefaultMFAAdapter.error_messages | {
        "cannot_delete_authenticator": _(
            "This is your only second step, and you need one. Set up another one first."
        ),
        "cannot_generate_recovery_codes": _("Set up an app or a passkey first."),
        "incorrect_code": _("This is not right. A code is good once, and for half a minute."),
    }

    def encrypt(self, text: str) -> str:
        return seal(text, context=CONTEXT)

    def decrypt(self, encrypted_text: str) -> str:
        return open_sealed(encrypted_text, context=CONTEXT)

    def get_totp_issuer(self) -> str:
        return PRODUCT

    def build_totp_svg(self, url: str) -> SafeString:
        """Drawn into the page, where its rules allow no picture from an address of data."""
        return SafeString(super().build_totp_svg(url).partition("?>")[2].strip())

    def can_delete_authenticator(self, authenticator: Authenticator) -> bool:
        user = authenticator.user
        others = Authenticator.objects.filter(user=user, type__in=FACTORS).exclude(
            pk=authenticator.pk
        )
        return not must_have(user) or others.exists()

    def generate_authenticator_name(self, user: AbstractBaseUser, type: str) -> str:  # noqa: A002 - allauth's
        count = Authenticator.objects.filter(user_id=user.pk, type=type).count()
        return gettext("Passkey %(number)d") % {"number": count + 1}


class _Codes:
    """A code checked by :func:`accounts.second_factor.check_code`, instead of by allauth alone."""

    user: User

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].label = _("Code")  # type: ignore[attr-defined]  # a form's
        self.fields["code"].widget = TextInput(  # type: ignore[attr-defined]  # a form's
            attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "autofocus": True}
        )

    def clean_code(self) -> str:
        from allauth.core import context

        code: str = self.cleaned_data["code"]  # type: ignore[attr-defined]  # a form's
        try:
            found = check_code(self.user, code, context.request)
        except TooManyCodesError as error:
            refused: ValidationError = get_account_adapter().validation_error("rate_limited")
            raise refused from error
        if found is None:
            wrong: ValidationError = FactorAdapter().validation_error("incorrect_code")
            raise wrong
        found.user = self.user
        self.authenticator = found
        return code


class CodeForm(_Codes, AuthenticateForm):  # type: ignore[misc]  # allauth ships no types
    """When logging in."""


class CodeAgainForm(_Codes, ReauthenticateForm):  # type: ignore[misc]  # allauth ships no types
    """Before something is changed, or where this session has not passed yet."""
