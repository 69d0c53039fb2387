"""LitServe, serving the portal's own prepared network, with its own batching."""

# No "from __future__ import annotations": LitServe compares the annotation of a request itself.

from typing import Any

from litserve import LitAPI, LitServer, Request

from benchmarks.rivals.networks import LitertNetwork
from benchmarks.rivals.settings import Settings, port
from mlservice.engine import Picture

settings = Settings.from_environment()


class Lesions(LitAPI):
    """Photo in, probabilities out."""

    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe's signature
        self.network = LitertNetwork(settings)

    def decode_request(self, request: Request) -> Picture:
        return self.network.prepare(request["photo"].file.read())

    def predict(self, x: Any) -> Any:
        """An array of pictures where there are batches, else one picture."""
        return self.network.shares(list(x)) if settings.batch > 1 else self.network.shares([x])[0]


if __name__ == "__main__":
    served = Lesions(max_batch_size=settings.batch, batch_timeout=settings.window_ms / 1000)
    server = LitServer(
        served, accelerator="cpu", devices=1, workers_per_device=settings.workers, timeout=120
    )
    server.run(host="127.0.0.1", port=port(), generate_client_file=False, log_level="warning")
