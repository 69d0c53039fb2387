"""The words of a message. They are given a link and two dates, or a code, and so can tell nothing
else; a doctor's answer only where ``full_report`` lets it pass."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.conf import settings
from django.template.loader import select_template
from django.urls import reverse
from django.utils import timezone, translation

from notifications import full_report, links, tokens
from notifications.models import Message


@dataclass(frozen=True)
class Words:
    """A message rendered: its link, one line of text with it, and the e-mail that says the same.

    A code has no link and no e-mail.
    """

    link: str
    text: str
    subject: str
    email: str
    code: str = field(default="", repr=False)
    whole: str = field(default="", repr=False)  # a doctor's answer, for who asked for it

    @property
    def variable(self) -> str:
        """What an approved template lacks, and all that travels beside its name."""
        return self.code or self.link


def render(message: Message) -> Words:
    """Render a message in its language. Raises ``ValueError`` once its link has been forgotten.

    ``templates/notifications/<language>/<event>.txt`` holds the subject, an empty line, the text.
    """
    if message.code_id is not None:
        code = tokens.digits(message.code_id)
        subject, text = _rendered(message, f"{message.event}.txt", code=code).split("\n\n", 1)
        return Words(link="", text=text, subject=subject, email="", code=code)
    link = address_of(message)
    subject, text = _rendered(message, f"{message.event}.txt", link=link).split("\n\n", 1)
    expires_at = (message.link or message.invitation).expires_at  # type: ignore[union-attr]  # one of both, by constraint
    email = _rendered(
        message,
        "email.txt",
        text=text,
        until=timezone.localtime(expires_at),
        home=settings.PUBLIC_URL,
        invited=message.invitation is not None,
    )
    whole = full_report.words_of(message)
    if whole:  # and never in the e-mail
        text = _rendered(message, f"full/{message.event}.txt", link=link, words=whole)
    return Words(link=link, text=text, subject=subject, email=email + "\n", whole=whole)


def address_of(message: Message) -> str:
    """The URL the message points to."""
    if message.invitation is not None:
        path = reverse("invitation", args=[message.invitation.token])
        return f"{settings.PUBLIC_URL}{path}"
    if message.link is None:
        raise ValueError("a message without a link says nothing")
    return links.address(message.link)


def _rendered(message: Message, name: str, **context: object) -> str:
    template = select_template(
        [f"notifications/{language}/{name}" for language in (message.language, "en")]
    )
    with translation.override(message.language):
        return str(template.render(context)).strip()
