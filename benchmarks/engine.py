"""What the engine costs: forwards by batch size, and preparing a picture, as ratios.

Every figure is measured in turn with its reference (A B A B …) in one run, so that a busy machine
slows both. Above 1, ours is the faster.
"""

from __future__ import annotations

import argparse
import io
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

from benchmarks.measuring import Figure, Report, ratio
from mlservice.engine import (
    Bundle,
    Modality,
    Picture,
    Predictor,
    assess,
    open_predictor,
    prepare,
    shipped,
)
from mlservice.engine.assess import views, views_of_one
from mlservice.engine.heatmap import heat_of, views_mapped
from mlservice.packs.skin.drawing import draw

IMAGES = 16
REPEATS = 8
Task = Callable[[], object]


def seconds(task: Task) -> float:
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


def compare(name: str, ours: Task, reference: Task, images: int, pairs: int) -> list[Figure]:
    """The reference's time divided by ours, and what ours takes for an image."""
    ours(), reference()
    times = [(seconds(ours), seconds(reference)) for _ in range(pairs)]
    alone = 1000 * median([own for own, _ in times]) / images
    return [
        ratio(name, [other for _, other in times], [own for own, _ in times]),
        Figure(f"{name}: ours", alone, unit="ms"),
    ]


def batched(path: Path, side: int, size: int, forwards: int = IMAGES) -> Task:
    """``forwards`` in batches of ``size``, LiteRT resized to it once."""
    interpreter = Interpreter(str(path), num_threads=len(os.sched_getaffinity(0)))
    index = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(index, [size, side, side, 3])
    interpreter.allocate_tensors()
    batch = np.random.default_rng(0).integers(0, 255, (size, side, side, 3)).astype(np.float32)

    def run() -> None:
        for _ in range(forwards // size):
            interpreter.set_tensor(index, batch)
            interpreter.invoke()

    return run


def jpeg(size: tuple[int, int]) -> bytes:
    buffer = io.BytesIO()
    draw(1, kind="mel", size=(1200, 900)).resize(size, Image.Resampling.LANCZOS).save(
        buffer, "JPEG", quality=90
    )
    return buffer.getvalue()


def full_decode(contents: list[bytes], side: int) -> Task:
    """The plain way: decode every pixel, crop, resize."""

    def run() -> None:
        for content in contents:
            one(content)

    def one(content: bytes) -> None:
        with Image.open(io.BytesIO(content)) as opened:
            rgb = opened.convert("RGB")
        edge = min(rgb.size)
        left, top = (rgb.width - edge) // 2, (rgb.height - edge) // 2
        rgb.crop((left, top, left + edge, top + edge)).resize(
            (side, side), Image.Resampling.LANCZOS
        )

    return run


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """None of its own."""


def run(options: argparse.Namespace) -> Report:
    figures = [figure for comparison in measure(options.pairs) for figure in comparison]
    return Report("engine", "what the engine costs, each against the plain way", figures)


def _heatmap(bundle: Bundle, predictor: Predictor, picture: Picture, pairs: int) -> list[Figure]:
    """What it costs that a picture's forwards say which places their answers came from."""
    batch = views([picture], bundle.fields)
    wanted = views_mapped(len(bundle.fields))

    def mapped() -> None:
        for _ in range(REPEATS):
            scores = predictor.predict(batch, wanted)
            heat_of([np.asarray(scores[view].class_maps) for view in wanted], bundle.fields)

    def plain() -> None:
        for _ in range(REPEATS):
            predictor.predict(batch)

    return compare(
        "a picture's forwards with its heatmap against without", mapped, plain, REPEATS, pairs
    )


def measure(pairs: int) -> list[list[Figure]]:
    bundle = Bundle.load(shipped("skin"))
    single = batched(bundle.litert_path, bundle.side, 1)
    found = [
        compare(
            f"forward, batch {size} against batch 1",
            batched(bundle.litert_path, bundle.side, size),
            single,
            IMAGES,
            pairs,
        )
        for size in (4, 8, 16)
    ]
    predictor = open_predictor(bundle, "cpu")
    picture, each = prepare(draw(1), bundle.side), views_of_one(bundle.fields)
    found.append(
        compare(
            f"assess a picture ({each} forwards) against {each} bare forwards",
            lambda: [assess(predictor, bundle, [picture], [Modality.DERMOSCOPIC]) for _ in "four"],
            batched(bundle.litert_path, bundle.side, 1, 4 * each),
            4,
            pairs,
        )
    )
    found.append(_heatmap(bundle, predictor, picture, pairs))
    for size in ((600, 450), (4000, 3000)):
        contents = [jpeg(size)] * REPEATS
        found.append(
            compare(
                f"prepare a {size[0]}x{size[1]} JPEG against decoding it whole",
                lambda contents=contents: [prepare(content, bundle.side) for content in contents],  # type: ignore[misc]  # mypy cannot infer a defaulted lambda
                full_decode(contents, bundle.side),
                REPEATS,
                pairs,
            )
        )
    return found
