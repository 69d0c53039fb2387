"""Cross-validation: every picture is held once, no lesion on both sides, and it says how."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tqdm import tqdm

pytest.importorskip("tensorflow", reason="training needs TensorFlow, which is not installed here")

from training import features
from training.cli import main
from training.config import Config
from training.crossval import Cases, Fold, cross_validate, lesion_groups, make_folds, spread
from training.data import read_folder
from training.errors import TrainingError
from training.features import Backbone, feature_table, frozen_config
from training.head import train_head
from training.labels import pack_labels
from training.run import Material, open_material
from training.settings import applied

pytestmark = pytest.mark.usefixtures("soon_settled")
LABELS, HARMFUL = pack_labels("skin")
TINY = ["--arch", "tiny", "--side", "32"]


@pytest.fixture(scope="module")
def work(parted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(parted, tmp_path_factory.mktemp("work"), dirs_exist_ok=True))


@pytest.fixture(scope="module")
def material(drawn: Path, work: Path) -> Material:
    return open_material(drawn, work / "split.json", "skin", work / "cache")


@pytest.fixture(scope="module")
def cases(drawn: Path, work: Path) -> Cases:
    rows = read_folder(drawn, LABELS)
    return Cases.of(rows, lesion_groups(rows, work / "cache"), LABELS, HARMFUL)


@pytest.fixture
def crossval(
    drawn: Path, work: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., dict[str, Any]]:
    """The command's JSON."""

    def run(*options: str) -> dict[str, Any]:
        capsys.readouterr()
        command = ["crossval", str(drawn), "--work", str(work), "--json", *options]
        assert main(command) == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    return run


# --- Folds ---------------------------------------------------------------------------------------


def lesions(cases: Cases, positions: np.ndarray) -> set[str]:
    return {cases.rows[i].lesion_id for i in positions}


def test_every_picture_is_held_exactly_once(cases: Cases) -> None:
    held = np.concatenate([fold.held for fold in make_folds(cases, 5, seed=7)])
    assert sorted(held) == list(range(len(cases.rows)))


def test_no_lesion_is_on_two_sides_of_a_fold(cases: Cases) -> None:
    for fold in make_folds(cases, 5, seed=7):
        sides = [lesions(cases, part) for part in (fold.train, fold.temperature, fold.held)]
        assert sum(len(side) for side in sides) == len(set().union(*sides)) == 70
        assert sum(len(part) for part in (fold.train, fold.temperature, fold.held)) == 105


def test_every_fold_trains_and_judges_every_class(cases: Cases) -> None:
    for fold in make_folds(cases, 5, seed=7):
        for part in (fold.train, fold.temperature, fold.held):
            assert {cases.rows[i].dx for i in part} == set(LABELS)


def test_two_lesions_of_one_photograph_stay_together(few: Path, tmp_path: Path) -> None:
    """The same file under two lesions: one group, though two lesions."""
    shutil.copy(few / "images" / "mel_0_0.png", few / "images" / "mel_1_0.png")
    rows = read_folder(few, LABELS)
    groups = lesion_groups(rows, tmp_path / "cache")
    assert groups["mel_0_0"] == groups["mel_1_0"] == groups["mel_1_1"]
    assert groups["nv_0_0"] != groups["nv_1_0"]


def test_folds_are_of_groups_not_only_of_lesions(cases: Cases) -> None:
    """Two lesions joined are never parted, whichever way the dice fall."""
    pair = {"L_mel_0", "L_mel_1"}
    joined = tuple(
        "pair" if row.lesion_id in pair else group
        for row, group in zip(cases.rows, cases.groups, strict=True)
    )
    paired = Cases(cases.rows, cases.targets, joined, LABELS, HARMFUL)
    members = {i for i, group in enumerate(joined) if group == "pair"}
    for seed in range(5):
        for fold in make_folds(paired, 5, seed):
            for part in (fold.train, fold.temperature, fold.held):
                assert len(members & set(part.tolist())) in {0, len(members)}


def test_the_seed_decides_the_folds(cases: Cases) -> None:
    def held(seed: int) -> list[list[int]]:
        return [fold.held.tolist() for fold in make_folds(cases, 5, seed)]

    assert held(7) == held(7) != held(8)


@pytest.mark.parametrize(("k", "said"), [(11, "-k can be at most 10"), (1, "at least 2 folds")])
def test_too_many_folds_or_one_are_refused(cases: Cases, k: int, said: str) -> None:
    with pytest.raises(TrainingError, match=said):
        make_folds(cases, k, seed=7)


