"""Fitting on a few dozen drawings: what trains, what is only watched, and going on after a kill."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="training needs TensorFlow, which is not installed here")

import keras

from mlservice.engine.bundle import file_sha256
from training import finetune
from training.cli import main
from training.config import Config
from training.earlier import load_network
from training.errors import LeakError, TrainingError
from training.fit import Part, TaughtCrossEntropy, batches, drawing_shares, mixed
from training.network import build, norms, rescale_norms, settle_norms
from training.operating import log_prior, put_prior_back
from training.run import open_further, open_material

pytestmark = pytest.mark.usefixtures("soon_settled")
SMALL = [
    *("--arch", "tiny", "--side", "64", "--train-side", "32"),
    *("--batch", "16", "--head-epochs", "8"),
]
GROWING = ["--train-side", "32", "64@2", "--epochs", "4"]
TEACHING = ["--epochs", "3", "--teach"]


@pytest.fixture(scope="module")
def work(parted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(parted, tmp_path_factory.mktemp("work"), dirs_exist_ok=True))


def fit(drawn: Path, work: Path, name: str, *more: str) -> Path:
    run = work / name
    arguments = ["fit", str(drawn), "--work", str(work), "--run", str(run), *SMALL, *more]
    assert main(arguments) == 0
    return run


# A run takes ten seconds. These are finished and only looked at; who changes one takes a copy.


@pytest.fixture(scope="module")
def plain(drawn: Path, work: Path, soon_settled: None) -> Path:
    return fit(drawn, work, "plain", "--epochs", "2")


@pytest.fixture(scope="module")
def another_seed(drawn: Path, work: Path, soon_settled: None) -> Path:
    return fit(drawn, work, "another-seed", "--epochs", "2", "--seed", "8")


@pytest.fixture(scope="module")
def grown(drawn: Path, work: Path, soon_settled: None) -> Path:
    return fit(drawn, work, "grown", *GROWING)


@pytest.fixture(scope="module")
def everything(drawn: Path, work: Path, soon_settled: None) -> Path:
    """Trained on the validation part too."""
    return fit(drawn, work, "sees-more", "--epochs", "1", "--with-validation")


@pytest.fixture(scope="module")
def taught(drawn: Path, work: Path, plain: Path, another_seed: Path) -> Path:
    masters = ["--teacher", str(plain), str(another_seed)]
    return fit(drawn, work, "taught", *masters, *TEACHING, "0.5")


def weights(run: Path) -> list[np.ndarray]:
    found: list[np.ndarray] = load_network(run, Config.load(run)).get_weights()
    return found


def history(run: Path) -> list[dict[str, Any]]:
    noted: list[dict[str, Any]] = json.loads((run / "history.json").read_text())
    return noted


def die_after(epoch: int) -> Callable[..., None]:
    """What a kill does to :class:`finetune._Watch` at the end of ``epoch``, counted from 0."""
    kept = finetune._Watch.on_epoch_end

    def on_epoch_end(self: Any, at: int, logs: Any = None) -> None:
        if at == epoch:
            raise KeyboardInterrupt
        kept(self, at, logs)

    return on_epoch_end


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(
    drawn: Path, work: Path, plain: Path, another_seed: Path
) -> None:
    one, other = weights(plain), weights(fit(drawn, work, "again", "--epochs", "2"))
    for first, second in zip(one, other, strict=True):
        np.testing.assert_array_equal(first, second)
    third = weights(another_seed)
    assert any(not np.array_equal(a, b) for a, b in zip(one, third, strict=True))


def test_views_grow_and_every_epoch_is_noted(grown: Path) -> None:
    noted = history(grown)
    assert [entry["side"] for entry in noted] == [32, 32, 64, 64]
    assert [entry["epoch"] for entry in noted] == [1, 2, 3, 4]
    assert all(0 <= entry["bmca"] <= 1 and np.isfinite(entry["loss"]) for entry in noted)


@pytest.mark.parametrize("epoch", [1, 2])
def test_killed_while_the_views_are_small_or_as_they_grow_it_ends_the_same(
    drawn: Path, work: Path, grown: Path, monkeypatch: pytest.MonkeyPatch, epoch: int
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(finetune._Watch, "on_epoch_end", die_after(epoch))
        with pytest.raises(KeyboardInterrupt):
            fit(drawn, work, f"killed{epoch}", *GROWING)
    again = fit(drawn, work, f"killed{epoch}", *GROWING)
    assert [e["epoch"] for e in history(again)] == [1, 2, 3, 4]
    for first, second in zip(weights(grown), weights(again), strict=True):
        np.testing.assert_allclose(first, second, atol=1e-6)


def test_the_running_statistics_keep_up_with_the_weights() -> None:
    """MobileNetV2 as Keras makes it would be watched with statistics a thousand steps old."""
    network = build("mobilenet_v2", 7, None)
    assert norms(network)[0].momentum > 0.99
    finetune._trainee(network, config(), ())
    assert {layer.momentum for layer in norms(network)} == {finetune.MOMENTUM}


def test_killed_after_its_last_epoch_it_ends_the_same(drawn: Path, work: Path, plain: Path) -> None:
    run = Path(shutil.copytree(plain, work / "late"))
    (run / "network.weights.h5").unlink()
    fit(drawn, work, "late", "--epochs", "2")
    for first, second in zip(weights(plain), weights(run), strict=True):
        np.testing.assert_allclose(first, second, atol=1e-6)


def test_a_finished_run_is_trained_further_with_a_schedule_of_its_own(
    drawn: Path, work: Path, plain: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = weights(plain)
    further = fit(drawn, work, "further", "--from", str(plain), "--epochs", "1")
    config = Config.load(further)
    assert config.started_from == file_sha256(plain / "network.weights.h5")
    assert [entry["epoch"] for entry in history(further)] == [1]
    begun = build("tiny", 7, 64)
    begun.load_weights(further / "head.weights.h5")
    for own, there in zip(begun.get_weights(), before, strict=True):
        np.testing.assert_array_equal(own, there)
    assert any(not np.array_equal(a, b) for a, b in zip(before, weights(further), strict=True))

    arguments = ["fit", str(drawn), "--work", str(work), "--run", str(work / "no"), *SMALL]
    capsys.readouterr()
    assert main([*arguments, "--from", str(plain), "--arch", "custom"]) == 2
    assert "'plain' was made with another arch" in capsys.readouterr().err
    smaller = fit(drawn, work, "smaller", "--from", str(plain), "--epochs", "1", "--side", "32")
    assert (Config.load(plain).side, Config.load(smaller).side) == (64, 32)
    assert main([*arguments, "--from", str(work / "nowhere")]) == 2
    assert "'nowhere' is not a run" in capsys.readouterr().err.replace(str(work) + "/", "")
    assert not (work / "no").exists()
    with pytest.raises(SystemExit):
        main([*arguments, "--from", str(plain), "--weights", "none"])
    assert "not allowed with argument" in capsys.readouterr().err


def test_a_run_learns_what_its_teachers_say_of_the_same_view(
    drawn: Path, work: Path, plain: Path, another_seed: Path, taught: Path
) -> None:
    masters = (plain, another_seed)
    before = [weights(master) for master in masters]
    given = ["--teacher", *map(str, masters), *TEACHING, "1"]
    whole = fit(drawn, work, "wholly-taught", *given)
    config = Config.load(whole)
    assert config.teachers == tuple(file_sha256(one / "network.weights.h5") for one in masters)
    assert (config.teach, Config.load(taught).teach, Config.load(plain).teach) == (1.0, 0.5, 0.0)
    for master, old in zip(masters, before, strict=True):
        for own, there in zip(old, weights(master), strict=True):
            np.testing.assert_array_equal(own, there)
    assert any(
        not np.array_equal(a, b) for a, b in zip(*map(weights, (taught, whole)), strict=True)
    )


def test_killed_while_it_is_taught_it_ends_the_same(
    drawn: Path,
    work: Path,
    plain: Path,
    another_seed: Path,
    taught: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = ["--teacher", str(plain), str(another_seed), *TEACHING, "0.5"]
    with monkeypatch.context() as patched:
        patched.setattr(finetune._Watch, "on_epoch_end", die_after(1))
        with pytest.raises(KeyboardInterrupt):
            fit(drawn, work, "taught-killed", *given)
    again = fit(drawn, work, "taught-killed", *given)
    assert [entry["epoch"] for entry in history(again)] == [1, 2, 3]
    for first, second in zip(weights(taught), weights(again), strict=True):
        np.testing.assert_allclose(first, second, atol=1e-6)


def test_what_a_run_may_not_build_on_is_refused(
    drawn: Path, work: Path, everything: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["fit", str(drawn), "--work", str(work), "--run", str(work / "no"), *SMALL]
    knowing, unfinished = str(everything), work / "unfinished"
    replace(Config.load(everything), parts=("fit",)).save(unfinished)
    for options, said in (
        (["--teacher", knowing], "'sees-more' saw pictures that are not to train here"),
        (["--from", knowing], "'sees-more' saw pictures that are not to train here"),
        (["--teacher", str(unfinished)], "its training never finished"),
        (["--teacher", str(work / "nowhere")], "is not a run"),
        (["--with-validation", "--teacher", knowing, "--frozen"], "Teachers need fine-tuning"),
        (["--teach", "0.5"], "--teach needs a --teacher"),
    ):
        capsys.readouterr()
        assert main([*arguments, *options]) == 2
        assert said in capsys.readouterr().err
        assert not (work / "no").exists()
    with pytest.raises(SystemExit):
        main([*arguments, "--teacher", knowing, "--teach", "1.5"])
    assert "1.5 is not a share" in capsys.readouterr().err


def test_a_taught_label_is_part_the_teachers_word() -> None:
    config = Config("skin", ("a", "b", "c"), ("a",), "", "", 1, label_smoothing=0.1, teach=0.75)
    shares = np.array([0.2, 0.3, 0.5], np.float32)
    rng = np.random.default_rng(4)
    own, taught = rng.normal(size=(2, 6, 3))
    truth = np.eye(3)[[0, 1, 2, 0, 1, 2]]

    def shifted(logits: np.ndarray) -> np.ndarray:
        raised = np.exp(logits) * shares
        found: np.ndarray = raised / raised.sum(1, keepdims=True)
        return found

    wanted = 0.25 * (0.9 * truth + 0.1 / 3) + 0.75 * shifted(taught)
    expected = -(wanted * np.log(shifted(own))).sum(1).mean()
    found = TaughtCrossEntropy(shares, config)(
        truth.astype(np.float32), np.hstack([own, taught]).astype(np.float32)
    )
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_shorter_arithmetic_trains_weights_of_full_length(
    drawn: Path, work: Path, plain: Path
) -> None:
    short = fit(drawn, work, "short", "--epochs", "2", "--precision", "mixed_bfloat16")
    assert keras.config.dtype_policy().name == "float32"
    found = weights(short)
    assert {weight.dtype for weight in found} == {np.dtype(np.float32)}
    full = weights(plain)
    assert any(not np.array_equal(a, b) for a, b in zip(found, full, strict=True))
    for one, other in zip(found, full, strict=True):
        np.testing.assert_allclose(one, other, atol=0.2)


def test_killed_while_it_writes_an_epoch_it_goes_on_from_the_one_before(
    drawn: Path, work: Path, plain: Path
) -> None:
    run = Path(shutil.copytree(plain, work / "torn"))
    (run / "network.weights.h5").unlink()
    latest = run / finetune.BACKUP / "latest.weights.h5"
    latest.write_bytes(latest.read_bytes()[:1000])
    fit(drawn, work, "torn", "--epochs", "2")
    for first, second in zip(weights(plain), weights(run), strict=True):
        np.testing.assert_allclose(first, second, atol=1e-6)


def test_it_stops_early_and_keeps_the_best_epoch(
    drawn: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scores fall after the second epoch: with patience 2 the fourth is the last."""
    scores = iter([0.2, 0.6, 0.5, 0.4, 0.9])
    kept: list[list[np.ndarray]] = []

    def score(truth: object, guesses: object, **more: object) -> float:
        return next(scores)

    saved = keras.Model.save_weights

    def save(self: Any, filepath: Any, **more: Any) -> None:
        if Path(filepath).name == finetune.BEST:
            kept.append(self.get_weights())
        saved(self, filepath, **more)

    monkeypatch.setattr(finetune, "recall_score", score)
    monkeypatch.setattr(keras.Model, "save_weights", save)
    options = ("--epochs", "9", "--patience", "2", "--norms", "held")
    run = fit(drawn, work, "early", *options)
    assert len(history(run)) == 4
    assert len(kept) == 2, "the first epoch and the better second"
    best = build("tiny", 7, None)
    best.load_weights(run / finetune.BEST)
    kernel, found = (np.asarray(each[0]) for each in (best.get_weights(), weights(run)))
    np.testing.assert_array_equal(kernel, found)
    np.testing.assert_array_equal(kernel, kept[-1][0])


