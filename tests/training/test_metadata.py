"""Do age, sex and site help? What is planted is found, noise is left out, the test part is shut."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from mlservice.engine import Bundle, shipped
from mlservice.engine.judging.judged import Doubles
from mlservice.engine.reading import calibrated
from tests.training.conftest import make_folder, write_table
from training import metadata_evidence
from training.cli import main
from training.data import Row
from training.errors import TrainingError
from training.metadata import YOUNG, _safety, _verdict, experiment
from training.metadata_models import (
    UNKNOWN,
    Evidence,
    Found,
    alone,
    cross_validate,
    describe,
    logarithms,
    outer_folds,
    with_columns,
    with_prior,
)
from training.metadata_table import text

LABELS, HARMFUL = ("mel", "nv", "bkl"), ("mel",)
Site = Callable[[np.random.Generator, str], str]


def person(image: str, dx: str, lesion: str, **known: Any) -> Row:
    return Row(image, dx, lesion, Path("nowhere"), **known)


def meet(count: int, seed: int, site: Site) -> list[Row]:
    """``count`` lesions, every third photographed twice; nothing but the site tells anything."""
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    for number in range(count):
        dx = str(rng.choice(LABELS))
        known: dict[str, Any] = {
            "age": float(rng.integers(4, 18) * 5) if rng.random() > 0.1 else None,
            "sex": str(rng.choice(["female", "male", "unknown"], p=(0.48, 0.48, 0.04))),
            "localization": site(rng, dx),
        }
        lesion = f"{seed}-{number}"
        rows += [
            person(f"{lesion}-{view}", dx, lesion, **known) for view in range(1 + (number % 3 == 0))
        ]
    return rows


def looked_at(rows: list[Row], seed: int, sharpness: float) -> Doubles:
    """Probabilities of a network that sees ``sharpness`` of the truth through noise."""
    truth = np.eye(len(LABELS))[[LABELS.index(row.dx) for row in rows]]
    logits = sharpness * truth + np.random.default_rng(seed).normal(size=truth.shape)
    return calibrated(logits, 1.0)


def telling(rng: np.random.Generator, dx: str) -> str:
    return "face" if (dx == "mel") == (rng.random() < 0.9) else "back"


def chance(rng: np.random.Generator, dx: str) -> str:
    return str(rng.choice(["face", "back", ""]))


def evidence(site: Site, sharpness: float = 1.5) -> Evidence:
    rows = meet(180, 1, site)
    known = tuple(meet(300, 2, site))
    return Evidence(LABELS, HARMFUL, tuple(rows), looked_at(rows, 3, sharpness), known)


@pytest.fixture(scope="module")
def planted() -> dict[str, Any]:
    return experiment(evidence(telling), folds=2, repeats=1, resamples=200)


@pytest.fixture(scope="module")
def noise() -> dict[str, Any]:
    return experiment(evidence(chance), folds=2, repeats=1, resamples=200)


def named(found: dict[str, Any], name: str) -> dict[str, Any]:
    models: dict[str, dict[str, Any]] = {model["name"]: model for model in found["models"]}
    return models[name]


def test_a_site_that_tells_something_is_found_to_help(planted: dict[str, Any]) -> None:
    for name in ("picture + site", "picture + site (prior)", "picture + age + sex + site"):
        model = named(planted, name)
        assert model["helps"] == ["malignancy_auc", "bmca"]
        assert model["gain"]["malignancy_auc_interval"][0] > 0.01
        assert model["gain"]["log_loss"] < -0.05
    assert named(planted, "picture + site (prior)")["chosen_median"] >= 0.75
    assert "site" in planted["adopt"]


def test_what_tells_nothing_does_not_help_beside_it(planted: dict[str, Any]) -> None:
    for name in ("picture + age", "picture + sex", "picture + age + sex (prior)"):
        assert not named(planted, name)["helps"]
        assert not named(planted, name)["adopt"]


def test_noise_is_not_adopted(noise: dict[str, Any]) -> None:
    assert noise["adopt"] is None
    assert [model["name"] for model in noise["models"][1:] if model["adopt"]] == []
    assert len(noise["models"]) == 15
    for model in noise["metadata_alone"]:
        assert model["malignancy_auc"] == pytest.approx(0.5, abs=0.1)


def test_the_numbers_are_those_of_scikit_learn(noise: dict[str, Any]) -> None:
    own = evidence(chance)
    served = noise["as_served"]
    assert served["malignancy_auc"] == pytest.approx(roc_auc_score(own.sick, own.served[:, 0]))
    assert served["log_loss"] == pytest.approx(log_loss(own.targets, own.served))
    answers = cross_validate(own, "picture", logarithms(own.served), 7, 2, 1).probabilities[0]
    assert answers.sum(1) == pytest.approx(1)
    picture = noise["models"][0]
    assert picture["malignancy_auc"] == pytest.approx(roc_auc_score(own.sick, answers[:, 0]))
    macro = roc_auc_score(own.targets, answers, multi_class="ovr")
    assert picture["macro_auc"] == pytest.approx(macro)
    low, high = picture["malignancy_auc_interval"]
    assert low < picture["malignancy_auc"] < high


def test_the_picture_alone_is_fitted_again_like_the_others() -> None:
    """A network that is far too sure is no worse off than one that knows how sure to be."""
    own = evidence(chance)
    sure = own.served**5 / (own.served**5).sum(1, keepdims=True)
    both = [
        cross_validate(own, "picture", logarithms(served), 7, 2, 1).probabilities[0]
        for served in (own.served, sure)
    ]
    fair, again = (log_loss(own.targets, answers) for answers in both)
    assert again == pytest.approx(fair, abs=0.03)
    assert log_loss(own.targets, sure) > fair + 0.2


def test_no_lesion_is_taught_and_asked() -> None:
    own = evidence(chance)
    lesions = np.array(own.lesions)
    asked_in_all: list[int] = []
    for taught, asked in outer_folds(own, 5, seed=7):
        assert not set(lesions[taught]) & set(lesions[asked])
        asked_in_all += list(asked)
    assert sorted(asked_in_all) == list(range(len(lesions)))
    assert len(set(lesions)) < len(lesions), "no lesion has two pictures: nothing was tested"


def test_the_seed_decides_the_folds_and_nothing_else_does() -> None:
    own = evidence(chance)
    columns = with_prior(own, alone(own, ("age",)))
    one, same, other = (
        cross_validate(own, "prior", columns, seed, 2, 1).probabilities for seed in (7, 7, 8)
    )
    assert (one == same).all()
    assert not np.allclose(one, other)


def test_what_is_not_known_is_a_value_of_its_own() -> None:
    rows = [
        person("a", "mel", "a"),
        person("b", "mel", "b", age=29.0, sex="Male", localization=" Back "),
        person("c", "mel", "c", age=85.0, sex="unknown", localization="unknown"),
    ]
    words = describe(rows, ("age", "sex", "site")).tolist()
    assert words[0] == [UNKNOWN] * 3
    assert words[1][1:] == ["male", "back"]
    assert words[2] == ["band 6", UNKNOWN, UNKNOWN]


def test_metadata_that_are_all_missing_or_never_seen_change_nothing() -> None:
    """As for a csv without these columns, or a clinic with site names of its own."""
    own = evidence(chance)
    bare = tuple(person(row.image_id, row.dx, row.lesion_id) for row in own.rows)
    known = tuple(person(row.image_id, row.dx, row.lesion_id) for row in own.known)
    missing = Evidence(LABELS, HARMFUL, bare, own.served, known)
    subset = ("age", "sex", "site")
    told = alone(missing, subset).probabilities[0]
    assert np.ptp(told, axis=0) == pytest.approx(0)
    answers = cross_validate(missing, "prior", with_prior(missing, alone(missing, subset)), 7, 2, 1)
    assert np.isfinite(answers.probabilities).all()
    elsewhere = Evidence(LABELS, HARMFUL, own.rows, own.served, known)
    told_of = with_columns(elsewhere, subset)[:, len(LABELS) :].sum(1)
    assert (told_of == (describe(own.rows, subset) == UNKNOWN).sum(1)).all()
    assert (told_of == 0).any()


def gained(auc: float, low: float, *, loses: bool = False) -> dict[str, Any]:
    gain = {"malignancy_auc": auc, "malignancy_auc_interval": (low, 1.0)}
    gain |= {"bmca": 0.0, "bmca_interval": None}
    return {"gain": gain, "subgroups": {"sex": {"female": {"loses": loses}}}}


def test_the_rule_wants_size_certainty_and_no_loser() -> None:
    assert _verdict(gained(0.011, 0.001))["adopt"]
    assert not _verdict(gained(0.009, 0.001))["adopt"], "too small"
    assert not _verdict(gained(0.011, -0.001))["adopt"], "not certain"
    refused = _verdict(gained(0.011, 0.001, loses=True))
    assert refused == {"helps": ["malignancy_auc"], "losers": ["female"], "adopt": False}


def test_young_melanomas_that_age_pushes_down_are_counted() -> None:
    """Forty melanomas and forty naevi, half of each young; the other model fears no young one."""
    rows: list[Row] = []
    risks: list[float] = []
    for number in range(80):
        dx = "mel" if number < 40 else "nv"
        age = 30.0 if number % 2 else 70.0
        rows.append(person(str(number), dx, str(number), age=age, sex="female"))
        risks.append(0.9 - number / 1000 if dx == "mel" else 0.2)
    before = np.column_stack([risks, 1 - np.array(risks)])
    young = np.array([row.age == 30 for row in rows])
    after = before.copy()
    after[young, 0] -= 0.5
    after[young, 1] += 0.5
    own = Evidence(("mel", "nv"), ("mel",), tuple(rows), before, ())
    said = np.zeros((1, 80), np.int64)
    models = [Found(one[None], said) for one in (before, after)]
    safety = _safety(own, models[0], models[1], [np.ones((3, 80))])
    moved = safety["moved"][YOUNG]["mel"]
    assert moved["n"] == moved["risk_fell"] == 20
    # Both models find 38 of the 40: which two they miss has changed for the young only.
    assert moved["tier_fell"] == 1
    assert safety["moved"]["all ages"]["mel"]["n"] == 40
    assert safety["subgroups"]["age"][YOUNG]["note"] == "not enough cases"
    assert safety["subgroups"]["sex"]["female"]["change"] == 0
    assert safety["subgroups"]["sex"]["female"]["loses"] is False


def test_a_subgroup_that_is_found_less_often_is_a_loser() -> None:
    rows = [
        person(str(i), "mel" if i < 80 else "nv", str(i), age=50.0, sex=("female", "male")[i % 2])
        for i in range(100)
    ]
    before = np.linspace(0.9, 0.5, 100)
    after = np.where(np.arange(100) % 2, before, before / 10)
    own = Evidence(("mel", "nv"), ("mel",), tuple(rows), np.zeros((100, 2)), ())
    said = np.zeros((1, 100), np.int64)
    models = [Found(np.column_stack([one, 1 - one])[None], said) for one in (before, after)]
    groups = _safety(own, models[0], models[1], [np.ones((3, 100))])["subgroups"]["sex"]
    assert groups["female"]["loses"] is True
    assert groups["male"]["loses"] is False


def test_a_class_with_too_few_lesions_is_named() -> None:
    own = evidence(chance)
    with pytest.raises(TrainingError, match=r"class 'mel' has \d+ held-out lesions.* 99 folds"):
        experiment(own, folds=99, repeats=1, resamples=10)


# --- The command, on drawings and the shipped network --------------------------------------------

FAST = ("--folds", "2", "--repeats", "1", "--resamples", "20")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawings with a split, of which the test part's pictures are then deleted."""
    home = tmp_path_factory.mktemp("metadata")
    data = make_folder(home / "data", lesions=16)
    assert main(["split", str(data), "--work", str(home)]) == 0
    split = json.loads((home / "split.json").read_text())
    for image in split["parts"]["test"]:
        (data / "images" / f"{image}.png").unlink()
    trained_on(home, split_hash=split["hash"])
    return home


