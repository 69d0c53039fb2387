"""Another model version under load: each prediction is by one that was active when it was sent."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from uuid import UUID

from benchmarks.faults import seen
from benchmarks.faults.clients import Clients
from benchmarks.faults.house import House
from benchmarks.faults.outcome import Outcome
from diagnoses.models import Prediction
from mlservice import registry
from mlservice.engine.bundle import MANIFEST
from mlservice.models import ModelVersion
from mlservice.registry import BUNDLES


@dataclass(frozen=True, slots=True)
class Active:
    """A version and when it was active, as seen from outside: a little too long at both ends."""

    version: int
    since: float
    until: float


def version_switch(house: House, clients: Clients, outcome: Outcome, times: int) -> None:
    """The shipped versions take turns; each prediction is by one that was active when sent."""
    first = registry.active("skin")
    assert first is not None  # noqa: S101 - the rig has registered it
    others = sorted(path.parent for path in BUNDLES.glob(f"skin-*/{MANIFEST}"))
    versions = [registry.register(folder) for folder in others]
    history, began, current = [], 0.0, first
    for _ in range(times):
        house.pause(random.uniform(0.3, 1.5))  # noqa: S311 - no secret
        following = next(v for v in [*versions, first] if v.pk != current.pk)
        before = time.time()
        registry.activate(following, by=None, reason="benchmark")
        after = time.time()
        history.append(Active(current.pk, began, after))
        seen.moves_again(house, outcome, after)
        began, current = before, ModelVersion.objects.get(pk=following.pk)
    house.pause(1)
    if current.pk != first.pk:
        before = time.time()
        registry.activate(first, by=None, reason="benchmark")
        history.append(Active(current.pk, began, time.time()))
        began = before
    history.append(Active(first.pk, began, float("inf")))
    clients.end()
    house.until(lambda: clients.idle, 60, "every sender was answered")
    house.until(seen.everything_settled, 120, "everything is scored")
    _each_names_one_that_was_active(clients, outcome, history)


def _each_names_one_that_was_active(
    clients: Clients, outcome: Outcome, history: list[Active]
) -> None:
    acknowledged = {
        e.case: e.acknowledged or 0.0 for e in clients.journal.acknowledged(outcome.fault)
    }
    made = Prediction.objects.filter(case__in=[UUID(case) for case in acknowledged]).select_related(
        "model_version", "case"
    )
    used = set()
    for one in made:
        version, sent = one.model_version, one.case.submitted_at.timestamp()
        used.add(version.pk)
        named = one.receipt["weights_sha256"], one.receipt["manifest_sha256"]
        outcome.must(
            named == (version.weights_hash, version.manifest_hash),
            f"the prediction of {one.case_id} names another network than its version's",
        )
        active = any(
            span.version == version.pk
            and span.since <= acknowledged[str(one.case_id)]
            and span.until >= sent
            for span in history
        )
        outcome.must(active, f"{one.case_id} was scored by a version that was not active")
    outcome.proof["versions_used"] = len(used)
    outcome.must(len(used) > 1, "only one version was used")