def test_the_validation_part_may_train_once_settings_are_chosen(
    drawn: Path, work: Path, everything: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert Config.load(everything).parts == ("fit", "validation")
    assert "bmca" not in history(everything)[0], "what trains cannot judge"
    capsys.readouterr()
    arguments = ["fit", str(drawn), "--work", str(work), "--run", str(work / "x"), *SMALL]
    assert main([*arguments, "--with-validation", "--patience", "3"]) == 2
    assert "validation part" in capsys.readouterr().err


def test_a_further_folder_trains_but_for_its_own_test_part(
    drawn: Path, further: Path, work: Path
) -> None:
    run = fit(drawn, work, "also", "--epochs", "1", "--also", str(further))
    material = open_material(drawn, work / "split.json", "skin", work / "cache")
    other = open_further(further, material)
    assert Config.load(run).also == ((further.name, other.split.data_hash),)
    assert other.rows_of("test")


def test_a_further_folder_that_shows_a_held_lesion_is_refused(drawn: Path, work: Path) -> None:
    material = open_material(drawn, work / "split.json", "skin", work / "cache")
    with pytest.raises(LeakError):
        open_further(drawn, material)


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "not a configuration"), ('{"arch": "tiny"}', "missing"), ('{"colour": 1}', "colour")],
)
def test_a_damaged_configuration_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(TrainingError, match=said):
        Config.load(tmp_path)
    with pytest.raises(TrainingError, match="is not a run"):
        Config.load(tmp_path / "nowhere")