def test_a_class_too_small_for_any_folds_is_named(few: Path, tmp_path: Path) -> None:
    rows = read_folder(few, LABELS)
    cases = Cases.of(rows, lesion_groups(rows, tmp_path), LABELS, HARMFUL)
    with pytest.raises(TrainingError, match=r"class '\w+' has 2 lesions.*too few for any"):
        make_folds(cases, 2, seed=7)


# --- Numbers -------------------------------------------------------------------------------------


def test_the_spread_of_known_numbers() -> None:
    assert spread([0.5, 0.7, 0.6]) == {
        "mean": pytest.approx(0.6),
        "sd": pytest.approx(0.1),
        "min": 0.5,
        "max": 0.7,
        "folds": 3,
    }
    assert spread([0.5, None]) == {"mean": 0.5, "sd": None, "min": 0.5, "max": 0.5, "folds": 1}
    assert spread([None])["mean"] is None


def test_a_network_that_knows_is_perfect_and_the_temperature_comes_from_the_set_aside(
    cases: Cases,
) -> None:
    """Right but timid on the held pictures: the pictures set aside show how sure it may be."""

    def score(_: int, fold: Fold) -> tuple[np.ndarray, np.ndarray]:
        known = np.eye(len(LABELS), dtype=np.float32)
        aside, held = (known[cases.targets[part]] for part in (fold.temperature, fold.held))
        return aside[:, None], held[:, None]

    found = cross_validate(cases, make_folds(cases, 5, seed=7), score)
    for name in ("bmca", "accuracy", "macro_auc", "melanoma_auc", "malignancy_auc"):
        assert found["metrics"][name] == {"mean": 1, "sd": 0, "min": 1, "max": 1, "folds": 5}
    assert found["metrics"]["ece_raw"]["mean"] > 0.5
    assert found["metrics"]["ece"]["mean"] < 0.01
    assert all(fold["temperature"] < 0.2 for fold in found["folds"])
    assert sum(fold["n"] for fold in found["folds"]) == found["n"] == 105


# --- Frozen features -----------------------------------------------------------------------------


def table(material: Material, cache: Path, seed: int = 7) -> features.FeatureTable:
    backbone = Backbone("tiny", None, 32, seed)
    return feature_table(material.rows, LABELS, material.split.data_hash, backbone, cache)


