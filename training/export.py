"""A run becomes a bundle: network, cuts, golden pictures, numbers and card in one folder.

The test part is opened here, after everything has been fitted on the other parts. The bundle is
made in a folder of its own and gets its name at the very end, whole or not at all.
"""

from __future__ import annotations

import importlib
import json
import platform
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np

from mlservice.engine import (
    Bundle,
    Predictor,
    check_golden,
    open_predictor,
    preprocess_hash,
)
from mlservice.engine.assess import views
from mlservice.engine.bundle import FORMAT, MANIFEST, Files, Manifest, file_sha256
from mlservice.engine.judging.bootstrap import RESAMPLES
from mlservice.engine.judging.metrics import measure
from mlservice.engine.keras_predictor import KerasPredictor
from mlservice.engine.litert_predictor import LitertPredictor
from mlservice.engine.preprocess import describe, prepare
from mlservice.engine.reading import calibrated
from mlservice.engine.rule import RULE, write_rule
from training.card import write_card
from training.config import Config
from training.earlier import Earlier
from training.errors import TrainingError
from training.evaluate import full_name, judge
from training.handful import draw_handful, write_handful
from training.labels import pack_modality
from training.openings import open_test_part
from training.operating import put_prior_back, risk_reading
from training.outside import Others, Outside, fit_outside
from training.readings import Fitted, fit_readings
from training.rule import price_of
from training.run import Material
from training.sources import source_of
from training.split import PARTS

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
    work: Path,
    others: Others | None = None,
    fields: tuple[float, ...] | None = None,
    metadata: Sequence[str] = (),
    resamples: int = RESAMPLES,
) -> Bundle:
    """Make the bundle ``folder`` (``<pack>-<version>``) from ``run``, check it and measure it.

    ``run`` may be a bundle: its network is read anew. ``fields`` are served instead of the run's:
    its training does not hang on them. ``metadata`` are the kinds (age, site) that the names are
    to be read with. In ``work`` it is noted that the test part was opened. Raises
    :class:`TrainingError`, and :class:`~mlservice.engine.BundleError` where what was made does not
    serve as it should.
    """
    earlier = Earlier.open(run)
    config = earlier.config
    if fields:
        config = replace(config, fields=fields)
    if config.split_hash != material.split.hash:
        raise TrainingError(f"The run {run.name!r} was trained on another split.")
    if config.labels != material.labels:
        raise TrainingError(f"The run {run.name!r} was trained with other labels than the pack's.")
    if not re.fullmatch(rf"{re.escape(config.pack)}-\d+(\.\d+)*", folder.name):
        raise TrainingError(f"{folder.name!r} is no bundle's name: {config.pack}-2, or -2.1, is.")
    if folder.exists():
        raise TrainingError(f"{str(folder)!r} holds a bundle already; name another --version.")
    network = earlier.network(material.part(config.parts, config.side).targets)
    with _made_aside(folder) as aside:
        _save_network(network, config, aside)
        served = _litert(network, config, aside)
        fitted = fit_readings(served, material, config, metadata)
        outside = fit_outside(served, material, config, fitted.embeddings, others)
        outside.statistics.save(aside / FILES.statistics)
        put_prior_back(network, fitted.names.share, fitted.prior)
        history = _history(material, replace(config, prior=fitted.names.share)) | fitted.history
        if earlier.is_bundle:
            history["network_of"] = {"bundle": run.name, "sha256": earlier.sha256}
        manifest = _manifest(config, folder, fitted, outside, history)
        _save_network(network, config, aside)  # again: with the prior it was given back
        _save_golden(network, config, aside)
        draw_handful(config.pack, config.labels, aside)
        _write(manifest, aside)
        bundle, predictor = _served(aside)
        write_handful(bundle, predictor)
        _examine(material, bundle, predictor, outside, work, resamples)
        _write(manifest, aside)
        _served(aside)
    return Bundle.load(folder)


@contextmanager
def _made_aside(folder: Path) -> Iterator[Path]:
    """A place to make the bundle in, moved to ``folder`` at once when all went well.

    It lies two levels below the bundles, where nobody looks for one; what a killed export left
    there is cleared away.
    """
    aside = folder.parent / ".making" / folder.name
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        yield aside
        aside.rename(folder)
    finally:
        shutil.rmtree(aside.parent, ignore_errors=True)


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


