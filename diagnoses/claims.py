"""Open cases show who has them: a claim that expires by itself, never a lock.

Nobody is kept from reading or signing; what two doctors do at once is settled by the workflow.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import connection
from django.db.models import Q
from django.db.models.functions import Now

from accounts.models import User
from diagnoses.gathered import CLAIMS
from diagnoses.models import OPEN_FOR, Case, Claim

# One statement, so that two pages of one doctor can renew at once. Whoever comes back after the
# claim has run out has it open since now.
_KEEP = """
INSERT INTO diagnoses_claim (case_id, doctor_id, since, alive_at)
VALUES (%s, %s, STATEMENT_TIMESTAMP(), STATEMENT_TIMESTAMP())
ON CONFLICT (case_id, doctor_id) DO UPDATE SET
    since = CASE
        WHEN diagnoses_claim.alive_at <= STATEMENT_TIMESTAMP() - make_interval(secs => %s)
            THEN EXCLUDED.since
        ELSE diagnoses_claim.since
    END,
    alive_at = GREATEST(diagnoses_claim.alive_at, EXCLUDED.alive_at)
RETURNING id, since, alive_at
"""


def keep(case: Case, doctor: User) -> None:
    """The doctor has the case open at this moment. Claims that came with the case learn of it."""
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, [case.pk, doctor.pk, OPEN_FOR.total_seconds()])
        pk, since, alive_at = cursor.fetchone()
    if (known := CLAIMS.known(case)) is not None:
        own = Claim(pk=pk, case=case, doctor=doctor, since=since, alive_at=alive_at)
        CLAIMS.put(case, [*_others(known, doctor), own])


def let_go(case: Case, doctor: User, alive_at: datetime) -> None:
    """The page last heard of at ``alive_at`` is closed; one opened or heard of since keeps it."""
    Claim.objects.filter(case=case, doctor=doctor, alive_at__lte=alive_at).delete()


def of_case(case: Case, doctor: User) -> tuple[datetime | None, list[Claim]]:
    """When the doctor's own page was last alive, and what colleagues have open."""
    live = CLAIMS.of(case)
    own = next((claim.alive_at for claim in live if claim.doctor_id == doctor.pk), None)
    return own, _others(live, doctor)


def of_colleague(case: Case, doctor: User) -> Claim | None:
    """The colleague who has had the case open longest."""
    return next(iter(_others(CLAIMS.of(case), doctor)), None)


def _others(live: Iterable[Claim], doctor: User) -> list[Claim]:
    return [claim for claim in live if claim.doctor_id != doctor.pk]


def by_a_colleague(doctor: User) -> Q:
    """For a filter of cases: somebody else has it open. A list of few, and so no join."""
    return Q(pk__in=Claim.objects.of_others(doctor).order_by().values("case"))


def sweep() -> None:
    """Forget those that have run out. They show nowhere; this only keeps the table small."""
    Claim.objects.filter(alive_at__lte=Now() - OPEN_FOR).delete()
