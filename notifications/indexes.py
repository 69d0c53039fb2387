"""By what messages are found, however many there are."""

from __future__ import annotations

from typing import Final

from django.db.models import Index, Q

OF_MESSAGES: Final = (
    Index(
        fields=["-urgent", "run_after"],
        condition=Q(run_after__isnull=False),
        name="message_due",
    ),
    # Asked of every number that is to be told something.
    Index(
        fields=["address"],
        condition=Q(channel="whatsapp", error_code__in=["63003", "63024"]),
        name="message_not_on_whatsapp",
    ),
    # By the whole of it, and by how it begins: everything about one case.
    Index(fields=["about"], opclasses=["varchar_pattern_ops"], name="message_about_begins"),
    # The staff's list, and what stands as a number beside it on every page of an admin.
    Index(fields=["-created_at", "-id"], name="message_newest"),
    Index(
        fields=["recipient"],
        condition=Q(channel="staff", state="pending"),
        name="message_for_staff",
    ),
    Index(fields=["-created_at"], condition=~Q(error_code=""), name="message_errors"),
    # What has not arrived: asked for whenever somebody looks how the portal is doing.
    Index(
        fields=["state", "created_at"],
        condition=Q(state__in=["pending", "unknown"]),
        name="message_open",
    ),
    Index(fields=["settled_at"], condition=Q(state="failed"), name="message_failed"),
)
