"""P5: the portal, which is durable, against servers made for batching, which keep nothing.

All serve the same prepared LiteRT network with the same preprocessing and the same twelve views,
and the same closed loop of senders asks them.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from statistics import median

from benchmarks.load import add_photo_arguments, photos_of
from benchmarks.measuring import Report
from benchmarks.rig import SMALL, Rig
from benchmarks.rival import (
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

COUNT = 64


def bentoml_command(_settings: Settings, port: int) -> list[str]:
    service = "benchmarks.rivals.bentoml_batches:Lesions"
    return command(("bentoml", "serve", service), f"--port={port}", "--host=127.0.0.1")


TRIED = (
    Settings(2, 1, batch=1),
    Settings(2, 1, batch=8),
    Settings(1, 2, batch=8),
    Settings(1, 2, batch=8, window_ms=20),
    Settings(1, 2, batch=1),
    Settings(2, 2, batch=4),
)
KINDS = (
    Kind("LitServe", module("litserve_batches"), TRIED),
    Kind(
        "BentoML",
        bentoml_command,
        tuple(one for one in TRIED if not one.window_ms),  # it finds its window by itself
        health="/readyz",
        field="photos",
    ),
    Kind("FastAPI with a window", module("fastapi_batches"), TRIED),
)


def add_arguments(parser: ArgumentParser) -> None:
    add_photo_arguments(parser, COUNT)
    add_rival_arguments(parser)


def run(options: Namespace) -> Report:
    versions = require(
        {
            "litserve": "litserve",
            "bentoml": "bentoml",
            "fastapi": "fastapi",
            "uvicorn": "uvicorn",
            "python_multipart": "python-multipart",
        }
    )
    report = Report("P5", "The portal (durable) ÷ batching servers (photos a second, 600×450)")
    report.notes = [
        f"{options.connections} connections; the client's processor time is on the same cores.",
        "Rivals are paused while another is measured; the portal's processes are not.",
        "Of the rivals none keeps a photo or a result; the portal commits both, fsync on.",
    ]
    with Rig() as rig:
        photos = photos_of(options.photos, options.count, SMALL)
        rivals = [Rival(kind, rig.logs, connections=options.connections) for kind in KINDS]
        found, settings = measured(rig, rivals, [photos] * len(rivals), options)
    best = max((rival.kind.name for rival in rivals), key=lambda name: median(found[name]))
    report.figures = compared(found, {best: "≥ 1.0"})
    report.notes.append(f"The best of them: {best}.")
    report.detail = {"photos a second": found, "settings": settings, "versions": versions}
    return report
