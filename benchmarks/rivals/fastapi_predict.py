"""FastAPI with ``model.predict`` for each request: the network warm, or loaded every time.

Photos are decoded in FastAPI's own threads; ``at_once`` of them may be in ``predict`` together.
"""

from __future__ import annotations

from threading import Semaphore

import uvicorn
from fastapi import FastAPI, UploadFile

from benchmarks.rivals.networks import KerasNetwork
from benchmarks.rivals.settings import Settings, port

settings = Settings.from_environment()
app = FastAPI()


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "ok"}


if __name__ == "__main__":
    uvicorn.run(
        "benchmarks.rivals.fastapi_predict:app",
        port=port(),
        workers=settings.workers,
        access_log=False,
        timeout_worker_healthcheck=120,  # while it loads or is paused a worker does not answer
    )
else:  # in the processes that serve, not in the one that starts them
    network = KerasNetwork(settings)
    in_predict = Semaphore(settings.at_once)

    @app.post("/predict")
    def predict(photo: UploadFile) -> dict[str, float]:
        picture = network.prepare(photo.file.read())
        with in_predict:
            return network.shares(picture)
