"""A small labelled folder of drawings: nothing here means anything clinically."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlservice.packs import load_pack
from mlservice.packs.skin.drawing import draw
from training.cli import main

COLUMNS = ("lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization")


def write_table(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as opened:
        writer = csv.DictWriter(opened, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def make_folder(folder: Path, lesions: int, clinic: str = "", first_seed: int = 0) -> Path:
    """``lesions`` drawn marks of every label of the skin pack, every other one drawn twice."""
    (folder / "images").mkdir(parents=True)
    rows, seed = [], first_seed
    for label in load_pack("skin").labels:
        for lesion in range(lesions):
            for view in range(1 + lesion % 2):
                image, seed = f"{clinic}{label.name}_{lesion}_{view}", seed + 1
                picture = draw(seed, kind=label.name, size=(80, 60), hair=0)
                picture.save(folder / "images" / f"{image}.png")
                row = (
                    f"L{clinic}_{label.name}_{lesion}",
                    image,
                    label.name,
                    "histo",
                    "50.0",
                    "male",
                    "back",
                )
                rows.append(dict(zip(COLUMNS, row, strict=True)))
    write_table(folder / "metadata.csv", rows)
    return folder


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("drawn") / "data", lesions=10)


@pytest.fixture(scope="session")
def parted(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the split of ``drawn``. Who works in one takes a copy."""
    work = tmp_path_factory.mktemp("parted")
    assert main(["split", str(drawn), "--work", str(work)]) == 0
    return work


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """A folder of one's own, to spoil."""
    return make_folder(tmp_path / "few", lesions=2)


@pytest.fixture(scope="session")
def further(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another clinic's folder: other pictures of other lesions, under other names."""
    folder = tmp_path_factory.mktemp("further") / "data"
    return make_folder(folder, lesions=10, clinic="F", first_seed=5000)


@pytest.fixture(scope="session")
def soon_settled() -> Iterator[None]:
    """Three batches settle the statistics of a network that has seen a dozen."""
    from training import finetune  # needs TensorFlow

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(finetune, "SETTLING", 3)
        yield
