"""The words of a message. They are given a link and two dates, or a code, and so can tell nothing
else; a doctor's answer only where ``full_report`` lets it pass."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.conf import settings
from django.template.loader import select_template
from django.urls import reverse
from django.utils import timezone, translation

from accounts.models import Role
from notifications import full_report, links, optional, tokens
from notifications.models import Message

# The accents of Spanish that the alphabet of text messages lacks (it has é, ñ, ü, ¿ and ¡): with a
# single one a message of 160 letters is three. Text messages are written without them anyway.
_GSM = str.maketrans("áíóúÁÍÓÚ’", "aiouAIOU'")


@dataclass(frozen=True)
class Words:
    """A message rendered: its link, one line for WhatsApp, and the e-mail that says the same.

    A code has no link and no e-mail.
    """

    link: str
    text: str
    subject: str
    email: str
    code: str = field(default="", repr=False)
    sms: str = ""  # the same line in the alphabet of text messages
    # Where an e-mail of this kind is stopped by one press; "" for what cannot be.
    stop: str = ""
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
        sms = text.translate(_GSM)
        return Words(link="", text=text, subject=subject, email="", code=code, sms=sms)
    link = address_of(message)
    invited = message.invitation
    admin = invited is not None and invited.role == Role.ADMIN
    said = _rendered(message, f"{message.event}.txt", link=link, as_admin=admin)
    subject, text = said.split("\n\n", 1)
    expires_at = (message.link or message.invitation).expires_at  # type: ignore[union-attr]  # one of both, by constraint
    stop = optional.address_to_stop(message)
    email = _rendered(
        message,
        "email.txt",
        text=text,
        stop=stop,
        until=timezone.localtime(expires_at),
        home=settings.PUBLIC_URL,
        invited=invited is not None,
    )
    # On a phone it ends with how to stop: WhatsApp approves no template that ends with a variable.
    text = _rendered(message, "phone.txt", text=text)
    sms = text.translate(_GSM)
    whole = full_report.words_of(message)
    if whole:  # and never in the text message, nor in the e-mail
        full = _rendered(message, f"full/{message.event}.txt", link=link, words=whole)
        text = _rendered(message, "phone.txt", text=full)
    return Words(link, text, subject, email + "\n", sms=sms, stop=stop, whole=whole)


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
