"""Which reminders somebody does not want. Who has said nothing gets all of them."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Reminder(models.TextChoices):
    """What a patient may be reminded of. Each can be stopped alone."""

    RECHECK = "recheck", _("A new photo of the same mark")
    SEE_DOCTOR = "see_doctor", _("Did you see the doctor?")
    SUN = "sun", _("The sunny months begin")


class ReminderStop(models.Model):
    """One kind of reminder is not wanted, from then until it was asked for again. Never deleted."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="reminder_stops"
    )
    kind = models.CharField(max_length=12, choices=Reminder.choices)
    stopped_at = models.DateTimeField(db_default=Now(), editable=False)
    resumed_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user", "kind"],
                condition=Q(resumed_at=None),
                name="reminder_stop_one_in_force_per_kind",
            ),
        ]

    def __str__(self) -> str:
        return f"no {self.kind}"
