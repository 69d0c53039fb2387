"""How a rival is set up. The benchmark tries a few of these and measures the best."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass
from typing import Self

READY = "The rival's network is ready"
_NAME = "RIVAL_SETTINGS"


@dataclass(frozen=True, slots=True)
class Settings:
    """Fields that a server has no use for are left alone."""

    workers: int = 1  # processes that hold a network each
    threads: int = 1  # cores that one network uses
    at_once: int = 1  # requests in a process's network together, where nothing makes batches
    batch: int = 1  # photos put into one call, at most
    window_ms: int = 0  # how long a batch waits to be full; 0: takes what is there
    cold: bool = False  # the network is loaded for each request

    def environment(self) -> dict[str, str]:
        return {_NAME: json.dumps(asdict(self))}

    @classmethod
    def from_environment(cls) -> Self:
        return cls(**json.loads(os.environ[_NAME]))

    def __str__(self) -> str:
        default = Settings()
        said = {k: v for k, v in asdict(self).items() if v != getattr(default, k)}
        return ", ".join(f"{k} {v}" for k, v in {"workers": self.workers, **said}.items())


def port() -> int:
    """Where the rival is to answer."""
    return int(os.environ["RIVAL_PORT"])


def tell_ready() -> None:
    """Once in every process, when its network is loaded and warm: the benchmark counts them."""
    sys.__stderr__.write(READY + "\n")  # type: ignore[union-attr]  # a server's log is never None
    sys.__stderr__.flush()  # type: ignore[union-attr]


def serve_fastapi(app: str, workers: int) -> None:
    """Run a FastAPI application, named as ``module:name``, on the port that was chosen."""
    import uvicorn  # not installed where Celery alone is measured

    uvicorn.run(
        app,
        port=port(),
        workers=workers,
        access_log=False,
        timeout_worker_healthcheck=120,  # while it loads or is paused a worker does not answer
    )
