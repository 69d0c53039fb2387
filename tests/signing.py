"""Signing up as a person does: the form, then the code of the letter."""

from __future__ import annotations

import re
from typing import Any

from django.core import mail
from django.test import Client
from django.urls import reverse

FORM, CODE_PAGE = reverse("account_signup"), reverse("account_signup_code")
_CODE = re.compile(r"^[A-Z0-9]{4}-[A-Z0-9]{4}$", re.MULTILINE)


def code_in(letter: str) -> str:
    """What the letter says to type: ``ABCD-EFGH``."""
    found = _CODE.search(letter)
    assert found is not None, letter
    return found[0]


def sign_up(browser: Client, given: dict[str, Any]) -> Any:
    """The answer to the code; to the form, where that is refused."""
    before = len(mail.outbox)
    answer = browser.post(FORM, given)
    if answer.status_code != 302:
        return answer
    assert answer["Location"] == CODE_PAGE
    [letter] = mail.outbox[before:]
    return browser.post(CODE_PAGE, {"code": code_in(str(letter.body))})
