"""The shipped bundle, and copies of it to damage."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlservice.engine import Bundle, Picture, Predictor, open_predictor, prepare, shipped
from mlservice.engine.bundle import MANIFEST, file_sha256
from mlservice.packs.skin.drawing import draw

Edit = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="session")
def bundle() -> Bundle:
    return Bundle.load(shipped("skin"))


@pytest.fixture(scope="session")
def predictor(bundle: Bundle) -> Predictor:
    return open_predictor(bundle, "cpu")


@pytest.fixture(scope="session")
def pictures(bundle: Bundle) -> list[Picture]:
    """One prepared drawing of every label."""
    return [prepare(draw(3, kind=kind), bundle.side) for kind in bundle.labels]


@pytest.fixture
def copy(bundle: Bundle, tmp_path: Path) -> Path:
    """A copy of the shipped bundle that a test may spoil."""
    return Path(shutil.copytree(bundle.folder, tmp_path / bundle.folder.name))


@pytest.fixture
def resign() -> Callable[..., None]:
    """Give a spoiled copy a manifest that fits it: only the spoiling itself can then be noticed."""

    def _resign(folder: Path, edit: Edit | None = None) -> None:
        manifest = json.loads((folder / MANIFEST).read_text())
        if edit is not None:
            edit(manifest)
        manifest["sha256"] = {name: file_sha256(folder / name) for name in manifest["sha256"]}
        (folder / MANIFEST).write_text(json.dumps(manifest))

    return _resign
