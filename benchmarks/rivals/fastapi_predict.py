"""FastAPI with ``model.predict`` for each request: the network warm, or loaded every time.

Photos are decoded in FastAPI's own threads; ``at_once`` of them may be in ``predict`` together.
"""

from __future__ import annotations

from threading import Semaphore

from fastapi import FastAPI, UploadFile

from benchmarks.rivals.networks import KerasNetwork
from benchmarks.rivals.settings import Settings, serve_fastapi

settings = Settings.from_environment()
app = FastAPI()


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "ok"}


if __name__ == "__main__":
    serve_fastapi("benchmarks.rivals.fastapi_predict:app", settings.workers)
else:  # in the processes that serve, not in the one that starts them
    network = KerasNetwork(settings)
    in_predict = Semaphore(settings.at_once)

    @app.post("/predict")
    def predict(photo: UploadFile) -> dict[str, float]:
        picture = network.prepare(photo.file.read())
        with in_predict:
            return network.shares(picture)
