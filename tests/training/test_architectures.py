"""Every architecture trains, explains itself exactly, and starts from the right weights or none."""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from collections.abc import Callable
from functools import partialmethod
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from mlservice.engine import prepare
from training import finetune
from training.architectures import (
    ARCHITECTURES,
    Architecture,
    check_side,
    choose_weights,
    take_weights,
)
from training.cli import main
from training.config import Config
from training.errors import TrainingError
from training.finetune import fine_tune
from training.fit import Part
from training.network import build
from training.pretrained import download

LABELS = ("mel", "bcc")
SMALL = "mobilenet_v3_small"  # the quickest of keras.applications
Prepared = Callable[[np.ndarray], np.ndarray]
PREPARED: dict[str, Prepared] = {
    "mobilenet_v2": keras.applications.mobilenet_v2.preprocess_input,
    "mobilenet_v3_small": keras.applications.mobilenet_v3.preprocess_input,
    "resnet50": keras.applications.resnet50.preprocess_input,
    "vgg16": keras.applications.vgg16.preprocess_input,
    "inception_v3": keras.applications.inception_v3.preprocess_input,
    "efficientnet_v2b0": keras.applications.efficientnet_v2.preprocess_input,
}

INSIDE = ("mobilenet_v3_small", "efficientnet_v2b0")  # keras.applications normalises itself


def noise(pictures: int, side: int) -> np.ndarray:
    made = np.random.default_rng(3).integers(0, 256, (pictures, side, side, 3))
    return made.astype(np.uint8)


def body_of(network: keras.Model) -> keras.Model:
    return keras.Model(network.input, network.output["feature_map"])


def seen(network: keras.Model, pixels: np.ndarray) -> dict[str, np.ndarray]:
    """What it says in inference; layer by layer, for compiling takes longer than this."""
    found = network(pixels.astype(np.float32), training=False)
    return {name: keras.ops.convert_to_numpy(found[name]) for name in found}


def awake(network: keras.Model) -> keras.Model:
    """With the statistics of noise: a deep network of random weights says nothing but zero."""
    layers = [x for x in network.layers if isinstance(x, keras.layers.BatchNormalization)]
    for layer in layers:
        layer.momentum = 0.0
    network(noise(4, 96).astype(np.float32), training=True)
    return network


