"""Bundles to register: copies of the shipped one that call themselves otherwise."""

from __future__ import annotations

import io
import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

from mlservice import checks, registry
from mlservice.engine import shipped
from mlservice.engine.bundle import MANIFEST, file_sha256
from mlservice.models import BundleCheck, ModelVersion

SECOND = registry.BUNDLES / "skin-1.1"


def variant(home: Path, version: str = "3", source: Path | None = None, /, **metrics: Any) -> Path:
    """A whole bundle that differs from ``source``, the shipped one, in its name and these numbers.

    Its large files are the shipped ones': take care to replace a file, never to write into one.
    """
    folder = home / f"bundle-{version}"
    shutil.copytree(source or shipped("skin"), folder, copy_function=os.link)
    numbers = json.loads((folder / "metrics.json").read_text()) | metrics
    replace(folder / "metrics.json", json.dumps(numbers).encode())
    resign(folder, version=version)
    return folder


def replace(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def resign(folder: Path, **entries: Any) -> None:
    """A manifest that fits the files as they are, with ``entries`` changed."""
    manifest = json.loads((folder / MANIFEST).read_text()) | entries
    manifest["sha256"] = {name: file_sha256(folder / name) for name in manifest["sha256"]}
    replace(folder / MANIFEST, json.dumps(manifest).encode())


def zipped(folder: Path, top: str = "", /, **extra: bytes) -> io.BytesIO:
    """The folder as a .zip, as a browser would send it."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as packed:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                packed.write(path, f"{top}{path.relative_to(folder).as_posix()}")
        for name, data in extra.items():
            packed.writestr(name, data)
    content.seek(0)
    content.name = "bundle.zip"
    return content


def both_shipped() -> tuple[ModelVersion, ModelVersion]:
    """``skin-1.1`` and ``skin-2.1``, registered; neither is in service."""
    return registry.register(SECOND), registry.register(shipped("skin"))


def prove_all() -> list[BundleCheck]:
    """What the workers do with the checks that wait; those checks, as they ended."""
    waiting = list(BundleCheck.objects.filter(state="waiting").values_list("pk", flat=True))
    prover = checks.Prover()
    prover.turn()
    while prover.busy:
        prover.turn()
        if not prover.busy:
            prover.turn()
    return list(BundleCheck.objects.filter(pk__in=waiting))
