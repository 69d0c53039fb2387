"""On real dermoscopic pictures, where they are on this machine."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlservice.engine import Bundle, Modality, Picture, Predictor, assess, prepare


@pytest.fixture(scope="module")
def melanomas(real_data: Path) -> list[Path]:
    folder = real_data / "ham10000"
    with (folder / "HAM10000_metadata.csv").open(newline="") as opened:
        images = [row["image_id"] for row in csv.DictReader(opened) if row["dx"] == "mel"]
    return [folder / "images" / f"{image}.webp" for image in images[:24]]


def as_original(path: Path) -> bytes:
    """As the portal gets it: 600x450, JPEG."""
    buffer = io.BytesIO()
    with Image.open(path) as opened:
        opened.resize((600, 450), Image.Resampling.LANCZOS).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def test_an_upload_at_another_size_and_format_is_assessed_alike(
    bundle: Bundle, predictor: Predictor, melanomas: list[Path]
) -> None:
    declared = [Modality.DERMOSCOPIC] * len(melanomas)

    def risks(pictures: list[Picture]) -> list[float]:
        return [found.risk for found in assess(predictor, bundle, pictures, declared)]

    reduced = risks([prepare(path, bundle.side) for path in melanomas])
    uploaded = risks([prepare(as_original(path), bundle.side) for path in melanomas])
    assert float(np.median(np.abs(np.subtract(reduced, uploaded)))) < 0.05


def test_melanomas_are_hardly_ever_green(
    bundle: Bundle, predictor: Predictor, melanomas: list[Path]
) -> None:
    """Some were trained on, so this proves little; a broken bundle fails it all the same."""
    pictures = [prepare(path, bundle.side) for path in melanomas]
    found = assess(predictor, bundle, pictures, [Modality.DERMOSCOPIC] * len(pictures))
    assert sum(one.tier == "green" for one in found) <= 1
    assert sum(one.tier == "red" for one in found) >= 18
    assert {one.modality for one in found} == {Modality.DERMOSCOPIC}


def test_ordinary_photos_are_not_skin(
    bundle: Bundle, predictor: Predictor, real_data: Path
) -> None:
    paths = sorted((real_data / "ood").rglob("*.webp"))[:20]
    assert paths, "the folder of ordinary photos is empty"
    pictures = [prepare(path, bundle.side) for path in paths]
    found = assess(predictor, bundle, pictures, [Modality.DERMOSCOPIC] * len(pictures))
    assert sum(one.modality is Modality.NOT_SKIN for one in found) >= 18
    assert all(one.tier != "green" for one in found)
