"""P4: the portal against Celery and FastAPI as they are usually set up around a Keras model.

The usual ways run the same bundle's Keras network with ``model.predict``, once for each photo's
twelve views: in a Celery task, in a request, and in a request that loads the model first. None of
them keeps anything: no photo, no case, no result outlives the answer.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from itertools import product

from benchmarks.load import add_photo_arguments, photos_of
from benchmarks.measuring import Report
from benchmarks.rig import SMALL, Rig
from benchmarks.rival import (
    CeleryRival,
    Kind,
    Rival,
    add_rival_arguments,
    compared,
    measured,
    module,
    require,
)
from benchmarks.rivals.settings import Settings
from portal.machine.processes import command

COUNT = 48
SHARE, COLD_SHARE = 2, 12  # of our photos that the slower rivals get: one photo takes them seconds


def celery_command(settings: Settings, _port: int) -> list[str]:
    """A prefork worker with as many children."""
    worker = ("celery", "-A", "benchmarks.rivals.celery_predict:app", "worker", "--pool=prefork")
    return command(worker, f"--concurrency={settings.workers}", "-n", "rival@%h")


WORKERS = (Settings(1, 2), Settings(2, 1), Settings(2, 2))
TOGETHER = (Settings(1, 1, at_once=2), Settings(1, 2, at_once=2), Settings(1, 2, at_once=16))
COLD = tuple(Settings(n, n_threads, cold=True) for n, n_threads in product((2, 1), (1, 2)))
CELERY = Kind("Celery prefork", celery_command, WORKERS)
FASTAPI = Kind("FastAPI", module("fastapi_predict"), (*WORKERS, *TOGETHER))
COLD_MODEL = Kind("cold model", module("fastapi_predict"), COLD)
TARGETS = {"Celery prefork": "≥ 3", "FastAPI": "≥ 2.5", "cold model": "≥ 50"}


def add_arguments(parser: ArgumentParser) -> None:
    add_photo_arguments(parser, COUNT)
    add_rival_arguments(parser)


def run(options: Namespace) -> Report:
    versions = require(
        {
            "tensorflow": "tensorflow",
            "keras": "keras",
            "fastapi": "fastapi",
            "uvicorn": "uvicorn",
            "python_multipart": "python-multipart",
        }
    )
    report = Report("P4", "The portal ÷ the usual stack (photos a second, 600×450)")
    report.notes = [
        f"{options.connections} connections; the client's processor time is on the same cores.",
        "Rivals are paused while another is measured; the portal's processes are not.",
        "Celery's tasks are sent to Redis directly, without a web server before it.",
        "Cold model: only the model is loaded for each request, TensorFlow was imported before.",
    ]
    with Rig() as rig:
        photos = photos_of(options.photos, options.count, SMALL)
        redis = {"RIVAL_REDIS": rig.redis.url().removesuffix("/0") + "/1"}
        rivals = [
            CeleryRival(CELERY, rig.logs, redis),
            Rival(FASTAPI, rig.logs, connections=options.connections),
            Rival(COLD_MODEL, rig.logs, connections=options.connections),
        ]
        shares = [photos[: max(4, len(photos) // n)] for n in (SHARE, SHARE, COLD_SHARE)]
        found, settings = measured(rig, rivals, shares, options)
    report.figures = compared(found, TARGETS)
    report.detail = {"photos a second": found, "settings": settings, "versions": versions}
    return report