def test_a_view_side_must_fit_the_network(drawn: Path, work: Path) -> None:
    with pytest.raises(SystemExit):
        main(["fit", str(drawn), "--work", str(work), "--train-side", "100"])


def part_of(counts: Sequence[int]) -> Part:
    targets = np.repeat(np.arange(len(counts)), counts)
    pictures = np.repeat(targets[:, None], 8 * 8 * 3, 1).reshape(-1, 8, 8, 3).astype(np.uint8)
    return Part(pictures * 30, targets)


def config(**options: Any) -> Config:
    labels = ("a", "b", "c")
    return Config("skin", labels, ("a",), "data", "split", seed=1, batch=60, **options)


def test_rare_classes_are_drawn_by_the_root_of_their_size() -> None:
    part = part_of([400, 100, 25])
    shares = drawing_shares(part.targets, ("a", "b", "c"), 0.5)
    np.testing.assert_allclose(shares, [20 / 35, 10 / 35, 5 / 35], rtol=1e-6)
    views = batches(part, shares, config(), 8)
    drawn = sum(next(views)[1].sum(0) for _ in range(50)) / 3000
    np.testing.assert_allclose(drawn, shares, atol=0.04)


def test_a_resumed_run_draws_the_batches_it_would_have_drawn() -> None:
    part = part_of([40, 10, 5])
    shares = drawing_shares(part.targets, ("a", "b", "c"), 0.5)
    whole = batches(part, shares, config(), 8)
    for _ in range(7):
        next(whole)
    later = batches(part, shares, config(), 8, first=7)
    for one, other in zip(next(whole), next(later), strict=True):
        np.testing.assert_array_equal(one, other)


