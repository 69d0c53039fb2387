"""What a candidate said of a live case, beside what the active version said."""

from __future__ import annotations

from typing import ClassVar, Self

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from accounts.models import User
from diagnoses.models.case import Case, TierChoices
from diagnoses.models.scoring import Prediction
from mlservice.engine.types import Tier
from mlservice.models import ModelVersion, Shadow

MOST_SERIOUS = 6
# What a difference would have done to a case, the worst first. A picture without anything to judge
# leaves a case unscored, which is on top of the list like RED.
CALMER = {(Tier.RED, Tier.GREEN): 6, (Tier.AMBER, Tier.GREEN): 5, (Tier.RED, Tier.AMBER): 4}
MORE_URGENT = {(Tier.GREEN, Tier.RED): 3, (Tier.GREEN, Tier.AMBER): 2, (Tier.AMBER, Tier.RED): 2}
OTHER_WORDS, NO_DIFFERENCE = 1, 0  # of one tier: another label, or the same


def seriousness(active: str, candidate: str, *, same_words: bool) -> int:
    """How much a difference matters, from tiers; "" is a picture that was not judged."""
    tiers = Tier(active or Tier.RED), Tier(candidate or Tier.RED)
    if tiers[0] is tiers[1]:
        return NO_DIFFERENCE if same_words and bool(active) == bool(candidate) else OTHER_WORDS
    return (CALMER | MORE_URGENT)[tiers]


class ComparisonQuerySet(models.QuerySet["Comparison"]):
    def visible_to(self, user: User) -> Self:
        """An admin's own clinic's; of all clinics for an admin of none."""
        if not user.is_admin:
            return self.none()
        return self.filter(case__clinic=user.clinic_id) if user.clinic_id else self.all()

    def differing(self) -> Self:
        """The most serious first, the newest of them first."""
        return self.filter(seriousness__gt=NO_DIFFERENCE).order_by("-seriousness", "-pk")


class Comparison(models.Model):
    """One case in one run, as both saw it last; a retake takes the place of what was before.

    Written when the candidate's view is filed. Both tiers are raised by the answers of that moment,
    so that they differ by what the networks saw and not by what the patient said in between.
    """

    run = models.ForeignKey(Shadow, models.PROTECT, related_name="comparisons", db_index=False)
    case = models.ForeignKey(Case, models.PROTECT, related_name="+")
    active = models.ForeignKey(ModelVersion, models.PROTECT, related_name="+", db_index=False)
    active_view = models.ForeignKey(Prediction, models.PROTECT, related_name="+", db_index=False)
    candidate_view = models.ForeignKey(Prediction, models.PROTECT, related_name="+", db_index=False)
    # "" where the picture shows nothing to judge.
    active_tier = models.CharField(max_length=5, choices=TierChoices.choices, blank=True)
    candidate_tier = models.CharField(max_length=5, choices=TierChoices.choices, blank=True)
    # What each puts first, whether or not it is sure enough to name it.
    active_top = models.CharField(max_length=40)
    candidate_top = models.CharField(max_length=40)
    active_no_disease = models.BooleanField()
    candidate_no_disease = models.BooleanField()
    seriousness = models.PositiveSmallIntegerField()
    at = models.DateTimeField(db_default=Now(), editable=False)

    objects = ComparisonQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "case"], name="comparison_once_per_run"),
            models.CheckConstraint(
                condition=Q(seriousness__lte=MOST_SERIOUS), name="comparison_seriousness_is_known"
            ),
            models.CheckConstraint(
                condition=~Q(active_view=F("candidate_view")), name="comparison_is_of_two_views"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                "run",
                "active",
                F("seriousness").desc(),
                F("id").desc(),
                condition=Q(seriousness__gt=0),
                name="comparison_differing",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.case_id} seen by two versions"
