"""When nobody is to be told any more: asked before a message leaves, and before it does again."""

from __future__ import annotations

from notifications import invitations, optional
from notifications.models import Message


def is_over(message: Message) -> bool:
    """Whether nobody is to be told any more: the invitation ended, its person was suspended or has
    stopped such reminders."""
    if message.invitation is not None:
        return not invitations.is_open(message.invitation)
    suspended = message.recipient is not None and not message.recipient.is_active
    return suspended or optional.is_stopped(message)
