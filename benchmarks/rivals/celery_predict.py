"""Celery as it is usually set up: prefork, a warm Keras model in each child, a task per photo.

Redis carries the tasks and their results, as JSON, with Celery's own settings.
"""

from __future__ import annotations

import base64
import os
from typing import Any

from celery import Celery
from celery.signals import worker_process_init

from benchmarks.rivals.networks import KerasNetwork
from benchmarks.rivals.settings import Settings

TASK = "rival.predict"
_networks: list[KerasNetwork] = []


def make_app(redis_url: str) -> Celery:
    """For the worker, and for the client that sends to it."""
    made = Celery("rival", broker=redis_url, backend=redis_url, set_as_current=False)
    made.conf.broker_connection_retry_on_startup = True
    # TensorFlow takes longer to import than the four seconds a child has to say that it is up.
    made.conf.worker_proc_alive_timeout = 120.0
    return made


app = make_app(os.environ.get("RIVAL_REDIS", "redis://"))


@worker_process_init.connect
def _load(**_: Any) -> None:
    """After the fork: TensorFlow does not survive one."""
    _networks.append(KerasNetwork(Settings.from_environment()))


@app.task(name=TASK)
def predict(photo: str) -> dict[str, float]:
    """``photo`` in base64, because JSON holds no bytes."""
    [network] = _networks
    return network.shares(network.prepare(base64.b64decode(photo)))