def _litert(network: keras.Model, config: Config, folder: Path) -> LitertPredictor:
    size = int(network.output["embedding"].shape[1])
    return LitertPredictor(folder / FILES.litert, config.side, len(config.labels), size)


def _manifest(
    config: Config, folder: Path, fitted: Fitted, outside: Outside, history: dict[str, Any]
) -> Manifest:
    name, _, number = folder.name.rpartition("-")
    names, risk = fitted.names.names, fitted.risk.risk
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
        temperature=names.temperature,
        threshold=THRESHOLD,
        r95=risk.r95,
        r99=risk.r99,
        conformal=names.conformal,
        ood_cut=outside.distance_cut,
        not_skin_cut=outside.not_skin_cut,
        no_lesion_cut=outside.no_lesion_cut,
        fields=config.fields,
        modality=pack_modality(config.pack).value,
        files=FILES,
        sha256={},
        training=history,
        risk=risk_reading(fitted.risk, fitted.names, fitted.prior, config.labels),
        metadata=fitted.metadata,
    )


def _history(material: Material, config: Config) -> dict[str, Any]:
    """Where the network comes from: enough to know what to repeat, and with what."""
    libraries = (
        "ai-edge-litert",
        "keras",
        "numpy",
        "pillow",
        "scikit-learn",
        "scipy",
        "tensorflow",
    )
    sizes = {}
    for part in PARTS:
        lesions = [row.lesion_id for row in material.rows_of(part)]
        sizes[part] = {"pictures": len(lesions), "lesions": len(set(lesions))}
    return {
        "data_hash": config.data_hash,
        "split_hash": config.split_hash,
        "split": {
            "shares": material.split.shares,
            "parts": sizes,
            **({} if material.split.photographs else {"photographs": False}),
        },
        "seed": config.seed,
        "preprocessing": describe(config.side),
        "python": platform.python_version(),
        "versions": {library: version(library) for library in libraries},
        "config": asdict(config),
    }


def _write(manifest: Manifest, folder: Path) -> None:
    """The manifest with the hash of every file there is now, itself aside."""
    hashes = {
        path.relative_to(folder).as_posix(): file_sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }
    text = json.dumps({**asdict(manifest), "sha256": hashes}, indent=1)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def _served(folder: Path) -> tuple[Bundle, Predictor]:
    """Loaded and checked as a worker does it when it starts."""
    bundle = Bundle.load(folder)
    predictor = open_predictor(bundle, "cpu")
    check_golden(bundle, predictor)
    return bundle, predictor


def _examine(
    material: Material,
    bundle: Bundle,
    predictor: Predictor,
    outside: Outside,
    work: Path,
    resamples: int,
) -> None:
    """Open the test part; write numbers, the price of the 80 % rule, card and plots."""
    parity = _parity(bundle, predictor, material)
    before = open_test_part(work, material.split.hash, full_name(bundle))
    judged = judge(bundle, predictor, material.rows_of("test"), bundle.modality)
    metrics = {
        "bundle": full_name(bundle),
        "part": "test",
        "test_opened": {"before": before},
        **measure(judged, resamples=resamples),
        "outside": outside.report,
        "parity_keras_litert": parity,
    }
    text = json.dumps(metrics, indent=1, allow_nan=False)
    (bundle.folder / FILES.metrics).write_text(text + "\n", encoding="utf-8")
    write_rule(
        price_of(
            judged,
            full_name(bundle),
            part="test",
            data_hash=material.split.data_hash,
            split_hash=material.split.hash,
        ),
        bundle.folder / RULE,
    )
    write_card(bundle, metrics, judged, source_of(material.rows), bundle.folder)


def _parity(bundle: Bundle, predictor: Predictor, material: Material) -> float:
    """Largest difference of a probability between Keras and LiteRT on validation pictures."""
    pictures = material.part("validation", bundle.side).pictures[:PARITY_PICTURES]
    batch = views(list(pictures), bundle.fields)
    size = bundle.manifest.embedding_size
    reference = KerasPredictor(bundle.keras_path, bundle.side, len(bundle.labels), size)
    both = [
        calibrated(np.stack([raw.logits for raw in p.predict(batch)]).astype(float), 1.0)
        for p in (reference, predictor)
    ]
    gap = float(np.abs(both[0] - both[1]).max())
    if not gap <= PARITY:
        raise TrainingError(f"LiteRT and Keras differ by {gap:.2g} in a probability.")
    return gap