@pytest.fixture(scope="module", params=list(ARCHITECTURES))
def arch(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def network(arch: str) -> keras.Model:
    """From random weights, for two labels and pictures of any side."""
    keras.utils.set_random_seed(1)
    return build(arch, len(LABELS), None)


# --- Each of them --------------------------------------------------------------------------------


def test_one_pass_gives_scores_embedding_and_a_map_that_explains_the_scores(
    arch: str, network: keras.Model
) -> None:
    side = 96
    found = seen(network, noise(2, side))
    maps = found["feature_map"]
    cells = maps.shape[1]
    assert maps.shape == (2, cells, cells, found["embedding"].shape[1])
    assert found["logits"].shape == (2, len(LABELS))
    np.testing.assert_allclose(found["embedding"], maps.mean((1, 2)), rtol=1e-4, atol=1e-6)
    kernel, bias = network.get_layer("logits").get_weights()
    explained = (maps @ kernel).mean((1, 2)) + bias
    np.testing.assert_allclose(found["logits"], explained, rtol=1e-4, atol=1e-6)


def test_normalisation_is_inside_and_the_one_the_network_knows(
    arch: str, network: keras.Model
) -> None:
    pixels = noise(2, 32).astype(np.float32)
    if arch in INSIDE:
        assert PREPARED[arch](pixels) is pixels
        kinds = [type(layer) for layer in network.layers[:2]]
        assert kinds == [keras.layers.InputLayer, keras.layers.Rescaling]
        return
    expected = PREPARED[arch](pixels.copy()) if arch in PREPARED else pixels / 127.5 - 1
    if arch == "efficientnet_lite0":
        expected = pixels - 127
    normalise = keras.Model(network.input, network.get_layer("normalise").output)
    found = keras.ops.convert_to_numpy(normalise(pixels))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_one_real_step_from_random_weights(
    arch: str, network: keras.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fine-tuning as `fit` does it, two steps long: at the first the learning rate is zero."""
    monkeypatch.setattr(finetune, "SETTLING", 1)
    # Not compiled: that takes the deep ones longer than many steps, and the tiny one is elsewhere.
    eager = partialmethod(keras.Model.compile, run_eagerly=True)
    monkeypatch.setattr(keras.Model, "compile", eager)
    side = ARCHITECTURES[arch].least_side
    config = Config(
        pack="skin",
        labels=LABELS,
        harmful=LABELS,
        data_hash="",
        split_hash="",
        seed=7,
        arch=arch,
        side=side,
        train_sides=((0, side),),
        epochs=1,
        batch=4,
        weight_decay=0.0,  # so that only a gradient moves a weight
        ema=0.5,
    )
    part = Part(noise(8, side), np.arange(8) % 2)
    before = network.get_weights()
    fine_tune(network, part, config, tmp_path, None)
    [epoch] = json.loads((tmp_path / "history.json").read_text())
    assert np.isfinite(epoch["loss"])
    after = network.get_weights()
    assert all(np.isfinite(weight).all() for weight in after)
    kernels = [i for i, weight in enumerate(before) if weight.ndim > 1]
    still = [i for i in kernels if np.array_equal(before[i], after[i])]
    assert kernels
    assert not still, "no gradient reaches some of the kernels"


def test_the_ones_we_may_ship_are_small() -> None:
    chosen = ("custom", "mobilenet_v2", "efficientnet_lite0", SMALL)
    sizes = {name: body_of(build(name, 7, 96)).count_params() for name in chosen}
    table = "\n".join(f"{name:20} {size:>10,} weights" for name, size in sizes.items())
    sys.stdout.write(table + "\n")
    assert max(sizes.values()) <= 4_000_000, table
    assert sizes["custom"] <= 2_000_000, table


@pytest.mark.parametrize("arch", ["custom", "tiny", SMALL])
def test_what_is_served_is_what_was_trained(arch: str, tmp_path: Path) -> None:
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    network = awake(build(arch, 7, 96))
    pixels = noise(1, 96).astype(np.float32)
    expected = seen(network, pixels)
    path = tmp_path / "model.tflite"
    one = keras.InputSpec(shape=(1, 96, 96, 3), dtype="float32", name="picture")
    network.export(str(path), format="litert", input_signature=[one], verbose=False)
    served = litert.Interpreter(model_path=str(path)).get_signature_runner()
    found = served(picture=pixels)
    assert np.abs(expected["logits"]).max() > 0.01, "nothing to compare"
    for name in ("logits", "embedding"):
        np.testing.assert_allclose(found[name], expected[name], atol=1e-4)


@pytest.mark.parametrize(("arch", "side"), [("inception_v3", 64), ("custom", 100), ("vgg16", 0)])
def test_a_side_the_network_cannot_take_is_named(arch: str, side: int) -> None:
    with pytest.raises(TrainingError, match=f"{arch}.*not {side}"):
        check_side(arch, side)


# --- Where the weights come from -----------------------------------------------------------------


def test_what_weights_means(tmp_path: Path) -> None:
    file = tmp_path / "a.weights.h5"
    file.touch()
    assert choose_weights("resnet50", None) == "imagenet"
    assert choose_weights("resnet50", "imagenet") == "imagenet"
    assert choose_weights("resnet50", "none") is None
    assert choose_weights("efficientnet_lite0", str(file)) == file
    assert choose_weights("custom", None) is None
    assert choose_weights("tiny", "none") is None


@pytest.mark.parametrize(
    ("arch", "given", "said"),
    [
        ("custom", "a.h5", "'custom' starts from random weights"),
        ("tiny", "imagenet", "'tiny' starts from random weights"),
        ("efficientnet_lite0", None, "give --weights PATH, or --weights none"),
        ("efficientnet_lite0", "imagenet", "no weights to download"),
        ("resnet50", "nowhere.h5", "no weights file 'nowhere.h5'"),
        ("cubist", None, "'cubist' is not one of"),
    ],
)
def test_weights_that_there_cannot_be(arch: str, given: str | None, said: str) -> None:
    with pytest.raises(TrainingError, match=said):
        choose_weights(arch, given)


def test_without_a_network_fit_says_what_to_do_and_leaves_nothing_behind(
    drawn: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def unreachable(**_: object) -> keras.Model:
        keras.utils.get_file("w.h5", "https://weights.invalid/w.h5", cache_dir=str(tmp_path))

    entry = Architecture(ARCHITECTURES["tiny"].body, source=unreachable)
    monkeypatch.setitem(ARCHITECTURES, "remote", entry)
    assert main(["split", str(drawn), "--work", str(tmp_path)]) == 0
    run, began = tmp_path / "run", time.monotonic()
    fit = ["fit", str(drawn), "--work", str(tmp_path), "--run", str(run), "--arch", "remote"]
    assert main(fit) == 2
    said = capsys.readouterr().err
    for part in ("'remote' could not be downloaded", "--weights PATH", "--weights none"):
        assert part in said
    assert not run.exists(), "it could not be begun again with --weights none"
    assert time.monotonic() - began < 60


def test_what_keras_downloads_becomes_the_bodys_weights() -> None:
    def source(weights: str | None, include_top: bool, input_shape: Any) -> keras.Model:
        assert weights == "imagenet"
        return keras.applications.MobileNetV3Small(
            weights=None, include_top=include_top, input_shape=input_shape
        )

    body = body_of(build(SMALL, 1, None))
    keras.utils.set_random_seed(5)
    download(SMALL, body, source)
    keras.utils.set_random_seed(5)
    expected = source("imagenet", False, (224, 224, 3))
    for found, wanted in zip(body.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("name", ["own.weights.h5", "theirs.weights.h5", "theirs.keras"])
def test_files_of_ours_and_of_keras_are_read(name: str, tmp_path: Path) -> None:
    """Ours hold the dense layer too; Keras's know nothing of our normalisation."""
    path = tmp_path / name
    if name.startswith("own"):
        saved = build(SMALL, 7, 64)
        body = body_of(saved)
    else:
        saved = body = keras.applications.MobileNetV3Small(
            weights=None, include_top=False, input_shape=(None, None, 3)
        )
    saved.save(path) if path.suffix == ".keras" else saved.save_weights(path)
    found = body_of(build(SMALL, 7, 64, path))
    for one, other in zip(found.get_weights(), body.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture(scope="module")
def other_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "other.weights.h5"
    build("custom", 7, 64).save_weights(path)
    return path


@pytest.mark.parametrize("arch", [SMALL, "efficientnet_lite0"])
def test_the_weights_of_another_architecture_are_refused(arch: str, other_file: Path) -> None:
    with pytest.raises(
        TrainingError, match=rf"'other.weights.h5' does not hold weights of '{arch}"
    ):
        take_weights(arch, body_of(build(arch, 7, None)), other_file)


@pytest.mark.parametrize("name", ["a.weights.h5", "a.keras", "a.h5", "a.npz", "a.pt"])
@pytest.mark.parametrize("content", [b"", b"not weights at all"])
def test_a_file_that_holds_no_weights_is_refused(
    name: str, content: bytes, tmp_path: Path, small_body: keras.Model
) -> None:
    (tmp_path / name).write_bytes(content)
    arch = "efficientnet_lite0" if name.endswith(".npz") else SMALL
    with pytest.raises(TrainingError, match=f"'{name}' does not hold weights of '{arch}'"):
        take_weights(arch, small_body, tmp_path / name)


@pytest.fixture(scope="module")
def small_body() -> keras.Model:
    return body_of(build(SMALL, 7, None))


def test_a_weight_that_is_missing_or_not_a_number_is_noticed(
    tmp_path: Path, small_body: keras.Model
) -> None:
    path = tmp_path / "spoilt.weights.h5"
    body_of(build(SMALL, 7, 64)).save_weights(path)
    take_weights(SMALL, small_body, path)
    with h5py.File(path, "r+") as opened:
        opened["layers/conv2d/vars/0"][0, 0, 0, 0] = np.nan
    with pytest.raises(TrainingError, match="not finite"):
        take_weights(SMALL, small_body, path)
    with h5py.File(path, "r+") as opened:
        del opened["layers/conv2d_1"]
    with pytest.raises(TrainingError, match=r"spoilt\.weights\.h5"):
        take_weights(SMALL, small_body, path)


def test_a_configuration_from_before_downloads_is_still_read(tmp_path: Path) -> None:
    config = Config("skin", LABELS, LABELS, "a", "b", 7, weights_sha256="c")
    config.save(tmp_path)
    path = tmp_path / "config.json"
    old = json.loads(path.read_text())
    assert old.pop("weights") is None
    path.write_text(json.dumps(old))
    assert Config.load(tmp_path) == config


def test_a_network_with_dropout_inside_goes_on_as_if_never_killed(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EfficientNetV2 has such; Keras's backup keeps no seed, so a resumed run would differ."""

    def dropping(pixels: keras.KerasTensor) -> keras.KerasTensor:
        return keras.layers.Dropout(0.5)(ARCHITECTURES["tiny"].body(pixels))

    monkeypatch.setitem(ARCHITECTURES, "dropping", Architecture(dropping, load=None))
    monkeypatch.setattr(finetune, "SETTLING", 2)
    work = ["--work", str(tmp_path)]
    assert main(["split", str(drawn), *work]) == 0
    fit = ["fit", str(drawn), *work, "--arch", "dropping", "--side", "32", "--train-side", "32"]
    fit += ["--epochs", "2", "--batch", "32"]
    whole, killed = (tmp_path / name for name in ("whole", "killed"))
    assert main([*fit, "--run", str(whole)]) == 0
    with monkeypatch.context() as patched:
        patched.setattr(finetune._Watch, "on_epoch_end", _die_in_the_second_epoch)
        with pytest.raises(KeyboardInterrupt):
            main([*fit, "--run", str(killed)])
    assert main([*fit, "--run", str(killed)]) == 0
    one, other = (build("dropping", 7, 32) for _ in range(2))
    one.load_weights(whole / "network.weights.h5")
    other.load_weights(killed / "network.weights.h5")
    for expected, found in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)


def _die_in_the_second_epoch(_: object, epoch: int, logs: object = None) -> None:
    if epoch == 1:
        raise KeyboardInterrupt


# --- The two real ones ---------------------------------------------------------------------------


def test_the_real_backbones_see_what_their_makers_networks_see(real_data: Path) -> None:
    backbones = real_data / "backbones"
    paths = sorted((real_data / "ham10000" / "images").iterdir())[:4]
    pixels = np.stack([prepare(path, 224) for path in paths]).astype(np.float32)
    maker = importlib.util.spec_from_file_location("maker", backbones / "build_backbone.py")
    assert maker is not None
    assert maker.loader is not None
    module = importlib.util.module_from_spec(maker)
    maker.loader.exec_module(module)
    lite = np.asarray(module.build("efficientnet_lite0_224")(pixels))
    theirs = keras.applications.MobileNetV2(weights=None, include_top=False, pooling="avg")
    mobile_file = backbones / "mobilenet_v2_1.0_224_no_top.weights.h5"
    theirs.load_weights(mobile_file)
    mobile = np.asarray(theirs(PREPARED["mobilenet_v2"](pixels.copy())))
    for arch, file, expected in (
        ("efficientnet_lite0", backbones / "efficientnet_lite0_224.npz", lite),
        ("mobilenet_v2", mobile_file, mobile),
    ):
        found = seen(build(arch, 7, 224, file), pixels)["embedding"]
        lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
        assert ((found * expected).sum(1) / lengths).min() > 0.99999
        np.testing.assert_allclose(found, expected, atol=1e-3)
