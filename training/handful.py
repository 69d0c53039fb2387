"""A handful of pictures our own code draws, and what the bundle made of them when it was made.

They travel in the bundle, so that anybody can repeat an evaluation without a data set, and so
that a test holds the shipped network to its printed numbers. They have no clinical meaning.
"""

from __future__ import annotations

import csv
import importlib
import json
from pathlib import Path
from typing import Any

from mlservice.engine import Bundle, Predictor
from mlservice.engine.judging.metrics import measure
from training.data import read_table
from training.evaluate import judge

PICTURES, LABELS, RESULTS = "handful", "handful/labels.csv", "handful.json"
OF_EACH = 4
SIZE = (160, 120)
FIRST_SEED = 1000  # other drawings than the golden ones
RESAMPLES = 100


def draw_handful(pack: str, labels: tuple[str, ...], folder: Path) -> None:
    """``handful/*.png`` and ``handful/labels.csv``: of each label two lesions, each twice."""
    drawing = importlib.import_module(f"mlservice.packs.{pack}.drawing")
    (folder / PICTURES).mkdir()
    with (folder / LABELS).open("w", newline="", encoding="utf-8") as opened:
        table = csv.writer(opened)
        table.writerow(("image_id", "dx", "lesion_id"))
        for label in labels:
            for number in range(OF_EACH):
                name = f"{label}_{number}"
                picture = drawing.draw(FIRST_SEED + number, kind=label, size=SIZE)
                picture.save(folder / PICTURES / f"{name}.png", optimize=True)
                table.writerow((name, label, f"{label}_{number // 2}"))


def examine_handful(bundle: Bundle, predictor: Predictor) -> dict[str, Any]:
    """The numbers on the handful, and each picture's probabilities, risk and tier."""
    rows = read_table(bundle.folder / LABELS, bundle.folder / PICTURES, bundle.labels)
    judged = judge(bundle, predictor, rows, bundle.modality)
    pictures = {
        row.image_id: {
            "tier": str(judged.tiers[number]),
            "risk": float(judged.risks[number]),
            "probabilities": dict(
                zip(bundle.labels, judged.probabilities[number].tolist(), strict=True)
            ),
        }
        for number, row in enumerate(rows)
    }
    return {"metrics": measure(judged, resamples=RESAMPLES), "pictures": pictures}


def write_handful(bundle: Bundle, predictor: Predictor) -> None:
    """``handful.json``."""
    text = json.dumps(examine_handful(bundle, predictor), indent=1, allow_nan=False)
    (bundle.folder / RESULTS).write_text(text + "\n", encoding="utf-8")