def test_features_are_computed_once(
    material: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = table(material, tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(features, "build", None)  # whoever builds a network now fails
        again = table(material, tmp_path)
    np.testing.assert_array_equal(first.features, again.features)
    assert first.rows == tuple(sorted(material.rows, key=lambda row: row.image_id))
    other = table(material, tmp_path, seed=8)
    assert np.abs(first.features - other.features).max() > 0, "other weights, other features"


def test_features_of_a_stopped_computation_are_finished_not_read(
    material: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = table(material, tmp_path / "whole")
    monkeypatch.setattr(features, "CHUNK", 10)

    class Stopped(tqdm):  # type: ignore[misc]  # tqdm ships no types
        def update(self, n: float = 1) -> None:
            super().update(n)
            if self.n >= 50:
                raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(features, "tqdm", Stopped)
        with pytest.raises(KeyboardInterrupt):
            table(material, tmp_path / "half")
    assert not list((tmp_path / "half").glob("features-*.npy"))
    [part] = (tmp_path / "half").glob("features-*.part")
    done = ~np.isnan(np.load(part)).any(axis=1)
    assert done.sum() == 50
    np.testing.assert_allclose(table(material, tmp_path / "half").features, whole.features)
    assert not part.exists()


def test_a_part_file_that_is_no_array_is_begun_anew(material: Material, tmp_path: Path) -> None:
    whole = table(material, tmp_path)
    [path] = tmp_path.glob("features-*.npy")
    path.rename(path.with_suffix(".part")).write_bytes(b"\x93NUM")
    np.testing.assert_allclose(table(material, tmp_path).features, whole.features)


def test_the_head_learns_what_can_be_learnt_and_the_same_seed_gives_the_same(
    material: Material,
) -> None:
    targets = np.arange(210) % len(LABELS)
    values = np.eye(len(LABELS), dtype=np.float32)[targets]
    base = frozen_config(material.split, "skin", Backbone("tiny"))
    for hidden in (0, 16):
        settings = {"head_epochs": 40, "head_learning_rate": 0.05, "dropout": 0.0}
        config, options = applied(base, {**settings, "hidden": hidden})
        heads = [train_head(values, targets, config, **options) for _ in range(2)]
        one, other = (head.logits(values) for head in heads)
        np.testing.assert_array_equal(one, other)
        assert (one.argmax(1) == targets).all()


def test_the_share_of_the_prior_is_put_back(material: Material) -> None:
    """Blind features: what is left is how common a class is, by as much as is asked for."""
    targets = np.repeat(np.arange(len(LABELS)), [40, 10, 10, 10, 10, 10, 10])
    blind = np.zeros((len(targets), 3), np.float32)
    base = frozen_config(material.split, "skin", Backbone("tiny"))
    gaps = []
    for prior in (0.0, 1.0):
        config, _ = applied(base, {"head_epochs": 30, "label_smoothing": 0.0, "prior": prior})
        logits = train_head(blind, targets, config).logits(blind)[0]
        gaps.append(float(logits[0] - logits[1:].mean()))
    assert gaps[1] - gaps[0] == pytest.approx(np.log(4), abs=1e-5)


# --- The command ---------------------------------------------------------------------------------


def test_the_command_says_what_it_did(
    crossval: Callable[..., dict[str, Any]], work: Path, drawn: Path
) -> None:
    found = crossval(*TINY, "-k", "3")
    assert "over frozen features of tiny" in found["note"]
    assert "fine-tuning is not repeated per fold" in found["note"]
    split = json.loads((work / "split.json").read_text())
    assert found["n"] == 105 - len(split["parts"]["test"]), "the test part stays closed"
    assert found["split_hash"] == split["hash"]
    assert len(found["folds"]) == found["k"] == 3
    for numbers in (*found["metrics"].values(), *found["recall"].values()):
        assert set(numbers) == {"mean", "sd", "min", "max", "folds"}
        assert numbers["min"] <= numbers["mean"] <= numbers["max"]
    assert set(found["recall"]) == set(LABELS)
    for name in ("bmca", "accuracy", "macro_auc", "melanoma_auc", "malignancy_auc", "ece"):
        assert name in found["metrics"]


def test_the_same_seed_gives_the_same_numbers(crossval: Callable[..., dict[str, Any]]) -> None:
    assert crossval(*TINY, "-k", "2") == crossval(*TINY, "-k", "2")


def test_the_table_says_it_too(drawn: Path, work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["crossval", str(drawn), "--work", str(work), *TINY, "-k", "2"]) == 0
    printed = capsys.readouterr().out
    assert "over frozen features of tiny (random weights)" in printed
    assert "recall mel" in printed


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["-k", "40"], "-k can be at most"),
        (["--arch", "cubist"], "'cubist' is not one of"),
        (["--arch", "mobilenet_v2", "--weights", "none.h5"], "none.h5"),
        (["--settings", "none.json"], "none.json"),
        (["--full", "run"], "no --arch"),
    ],
)
def test_what_cannot_be_done_is_named(
    drawn: Path, work: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    assert main(["crossval", str(drawn), "--work", str(work), *TINY, *options]) == 2
    assert said in capsys.readouterr().err


@pytest.fixture(scope="module")
def whole_run(drawn: Path, work: Path, soon_settled: None) -> Path:
    run = work / "run"
    small = [*TINY, "--train-side", "32", "--epochs", "1", "--batch", "16"]
    assert main(["fit", str(drawn), "--work", str(work), "--run", str(run), *small]) == 0
    return run


def test_a_whole_run_is_repeated_in_every_fold(
    crossval: Callable[..., dict[str, Any]], work: Path, whole_run: Path
) -> None:
    """Fine-tuning in each fold, without the test part, and a fold that is done is not redone."""
    found = crossval("--full", str(whole_run), "-k", "2")
    assert "whole training of run is repeated" in found["note"]
    assert found["metrics"]["bmca"]["folds"] == 2
    folds = sorted((work / "crossval-run-2-7").glob("fold-*"))
    assert [fold.name for fold in folds] == ["fold-0", "fold-1"]
    configs = [json.loads((fold / "config.json").read_text()) for fold in folds]
    assert configs[0]["split_hash"] != configs[1]["split_hash"]
    assert {config["epochs"] for config in configs} == {1}


def test_a_run_that_goes_on_from_another_is_not_repeated(
    drawn: Path, work: Path, whole_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    replace(Config.load(whole_run), started_from="0" * 64).save(work / "two")
    capsys.readouterr()
    command = ["crossval", str(drawn), "--work", str(work), "-k", "2"]
    assert main([*command, "--full", str(work / "two")]) == 2
    assert "goes on from another one" in capsys.readouterr().err
    replace(Config.load(whole_run), teachers=("0" * 64,)).save(work / "two")
    assert main([*command, "--full", str(work / "two")]) == 2
    assert "had teachers" in capsys.readouterr().err
