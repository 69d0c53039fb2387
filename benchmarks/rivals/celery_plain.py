"""Celery as people set it up, with our own network and a row for each result.

``RIVAL`` chooses the settings: ``plain_default``; ``acks_late``, with a task lost with its worker
put back, and the visibility timeout at its default of an hour, as it usually is; or
``celery_batches``, several photos a call. The worker runs as
``celery -A benchmarks.rivals.celery_plain worker``.
"""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any

import psycopg
from celery import Celery
from celery.signals import worker_process_init

TASK = "rival.score"
TABLE = "rival_result"
FLUSH_EVERY, FLUSH_SECONDS = 8, 0.5


def make_app(rival: str, redis_url: str) -> Celery:
    """For the worker, and for the client that sends to it."""
    made = Celery("rival", broker=redis_url, backend=redis_url, set_as_current=False)
    made.conf.broker_connection_retry_on_startup = True
    if rival == "acks_late":
        made.conf.task_acks_late = True
        made.conf.task_reject_on_worker_lost = True
    if rival == "celery_batches":
        made.conf.worker_prefetch_multiplier = FLUSH_EVERY  # as its documentation asks
    return made


RIVAL = os.environ.get("RIVAL", "plain_default")
app = make_app(RIVAL, os.environ.get("RIVAL_REDIS", "redis://"))


class Scorer:
    """A child's network, and its connection to the table of results."""

    def __init__(self) -> None:
        from mlservice.engine import Bundle, open_predictor, shipped

        self.bundle = Bundle.load(shipped())
        self.predictor = open_predictor(self.bundle, "cpu")
        self.connection = psycopg.connect(os.environ["RIVAL_DATABASE"], autocommit=True)

    def score(self, keys: list[str], paths: list[str]) -> None:
        """Score these photos together and write a row for each."""
        from mlservice.engine import Modality, assess, prepare

        pictures = [prepare(Path(path), self.bundle.side) for path in paths]
        kinds = [Modality.DERMOSCOPIC] * len(pictures)
        results = assess(self.predictor, self.bundle, pictures, kinds)
        for key, one in zip(keys, results, strict=True):
            self.connection.execute(
                f"INSERT INTO {TABLE} (key, risk) VALUES (%s, %s)",  # noqa: S608 - a constant
                [key, one.risk],
            )


_scorers: list[Scorer] = []


@worker_process_init.connect
def _load(**_: Any) -> None:
    """In each child: a network and a connection do not survive a fork."""
    _scorers.append(Scorer())


if RIVAL == "celery_batches":
    # By name, because it ships no types and need not be installed.
    @app.task(
        name=TASK,
        base=import_module("celery_batches").Batches,
        flush_every=FLUSH_EVERY,
        flush_interval=FLUSH_SECONDS,
    )
    def score_together(requests: list[Any]) -> None:
        [scorer] = _scorers
        scorer.score([one.args[0] for one in requests], [one.args[1] for one in requests])

else:

    @app.task(name=TASK)
    def score(key: str, path: str) -> None:
        [scorer] = _scorers
        scorer.score([key], [path])