def test_blended_views_keep_most_of_themselves_and_share_their_labels_alike() -> None:
    part = part_of([40, 40, 40])
    shares = drawing_shares(part.targets, ("a", "b", "c"), 0.5)
    views, truth = next(batches(part, shares, config(mix=0.4), 8))
    np.testing.assert_allclose(truth.sum(1), 1, rtol=1e-6)
    assert (truth.max(1) >= 0.5).all()
    assert ((truth > 0).sum(1) == 2).any(), "some hold two classes"
    again, told = next(batches(part, shares, config(mix=0.4), 8))
    np.testing.assert_array_equal(views, again)
    np.testing.assert_array_equal(truth, told)

    rng = np.random.default_rng(3)
    pixels = np.repeat(np.array([0, 100], np.float32)[:, None, None, None], 3, axis=3)
    blended, labels = mixed(pixels, np.eye(2, dtype=np.float32), 0.4, rng)
    np.testing.assert_allclose(blended[:, 0, 0, 0], 100 * labels[:, 1], atol=1e-4)


def test_the_prior_goes_back_into_the_bias() -> None:
    network = build("tiny", 3, 32)
    before = network.get_layer("logits").get_weights()[1]
    put_prior_back(network, 0.5, log_prior(np.repeat([0, 1, 2], [70, 20, 10]), ("a", "b", "c")))
    after = network.get_layer("logits").get_weights()[1]
    np.testing.assert_allclose(after - before, 0.5 * np.log([0.7, 0.2, 0.1]), rtol=1e-5)


