"""BentoML, serving the portal's own prepared network, with its adaptive batching."""

from __future__ import annotations

from pathlib import Path

import bentoml

from benchmarks.rivals.networks import LitertNetwork, Shares
from benchmarks.rivals.settings import Settings

settings = Settings.from_environment()


@bentoml.service(workers=settings.workers, traffic={"timeout": 120})
class Lesions:
    """Photos in, probabilities out."""

    def __init__(self) -> None:
        self.network = LitertNetwork(settings)

    @bentoml.api(
        batchable=settings.batch > 1,
        max_batch_size=max(2, settings.batch),  # it refuses 1, also where nothing is batched
        max_latency_ms=60_000,
    )
    def predict(self, photos: list[Path]) -> list[Shares]:
        """One photo in a request; BentoML puts those of several requests together."""
        return self.network.shares([self.network.prepare(photo) for photo in photos])
