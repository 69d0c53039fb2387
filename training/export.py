"""A run becomes a bundle: network, cuts, golden pictures, numbers and card in one folder.

The test part is opened here, once, after everything has been fitted on the other parts.
"""

from __future__ import annotations

import importlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import keras
import numpy as np

from mlservice.engine import Bundle, Modality, check_golden, open_predictor, preprocess_hash
from mlservice.engine.assess import calibrated, rotations
from mlservice.engine.bundle import FORMAT, MANIFEST, Files, Manifest, file_sha256
from mlservice.engine.keras_predictor import KerasPredictor
from mlservice.engine.litert_predictor import LitertPredictor
from mlservice.engine.preprocess import prepare
from training.calibrate import Calibration, fit_calibration
from training.card import write_card
from training.config import Config
from training.errors import TrainingError
from training.evaluate import judge
from training.metrics import measure
from training.outside import Others, Outside, fit_outside
from training.run import Material, load_network
from training.scores import score

FILES = Files(
    litert="model.tflite",
    keras="model.keras",
    statistics="statistics.npz",
    card="card.md",
    metrics="metrics.json",
    golden="golden.json",
)
THRESHOLD = 0.80
PARITY = 1e-5  # of a probability, between the Keras reference and the served network
PARITY_PICTURES = 64
GOLDEN = 4


def export(
    material: Material,
    run: Path,
    folder: Path,
    *,
    others: Others | None = None,
    resamples: int = 1000,
) -> Bundle:
    """Make the bundle ``folder`` (``<pack>-<version>``) from ``run``, check it and measure it."""
    config = Config.load(run)
    if config.split_hash != material.split.hash:
        raise TrainingError(f"The run {run.name!r} was trained on another split.")
    if (folder / MANIFEST).exists():
        raise TrainingError(f"{str(folder)!r} holds a bundle already; name another --version.")
    network = load_network(run, config)
    folder.mkdir(parents=True, exist_ok=True)
    _save_network(network, config, folder)
    _save_golden(network, config, folder)
    predictor = LitertPredictor(
        folder / FILES.litert,
        config.side,
        len(config.labels),
        int(network.output["embedding"].shape[1]),
    )
    held = material.part("calibration", config.side)
    scores = score(predictor, held.pictures)
    lesions = [row.lesion_id for row in material.rows_of("calibration")]
    cuts = fit_calibration(scores.logits, held.targets, lesions, config.labels, config.harmful)
    outside = fit_outside(predictor, material, config, scores.embeddings, others)
    outside.statistics.save(folder / FILES.statistics)
    manifest = _manifest(config, folder, cuts, outside)
    _write(manifest, folder)
    _examine(material, folder, outside, resamples)
    _write(manifest, folder)
    return Bundle.load(folder)


def _save_network(network: keras.Model, config: Config, folder: Path) -> None:
    network.save(folder / FILES.keras)
    one = keras.InputSpec(shape=(1, config.side, config.side, 3), dtype="float32", name="picture")
    network.export(
        str(folder / FILES.litert), format="litert", input_signature=[one], verbose=False
    )


def _save_golden(network: keras.Model, config: Config, folder: Path) -> None:
    """Pictures our own code draws (never one of the data set), with their Keras logits."""
    drawing = importlib.import_module(f"mlservice.packs.{config.pack}.drawing")
    (folder / "golden").mkdir(exist_ok=True)
    logits = {}
    for seed, kind in enumerate(config.labels[:GOLDEN]):
        path = folder / "golden" / f"{kind}.png"
        drawing.draw(seed, kind=kind, size=(300, 225)).save(path, optimize=True)
        batch = prepare(path, config.side)[None].astype(np.float32)
        found = network.predict_on_batch(batch)["logits"][0]
        logits[f"golden/{path.name}"] = [float(value) for value in found]
    (folder / FILES.golden).write_text(json.dumps(logits, indent=1), encoding="utf-8")


def _manifest(config: Config, folder: Path, cuts: Calibration, outside: Outside) -> Manifest:
    name, _, number = folder.name.rpartition("-")
    libraries = ("ai-edge-litert", "keras", "numpy", "pillow", "tensorflow")
    return Manifest(
        format=FORMAT,
        name=name,
        version=number,
        pack=config.pack,
        labels=config.labels,
        harmful=config.harmful,
        side=config.side,
        preprocess_hash=preprocess_hash(config.side),
        embedding_size=outside.statistics.centres.shape[1],
        temperature=cuts.temperature,
        threshold=THRESHOLD,
        r95=cuts.r95,
        r99=cuts.r99,
        conformal=cuts.conformal,
        ood_cut=outside.distance_cut,
        not_skin_cut=outside.not_skin_cut,
        files=FILES,
        sha256={},
        training={
            "data_hash": config.data_hash,
            "split_hash": config.split_hash,
            "seed": config.seed,
            "python": platform.python_version(),
            "versions": {library: version(library) for library in libraries},
            "config": asdict(config),
        },
    )


def _write(manifest: Manifest, folder: Path) -> None:
    """The manifest with the hash of every file there is now, itself aside."""
    hashes = {
        path.relative_to(folder).as_posix(): file_sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }
    text = json.dumps({**asdict(manifest), "sha256": hashes}, indent=1)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def _examine(material: Material, folder: Path, outside: Outside, resamples: int) -> None:
    """Load the bundle as a worker would; check it; open the test part; write numbers and card."""
    bundle = Bundle.load(folder)
    predictor = open_predictor(bundle, "cpu")
    check_golden(bundle, predictor)
    rows = material.rows_of("test")
    parity = _parity(bundle, material)
    judged = judge(bundle, predictor, rows, Modality.DERMOSCOPIC)
    metrics: Mapping[str, object] = {
        "bundle": folder.name,
        "part": "test",
        **measure(judged, resamples=resamples),
        "outside": outside.report,
        "parity_keras_litert": parity,
    }
    (folder / FILES.metrics).write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    write_card(bundle, metrics, judged, folder)


def _parity(bundle: Bundle, material: Material) -> float:
    """Largest difference of a probability between Keras and LiteRT on validation pictures."""
    pictures = material.part("validation", bundle.side).pictures[:PARITY_PICTURES]
    batch = rotations(list(pictures))
    size = bundle.manifest.embedding_size
    reference = KerasPredictor(bundle.keras_path, bundle.side, len(bundle.labels), size)
    both = [
        calibrated(np.stack([raw.logits for raw in p.predict(batch)]).astype(float), 1.0)
        for p in (reference, open_predictor(bundle, "cpu"))
    ]
    gap = float(np.abs(both[0] - both[1]).max())
    if not gap <= PARITY:
        raise TrainingError(f"LiteRT and Keras differ by {gap:.2g} in a probability.")
    return gap