def pictures(n: int, side: int = 32) -> np.ndarray:
    return np.random.default_rng(4).integers(0, 255, (n, side, side, 3)).astype(np.uint8)


def test_rescaled_norms_compute_the_same_and_know_what_they_meet() -> None:
    network, seen = build("tiny", 3, 32), pictures(24)
    before = network.predict_on_batch(seen.astype(np.float32))["logits"]
    rescale_norms(network, seen)
    after = network.predict_on_batch(seen.astype(np.float32))["logits"]
    np.testing.assert_allclose(before, after, atol=1e-4)
    mean = norms(network)[0].get_weights()[2]
    assert np.abs(mean).max() > 0, "the statistics are the pictures' own"
    live = np.asarray(network(seen.astype(np.float32), training=True)["logits"])
    np.testing.assert_allclose(live, after, atol=0.05)


def test_settled_norms_are_the_mean_over_the_batches() -> None:
    network = build("tiny", 3, 32)
    one, two = pictures(8).astype(np.float32), 255 - pictures(8).astype(np.float32)
    first = norms(network)[0]
    momentum = first.momentum
    settle_norms(network, [one, two])
    probe = keras.Model(network.input, first.input)
    means = [probe.predict_on_batch(batch).mean((0, 1, 2)) for batch in (one, two)]
    np.testing.assert_allclose(first.get_weights()[2], np.mean(means, 0), atol=1e-4)
    assert first.momentum == momentum
