"""Damaged bundles behind the registry's back: refused, told, and nothing scored by them."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import requests

from benchmarks.faults import seen
from benchmarks.faults.clients import Clients
from benchmarks.faults.house import House
from benchmarks.faults.outcome import Outcome
from diagnoses.models import Prediction, Scoring
from mlservice import registry
from mlservice.engine import Bundle, shipped
from mlservice.engine.bundle import MANIFEST, file_sha256
from mlservice.engine.preprocess import preprocess_hash
from mlservice.models import ModelVersion

RED_WITHIN = 30.0  # seconds until readiness says what is wrong
State = ModelVersion.State


def _missing(folder: Path) -> None:
    _network(folder).unlink()


def _truncated(folder: Path) -> None:
    """With the manifest rewritten to fit, so that only loading the network can tell."""
    content = _network(folder).read_bytes()
    _network(folder).write_bytes(content[: len(content) // 2])
    _rehash(folder)


def _wrong_hash(folder: Path) -> None:
    content = bytearray(_network(folder).read_bytes())
    content[len(content) // 2] ^= 0xFF
    _network(folder).write_bytes(content)


def _nan_weights(folder: Path) -> None:
    """The largest constant, all of it, with the manifest rewritten to fit."""
    from ai_edge_litert.interpreter import Interpreter

    path = _network(folder)
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    content, weights = path.read_bytes(), b""
    for one in interpreter.get_tensor_details():
        with suppress(ValueError):  # not a constant
            found = interpreter.get_tensor(one["index"]).astype(np.float32).tobytes()
            if len(found) > len(weights) and found in content:
                weights = found
    nan = np.full(len(weights) // 4, np.nan, np.float32).tobytes()
    path.write_bytes(content.replace(weights, nan, 1))
    _rehash(folder)


def _wrong_shape(folder: Path) -> None:
    """A manifest that promises pictures of another size than the network takes."""
    side = 192
    _rewrite(folder, side=side, preprocess_hash=preprocess_hash(side))


DAMAGES: dict[str, Callable[[Path], None]] = {
    "missing": _missing,
    "truncated": _truncated,
    "wrong_hash": _wrong_hash,
    "nan_weights": _nan_weights,
    "wrong_shape": _wrong_shape,
}


def _network(folder: Path) -> Path:
    name: str = json.loads((folder / MANIFEST).read_text())["files"]["litert"]
    return folder / name


def _rewrite(folder: Path, **changes: object) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(manifest | changes))


def _rehash(folder: Path) -> None:
    network = _network(folder)
    hashes = json.loads((folder / MANIFEST).read_text())["sha256"]
    _rewrite(folder, sha256=hashes | {network.name: file_sha256(network)})


@dataclass(frozen=True, slots=True)
class Damaged:
    """A version whose files are not what they should be, and the good copy beside it."""

    version: ModelVersion
    good: Path
    folder: Path

    def repair(self) -> None:
        shutil.rmtree(self.folder)
        shutil.copytree(self.good, self.folder)
        ModelVersion.objects.filter(pk=self.version.pk).update(
            manifest_hash=file_sha256(self.folder / MANIFEST),
            preprocess_hash=Bundle.load(self.folder).manifest.preprocess_hash,
        )


def damaged(house: House, name: str) -> Damaged:
    """A copy of the shipped bundle, registered whole and then damaged behind the registry."""
    good, folder = house.rig.folder / f"good-{name}", house.rig.folder / f"bundle-{name}"
    shutil.copytree(shipped(), good)
    _rewrite(good, version=f"damaged {name}")
    shutil.copytree(good, folder)
    version = registry.register(folder)
    DAMAGES[name](folder)
    ModelVersion.objects.filter(pk=version.pk).update(manifest_hash=file_sha256(folder / MANIFEST))
    return Damaged(version, good, folder)


def activate(version: ModelVersion) -> None:
    """As an administrator with an SQL prompt would: nobody looks at the files."""
    ModelVersion.objects.filter(pack=version.pack, state=State.ACTIVE).update(state=State.RETIRED)
    ModelVersion.objects.filter(pk=version.pk).update(state=State.ACTIVE)


def bad_bundle(house: House, _clients: Clients, outcome: Outcome, times: int) -> None:
    """Workers refuse to claim, readiness says why, nothing is scored by it before the repair."""
    good = registry.active("skin")
    assert good is not None  # noqa: S101 - the rig has registered it
    for name in list(DAMAGES)[:times]:
        house.pause(0.5)
        _refused_until_repaired(house, outcome, name, good)


def _refused_until_repaired(house: House, outcome: Outcome, name: str, good: ModelVersion) -> None:
    bad = damaged(house, name)
    own = Scoring.objects.filter(model_version=bad.version)
    activate(bad.version)
    try:
        reason = _red(house, outcome, time.time())
        outcome.proof[f"red_{name}"] += int(bool(reason))
        house.until(lambda: own.count() >= 2, 30, "cases wait for the bad version")
        tried = own.filter(attempts__gt=0).count() + bad.version.predictions.count()
        outcome.must(not tried, f"{name}: {tried} rows were claimed for a bad bundle")
    finally:
        activate(good)
    seen.moves_again(house, outcome, time.time())
    house.until(lambda: not _reason(house), RED_WITHIN, "ready again")
    bad.repair()
    waiting = set(own.values_list("pk", flat=True))
    house.until(seen.everything_settled_of(waiting), 60, f"{name}: scored once repaired")
    _only_the_repaired(bad, outcome, name)


def _red(house: House, outcome: Outcome, since: float) -> str:
    house.until(lambda: bool(_reason(house)), 2 * RED_WITHIN, "readiness is red")
    late = time.time() - since
    if late > RED_WITHIN:
        outcome.slow.append(f"readiness was red after {late:.0f} s")
    outcome.proof["ms_until_red"] = max(outcome.proof["ms_until_red"], round(1000 * late))
    return _reason(house)


def _reason(house: House) -> str:
    """Why the portal says that it is not ready; empty while it is."""
    answer = requests.get(f"{house.rig.stack.url}/readyz", timeout=10)
    return "" if answer.ok else "; ".join(answer.json()["reasons"])


def _only_the_repaired(bad: Damaged, outcome: Outcome, name: str) -> None:
    whole = file_sha256(bad.good / MANIFEST)
    made = Prediction.objects.filter(model_version=bad.version)
    outcome.proof["scored_once_repaired"] += made.count()
    wrong = made.exclude(receipt__manifest_sha256=whole).count()
    outcome.must(not wrong, f"{name}: {wrong} predictions by damaged files")
    outcome.must(made.exists(), f"{name}: nothing was scored once repaired")