def trained_on(home: Path, *, name: str = "skin-1", **training: Any) -> Path:
    """The shipped bundle, as if it had been trained on this split."""
    bundle = home / name
    shutil.copytree(shipped("skin"), bundle)
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["training"] |= training
    manifest["training"]["config"]["parts"] = training.get("parts", ["fit"])
    (bundle / "manifest.json").write_text(json.dumps(manifest))
    return bundle


def command(home: Path, *more: str, bundle: str = "skin-1") -> list[str]:
    where = ["metadata", str(home / "data"), "--work", str(home)]
    return [*where, "--bundle", str(home / bundle), *FAST, *more]


@pytest.fixture(scope="module")
def printed(folder: Path) -> str:
    """The JSON of a first run, which fills the cache."""
    with pytest.MonkeyPatch.context() as patched:
        lines: list[str] = []
        patched.setattr("builtins.print", lambda *words, **_: lines.append(str(words[0])))
        assert main(command(folder, "--json")) == 0
    return lines[-1]


def test_the_command_needs_no_picture_of_the_test_part(folder: Path, printed: str) -> None:
    found = json.loads(printed)
    split = json.loads((folder / "split.json").read_text())
    held = split["parts"]["validation"] + split["parts"]["calibration"]
    assert found["parts"] == ["validation", "calibration"]
    assert found["n"] == len(held)
    assert found["n_known"] == len(split["parts"]["fit"])
    assert found["split_hash"] == split["hash"]
    assert {"rule", "as_served", "metadata_alone", "models", "adopt"} <= set(found)
    assert len(found["models"]) == 15


