"""What the engine costs: forwards by batch size, and preparing a picture, as ratios.

``python -m benchmarks.engine [--pairs 7]`` prints a table and JSON. Every figure is measured in
turn with its reference (A B A B …) in one run, so that a busy machine slows both.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import subprocess
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

from mlservice.engine import Bundle, Modality, assess, open_predictor, prepare, shipped
from mlservice.engine.assess import views_of_one
from mlservice.packs.skin.drawing import draw

IMAGES = 16
REPEATS = 8
Task = Callable[[], object]


def seconds(task: Task) -> float:
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


def ratio(name: str, ours: Task, reference: Task, images: int, pairs: int) -> dict[str, Any]:
    """Median and spread of ``reference time / ours``: above 1, ours is the faster."""
    ours(), reference()
    times = [(seconds(ours), seconds(reference)) for _ in range(pairs)]
    ratios = np.array([other / own for own, other in times])
    return {
        "name": name,
        "ms_per_image": 1000 * float(np.median([own for own, _ in times])) / images,
        "ratio": float(np.median(ratios)),
        "spread": [float(ratios.min()), float(ratios.max())],
        "pairs": pairs,
    }


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


def measure(pairs: int) -> list[dict[str, Any]]:
    bundle = Bundle.load(shipped("skin"))
    single = batched(bundle.litert_path, bundle.side, 1)
    found = [
        ratio(
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
        ratio(
            f"assess a picture ({each} forwards) against {each} bare forwards",
            lambda: [assess(predictor, bundle, [picture], [Modality.DERMOSCOPIC]) for _ in "four"],
            batched(bundle.litert_path, bundle.side, 1, 4 * each),
            4,
            pairs,
        )
    )
    for size in ((600, 450), (4000, 3000)):
        contents = [jpeg(size)] * REPEATS
        found.append(
            ratio(
                f"prepare a {size[0]}x{size[1]} JPEG against decoding it whole",
                lambda contents=contents: [prepare(content, bundle.side) for content in contents],  # type: ignore[misc]  # mypy cannot infer a defaulted lambda
                full_decode(contents, bundle.side),
                REPEATS,
                pairs,
            )
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=7)
    pairs = max(5, parser.parse_args().pairs)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    libraries = {name: version(name) for name in ("ai-edge-litert", "numpy", "pillow")}
    found = measure(pairs)
    for row in found:
        low, high = row["spread"]
        print(
            f"{row['name']:62} {row['ms_per_image']:8.2f} ms/image   "
            f"x{row['ratio']:.2f} ({low:.2f}-{high:.2f})"
        )
    print(
        json.dumps(
            {
                "commit": commit,
                "python": platform.python_version(),
                "cores": len(os.sched_getaffinity(0)),
                "versions": libraries,
                "figures": found,
            }
        )
    )


if __name__ == "__main__":
    main()
