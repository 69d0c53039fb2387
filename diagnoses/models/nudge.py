"""Reminders: what is due when, and what became of it."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import ClassVar, Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.models import Clinic, User
from accounts.reminder_stop import Reminder, ReminderStop
from diagnoses.models.case import Case
from diagnoses.models.reading import Review

SHOWN_FOR = timedelta(days=30)


class NudgeQuerySet(models.QuerySet["Nudge"]):
    def visible_to(self, user: User) -> Self:
        """The patient's own, and of whom they look after, once they were told. Nobody else has
        business with its page."""
        mine = User.objects.answered_for_by(user)
        return self.filter(patient__in=mine, told_at__isnull=False)

    def to_show(self, user: User) -> Self:
        """What was told lately and not acted upon: a message's link ends, and may be overlooked."""
        off = ReminderStop.objects.filter(user=user, resumed_at=None)
        asked = self.visible_to(user).filter(state__in=[Nudge.State.TOLD, Nudge.State.OPENED])
        lately = asked.filter(told_at__gt=Now() - SHOWN_FOR).exclude(kind__in=off.values("kind"))
        return lately.order_by(_weight(), "-told_at")

    def due(self) -> Self:
        """To be looked at now, by the database's clock. What matters more comes first."""
        waiting = self.filter(state=Nudge.State.PENDING, not_before__lte=Now())
        return waiting.annotate(now=Now()).order_by(_weight(), "not_before", "pk")


def _weight() -> models.Case:
    """What matters more comes first."""
    order = (Reminder.SEE_DOCTOR, Reminder.RECHECK, Reminder.SUN)
    return models.Case(
        *(models.When(kind=kind, then=place) for place, kind in enumerate(order)),
        output_field=models.SmallIntegerField(),
    )


class Nudge(models.Model):
    """One reminder to one person. Written with its cause, judged when its turn comes, told once.

    ``due_at`` is when it is meant to be told. ``not_before`` is when it is next looked at: pushed
    on where it has to wait, so that a row that waits never stands in the way of the others.
    """

    class State(models.TextChoices):
        PENDING = "pending", "Not yet told"
        TOLD = "told", "Told"
        OPENED = "opened", "Opened"
        ACTED = "acted", "Acted upon"
        STOPPED = "stopped", "Stopped"

    class Why(models.TextChoices):
        """What stopped it."""

        NEW_PHOTO = "new_photo", "A new photo came first"
        AMENDED = "amended", "The answer was amended"
        ANSWERED = "answered", "They answered before"
        WITHDRAWN = "withdrawn", "The case was withdrawn"
        CONSENT = "consent", "The consent to care was taken back"
        OPTED_OUT = "opted_out", "They want no reminders of this kind"
        SUSPENDED = "suspended", "The account is suspended"
        ERASED = "erased", "The account was erased"
        ENOUGH = "enough", "As many as a case may have were told"
        LAPSED = "lapsed", "It could not be told in time"

    class Reply(models.TextChoices):
        """What a patient says to "Did you see the doctor?"."""

        YES = "yes", _("Yes")
        NOT_YET = "not_yet", _("Not yet")
        NO_APPOINTMENT = "no_appointment", _("I could not get an appointment")
        DECIDED_NOT = "decided_not", _("I decided not to")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    patient = models.ForeignKey(User, models.PROTECT, related_name="nudges")
    clinic = models.ForeignKey(Clinic, models.PROTECT, related_name="+")  # whose day it goes by
    case = models.ForeignKey(Case, models.PROTECT, null=True, related_name="nudges")
    review = models.ForeignKey(Review, models.PROTECT, null=True, related_name="nudges")
    year = models.PositiveSmallIntegerField(null=True)  # of the sunny season
    kind = models.CharField(max_length=12, choices=Reminder.choices)
    round = models.PositiveSmallIntegerField(default=1)  # 2: asked once more after "not yet"
    due_at = models.DateTimeField()
    not_before = models.DateTimeField()
    state = models.CharField(max_length=8, choices=State.choices, default=State.PENDING)
    why = models.CharField("stopped because", max_length=10, choices=Why.choices, blank=True)
    reply = models.CharField(max_length=14, choices=Reply.choices, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    held_at = models.DateTimeField("held back by the cap", null=True)  # for the first time
    told_at = models.DateTimeField(null=True)
    opened_at = models.DateTimeField(null=True)
    acted_at = models.DateTimeField(null=True)
    stopped_at = models.DateTimeField(null=True)

    objects = NudgeQuerySet.as_manager()

    class Meta:
        verbose_name = "reminder"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["review", "kind", "round"],
                condition=Q(review__isnull=False),
                name="nudge_once_per_answer",
            ),
            models.UniqueConstraint(
                fields=["patient", "year"], condition=Q(kind="sun"), name="nudge_sun_once_a_year"
            ),
            models.CheckConstraint(
                condition=Q(kind="sun", case=None, review=None, year__isnull=False)
                | ~Q(kind="sun") & Q(case__isnull=False, review__isnull=False, year=None),
                name="nudge_has_its_cause",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["told", "opened", "acted"]) | Q(told_at__isnull=False),
                name="nudge_told_has_a_time",
            ),
            models.CheckConstraint(
                condition=~Q(state="pending") | Q(told_at=None, acted_at=None),
                name="nudge_pending_was_not_told",
            ),
            models.CheckConstraint(
                condition=Q(state="stopped", stopped_at__isnull=False) & ~Q(why="")
                | ~Q(state="stopped") & Q(stopped_at=None, why=""),
                name="nudge_stopped_says_why",
            ),
            models.CheckConstraint(
                condition=Q(reply="") | Q(kind="see_doctor"), name="nudge_reply_to_a_question"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["not_before"], condition=Q(state="pending"), name="nudge_due"),
            models.Index(fields=["patient", "-told_at"], name="nudge_of_patient"),
            models.Index(fields=["due_at"], name="nudge_by_month"),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.state}"