def test_how_a_diagnosis_was_confirmed_is_never_read(
    folder: Path, printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With ``dx_type`` as the very label: the same numbers, to the last digit."""
    table = folder / "data" / "metadata.csv"
    original = table.read_text()
    with table.open(newline="") as opened:
        rows = [{**row, "dx_type": row["dx"]} for row in csv.DictReader(opened)]
    write_table(table, rows)
    assert table.read_text() != original
    try:
        assert main(command(folder, "--json")) == 0
    finally:
        table.write_text(original)
    assert capsys.readouterr().out.strip() == printed


def test_scores_are_kept_until_a_picture_changes(
    folder: Path, printed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def closed(*_: object) -> None:
        raise TrainingError("The network was asked.")

    monkeypatch.setattr(metadata_evidence, "open_predictor", closed)
    assert main(command(folder, "--markdown")) == 0
    block = capsys.readouterr().out
    assert block.startswith("<!-- begin:")
    assert block.strip().endswith("<!-- end -->")
    assert "| picture + age + sex + site |" in block
    held = json.loads((folder / "split.json").read_text())["parts"]["calibration"]
    picture = folder / "data" / "images" / f"{held[0]}.png"
    original = picture.read_bytes()
    picture.write_bytes(original + b"changed")
    assert main(command(folder)) == 2
    picture.write_bytes(original)
    assert "The network was asked." in capsys.readouterr().err


def test_the_terminal_reads_the_same_table(printed: str) -> None:
    found = json.loads(printed)
    [line] = [one for one in text(found).splitlines() if one.startswith("picture   ")][:1]
    assert f"{found['models'][0]['malignancy_auc']:.3f}" in line
    assert found["rule"] in text(found)
    assert "under 40" in text(found)


def test_a_bundle_trained_on_validation_is_held_against_calibration(folder: Path) -> None:
    both = trained_on(folder, name="skin-2", parts=["fit", "validation"])
    bundle = Bundle.load(both)
    assert metadata_evidence.held_parts(bundle) == ("calibration",)


@pytest.mark.parametrize(
    ("name", "training", "sentence"),
    [
        ("skin-3", {"split_hash": "other"}, "was trained on another split than 'split.json'"),
        ("skin-4", {"parts": ["fit", "validation", "calibration"]}, "no part is left to compare"),
    ],
)
def test_a_bundle_that_has_seen_the_pictures_is_refused(
    folder: Path,
    name: str,
    training: dict[str, Any],
    sentence: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    trained_on(folder, name=name, **training)
    assert main(command(folder, bundle=name)) == 2
    assert sentence in capsys.readouterr().err


def test_wrong_calls_are_answered_with_a_sentence(
    folder: Path, printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(folder, "--split", str(folder / "none.json"))) == 2
    assert "python -m training split" in capsys.readouterr().err
    assert main(command(folder, bundle="skin-none")) == 2
    assert "no bundle folder 'skin-none'" in capsys.readouterr().err
    assert main([*command(folder), "--folds", "1"]) == 2
    assert "--folds must be 2 or more" in capsys.readouterr().err
    assert main([*command(folder), "--folds", "50"]) == 2
    assert "name fewer --folds" in capsys.readouterr().err


def test_a_csv_that_lost_rows_of_the_split_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = folder / "data" / "metadata.csv"
    held = json.loads((folder / "split.json").read_text())["parts"]["calibration"]
    original = table.read_text()
    kept = [line for line in original.splitlines() if held[0] not in line.split(",")]
    table.write_text("\n".join(kept))
    assert main(command(folder)) == 2
    table.write_text(original)
    assert f"lacks 1 pictures of the split, among them {held[0]!r}" in capsys.readouterr().err
