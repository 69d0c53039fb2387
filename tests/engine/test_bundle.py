"""A bundle that is not whole, not ours or not itself is refused with a sentence."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from mlservice.engine import (
    Bundle,
    BundleError,
    check_golden,
    open_predictor,
    preprocess_hash,
    shipped,
)
from mlservice.engine.bundle import MANIFEST, file_sha256
from mlservice.engine.explored import DATA
from mlservice.engine.rule import RULE
from mlservice.packs import load_pack

Resign = Callable[..., None]


def test_the_shipped_bundle_is_whole_and_speaks_the_packs_words(bundle: Bundle) -> None:
    pack = load_pack("skin")
    assert set(bundle.labels) == {label.name for label in pack.labels}
    assert set(bundle.harmful) == {label.name for label in pack.labels if label.harmful}
    assert bundle.threshold == 0.80
    assert 0 < bundle.r99 <= bundle.r95 < 1
    assert bundle.manifest.preprocess_hash == preprocess_hash(bundle.side)
    assert bundle.weights_hash == file_sha256(bundle.litert_path)


def test_the_shipped_bundle_is_small_and_has_no_picture_of_a_patient(bundle: Bundle) -> None:
    files = [path for path in bundle.folder.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 36 * 2**20
    assert {path.name for path in files if path.suffix in {".jpg", ".webp"}} == set()
    assert {path.parent.name for path in bundle.golden_images} == {"golden"}


def test_the_card_says_what_the_metrics_say(bundle: Bundle) -> None:
    card = bundle.card_path.read_text()
    assert f"{bundle.metrics['bmca']:.3f}" in card
    sick, green = bundle.metrics["n_malignant"], bundle.metrics["green_malignant"]
    assert f"harmful pictures ending GREEN, of {sick} | {green} (" in card
    assert "CC BY-NC 4.0" in card


def test_every_file_is_in_the_manifest(bundle: Bundle) -> None:
    files = {p.relative_to(bundle.folder).as_posix() for p in bundle.folder.rglob("*.*")}
    beside = files - {*bundle.manifest.sha256, MANIFEST}
    assert beside <= {RULE, DATA}, "they name the manifest they belong to themselves"
    assert files >= {*bundle.manifest.sha256, MANIFEST}


@pytest.mark.parametrize("name", ["model.tflite", "statistics.npz", "card.md", "golden/mel.png"])
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(BundleError, match=f"lacks the file '{name}'"):
        Bundle.load(copy)


def test_a_truncated_network_is_named(copy: Path) -> None:
    network = copy / "model.tflite"
    network.write_bytes(network.read_bytes()[:1_000_000])
    with pytest.raises(BundleError, match=r"model\.tflite.*hash differs"):
        Bundle.load(copy)


def test_one_changed_byte_is_noticed(copy: Path) -> None:
    network = copy / "model.keras"
    content = bytearray(network.read_bytes())
    content[len(content) // 2] ^= 1
    network.write_bytes(content)
    with pytest.raises(BundleError, match=r"model\.keras.*hash differs"):
        Bundle.load(copy)


def test_a_folder_without_a_manifest_is_no_bundle(copy: Path, tmp_path: Path) -> None:
    (copy / MANIFEST).unlink()
    with pytest.raises(BundleError, match=r"has no manifest\.json"):
        Bundle.load(copy)
    with pytest.raises(BundleError, match="no bundle folder 'nowhere'"):
        Bundle.load(tmp_path / "nowhere")
    with pytest.raises(BundleError, match="No bundle is shipped for 'hair'"):
        shipped("hair")


def test_a_manifest_that_is_not_json_is_refused(copy: Path) -> None:
    (copy / MANIFEST).write_text("{")
    with pytest.raises(BundleError, match="not readable"):
        Bundle.load(copy)


def _set(**values: object) -> Callable[[dict[str, Any]], None]:
    return lambda manifest: manifest.update(values)


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (_set(preprocess_hash="0" * 64), "another preprocessing"),
        (_set(format=99), "bundle format is 99"),
        (_set(labels=["mel", "mel"]), "repeated"),
        (_set(harmful=["wart"]), "not among the labels"),
        (_set(labels=["mel", "bcc", "akiec", "nv", "bkl", "df"]), "one for each label"),
        (_set(temperature=0), "make no sense"),
        (_set(r95=0.1, r99=0.2), "make no sense"),
        (_set(threshold=1.5), "threshold 1.5"),
        (_set(fields=[1.0, 0.0]), "fields"),
        (_set(fields=[]), "fields"),
        (_set(fields=["whole"]), "lacks or misnames"),
        (_set(temperature="warm"), "lacks or misnames"),
        (_set(embedding_size=17), "centres"),
        (_set(surprise=1), "surprise"),
        (lambda manifest: manifest.pop("r95"), "r95"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(
    copy: Path, resign: Resign, edit: Callable[[dict[str, Any]], None], sentence: str
) -> None:
    resign(copy, edit)
    with pytest.raises(BundleError, match=sentence):
        Bundle.load(copy)


def test_a_manifest_cannot_reach_outside_its_folder(copy: Path) -> None:
    manifest = json.loads((copy / MANIFEST).read_text())
    manifest["sha256"]["../../secret"] = "0" * 64
    (copy / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="outside its folder"):
        Bundle.load(copy)


def test_statistics_that_are_not_numbers_are_refused(copy: Path, resign: Resign) -> None:
    path = copy / "statistics.npz"
    with np.load(path) as arrays:
        spoiled = dict(arrays)
    spoiled["gate_bias"] = np.full(3, np.nan, np.float32)
    np.savez(path, **spoiled)
    resign(copy)
    with pytest.raises(BundleError, match="gate_bias"):
        Bundle.load(copy)
    path.write_bytes(b"no arrays")
    resign(copy)
    with pytest.raises(BundleError, match="statistics"):
        Bundle.load(copy)


def test_a_network_that_is_no_network_is_refused(copy: Path, resign: Resign) -> None:
    (copy / "model.tflite").write_bytes(b"not a network" * 1000)
    resign(copy)
    bundle = Bundle.load(copy)
    with pytest.raises(BundleError, match="cannot be loaded"):
        open_predictor(bundle, "cpu")


def test_a_network_of_another_shape_is_refused(bundle: Bundle) -> None:
    from mlservice.engine.litert_predictor import LitertPredictor

    size = bundle.manifest.embedding_size
    with pytest.raises(BundleError, match="takes"):
        LitertPredictor(bundle.litert_path, 192, 7, size)
    with pytest.raises(BundleError, match="logits"):
        LitertPredictor(bundle.litert_path, bundle.side, 6, size)
    with pytest.raises(BundleError, match="embedding"):
        LitertPredictor(bundle.litert_path, bundle.side, 7, 64)


def _largest_weights(network: Path) -> bytes:
    interpreter = Interpreter(str(network))
    interpreter.allocate_tensors()
    content, found = network.read_bytes(), b""
    for tensor in interpreter.get_tensor_details():
        if len(tensor["shape"]) in (2, 4) and np.prod(tensor["shape"]) > 10_000:
            with contextlib.suppress(ValueError):  # an activation, which nothing has computed
                values = interpreter.get_tensor(tensor["index"]).tobytes()
                if len(values) > len(found) and values in content:
                    found = values
    return found


def test_weights_that_are_not_numbers_fail_the_golden_pictures(copy: Path, resign: Resign) -> None:
    """A well-formed, correctly signed network full of NaN."""
    network = copy / "model.tflite"
    content, kernel = network.read_bytes(), _largest_weights(network)
    assert content.count(kernel) == 1
    nan = np.full(len(kernel) // 4, np.nan, "<f4").tobytes()
    network.write_bytes(content.replace(kernel, nan))
    resign(copy)
    bundle = Bundle.load(copy)
    with pytest.raises(BundleError, match="golden"):
        check_golden(bundle, open_predictor(bundle, "cpu"))
