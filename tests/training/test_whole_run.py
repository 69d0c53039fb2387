"""Split, fit, export, load, golden check, evaluate: the real commands on a few dozen drawings."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mlservice import engine
from mlservice.engine import (
    Bundle,
    BundleError,
    Modality,
    Predictor,
    assess,
    check_golden,
    open_predictor,
    prepare,
    preprocess,
)
from mlservice.engine.bundle import file_sha256
from mlservice.engine.rule import RULE, read_rule
from mlservice.packs.skin.drawing import draw

pytest.importorskip("tensorflow", reason="training needs TensorFlow, which is not installed here")

from training import export as exporting
from training import finetune, pictures
from training import outside as outside_world
from training.cli import main
from training.config import Config
from training.data import read_folder
from training.evaluate import judge
from training.handful import RESULTS, examine_handful
from training.openings import open_test_part
from training.release import gate_verdict
from training.tables import shown

pytestmark = pytest.mark.usefixtures("soon_settled")
SMALL = [
    *("--arch", "tiny", "--side", "32", "--train-side", "32", "--epochs", "3"),
    *("--batch", "16", "--head-epochs", "20"),
]


@pytest.fixture(scope="module")
def work(
    drawn: Path, parted: Path, tmp_path_factory: pytest.TempPathFactory, soon_settled: None
) -> Path:
    """A workspace with a split and a trained run."""
    work = Path(shutil.copytree(parted, tmp_path_factory.mktemp("work"), dirs_exist_ok=True))
    assert main(["fit", str(drawn), "--work", str(work), "--run", str(work / "run"), *SMALL]) == 0
    return work


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Phone photos of four people and six pictures of no skin at all."""
    phone, things = tmp_path_factory.mktemp("phone"), tmp_path_factory.mktemp("things")
    for number in range(8):
        name = f"PAT_{number // 2}_{number}_0.png"
        draw(number, phone=True, size=(80, 60)).save(phone / name)
    rng = np.random.default_rng(0)
    for number in range(6):
        noise = rng.integers(0, 255, (60, 80, 3)).astype(np.uint8)
        Image.fromarray(noise).save(things / f"noise{number}.png")
    return phone, things


@pytest.fixture(scope="module")
def outlines(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small disc in the middle for every picture: where the drawings have their marks."""
    folder = tmp_path_factory.mktemp("outlines")
    down, across = np.mgrid[:60, :80]
    disc = Image.fromarray((across - 40) ** 2 + (down - 30) ** 2 <= 12**2)
    for path in (drawn / "images").iterdir():
        disc.save(folder / f"{path.stem}.png")
    return folder


@pytest.fixture(scope="module")
def made(drawn: Path, work: Path, outside: tuple[Path, Path], outlines: Path) -> Bundle:
    phone, things = outside
    arguments = ["export", str(drawn), str(work / "run"), "--work", str(work), "--version", "9"]
    arguments += ["--out", str(work), "--phone", str(phone), "--not-skin", str(things)]
    arguments += ["--masks", str(outlines)]
    assert main([*arguments, "--resamples", "20", "--fields", "1", "0.8"]) == 0
    return Bundle.load(work / "skin-9")


@pytest.fixture(scope="module")
def predictor(made: Bundle) -> Predictor:
    return open_predictor(made)


def test_the_run_ends_in_a_bundle_that_serves(made: Bundle, predictor: Predictor) -> None:
    check_golden(made, predictor)
    picture = prepare(draw(5, kind="mel"), made.side)
    [found] = assess(predictor, made, [picture], [Modality.DERMOSCOPIC])
    assert set(found.probabilities) == set(made.labels)
    assert sum(found.probabilities.values()) == pytest.approx(1)
    assert found.embedding.shape == (made.manifest.embedding_size,)


def test_the_bundle_explains_itself(made: Bundle, work: Path) -> None:
    split = json.loads((work / "split.json").read_text())
    training = made.manifest.training
    assert training["split_hash"] == split["hash"]
    assert training["data_hash"] == split["data_hash"]
    assert training["split"]["parts"]["test"]["pictures"] == len(split["parts"]["test"])
    assert training["config"]["arch"] == "tiny"
    assert training["config"]["epochs"] == 3
    assert training["versions"]["keras"]
    described = json.dumps(training["preprocessing"], sort_keys=True).encode()
    assert hashlib.sha256(described).hexdigest() == made.manifest.preprocess_hash
    assert made.metrics["n"] == len(split["parts"]["test"])
    assert made.metrics["parity_keras_litert"] <= 1e-5
    assert made.metrics["outside"]["n_phone"] == 4
    assert made.metrics["outside"]["no_lesion"]["n_pairs"] > 0
    assert made.manifest.no_lesion_cut is not None
    prior, own = training["prior"], made.manifest.risk
    assert own is not None
    assert prior["share"] == training["config"]["prior"]
    assert [one["share"] for one in prior["tried"]] == [p["share"] for p in prior["risk"]["tried"]]
    assert made.manifest.metadata is None


def test_it_serves_the_fields_it_was_asked_for(
    made: Bundle, drawn: Path, work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert made.fields == (1.0, 0.8)
    assert Config.load(work / "run").fields == (1.0, 0.85, 0.7)
    assert made.manifest.training["config"]["fields"] == [1.0, 0.8]
    assert "each at 100%, 80% of the side" in made.card_path.read_text()
    with pytest.raises(SystemExit):
        main(["export", str(drawn), str(work / "run"), "--version", "3", "--fields", "1.2"])
    assert "1.2 is not a share" in capsys.readouterr().err


def test_the_card_says_what_the_run_knows_and_no_more(made: Bundle) -> None:
    card = made.card_path.read_text()
    for heading in ("Intended use", "Data and licence", "Each class", "Calibration", "Limits"):
        assert f"## {heading}" in card
    assert f"balanced accuracy {shown(made.metrics, 'bmca')}" in card
    assert gate_verdict(made.metrics) in card
    assert "first opening of the test part" in card
    assert "random weights" in card
    assert not re.search(r"HAM10000|Vienna|CC BY-NC|ImageNet|\bnan\b|None", card)
    for plot in re.findall(r"\]\((\w+\.png)\)", card):
        with Image.open(made.folder / plot) as opened:
            opened.verify()


def test_the_bundle_says_what_the_rule_costs_at_every_threshold(
    made: Bundle, drawn: Path, work: Path, tmp_path: Path
) -> None:
    """In its own file, and the same again from the command for a version that lacks one."""
    assert RULE in made.manifest.sha256
    price = read_rule(made.folder, made.manifest, made.manifest_hash, made.metrics)
    assert price.totals(0).n == made.metrics["n"]
    arguments = ["evaluate", str(made.folder), "--images", str(drawn)]
    arguments += ["--labels", str(drawn / "metadata.csv"), "--split", str(work / "split.json")]
    opened = (work / "opened.jsonl").read_text()
    assert main([*arguments, "--resamples", "5", "--rule", str(tmp_path / RULE)]) == 0
    assert (work / "opened.jsonl").read_text() == opened, "the same bundle chooses nothing anew"
    again = json.loads((tmp_path / RULE).read_text())
    assert again == price.as_dict() | {"manifest_hash": made.manifest_hash}
    assert main([*arguments, "--rule", str(made.folder / RULE)]) == 2, "its own stays"


def test_the_test_parts_next_opening_is_told(work: Path) -> None:
    split = json.loads((work / "split.json").read_text())["hash"]
    assert open_test_part(work, "another split", "skin-1") == []
    before = open_test_part(work, split, "skin-10")
    assert before[0] == "skin-9"
    assert open_test_part(work, split, "skin-11") == [*before, "skin-10"]


def test_the_handful_repeats(made: Bundle, predictor: Predictor) -> None:
    kept = json.loads((made.folder / RESULTS).read_text())
    assert kept["metrics"]["n"] == 28
    assert kept["metrics"]["lesions"] == 14
    assert kept == json.loads(json.dumps(examine_handful(made, predictor)))


def test_rare_classes_are_always_in_the_conformal_set(made: Bundle) -> None:
    """No class of this little folder has thirty calibration lesions."""
    assert set(made.conformal.values()) == {None}


def test_what_is_served_is_judged(made: Bundle, predictor: Predictor, drawn: Path) -> None:
    """A file's bytes through the worker's path and its row through the evaluation's."""
    rows = read_folder(drawn, made.labels)[:5]
    judged = judge(made, predictor, rows, Modality.DERMOSCOPIC)
    for number, row in enumerate(rows):
        picture = prepare(row.path.read_bytes(), made.side)
        [served] = assess(predictor, made, [picture], [Modality.DERMOSCOPIC])
        assert judged.probabilities[number].tolist() == list(served.probabilities.values())
        assert judged.tiers[number] == served.tier.value
        assert judged.no_disease[number] == served.no_disease
        assert judged.risks[number] == pytest.approx(served.risk)


def test_there_is_one_preprocessing_function() -> None:
    for module in (pictures, exporting, outside_world, engine):
        assert module.prepare is preprocess.prepare


def test_evaluate_repeats_the_numbers_of_the_card(
    made: Bundle, drawn: Path, work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    split = json.loads((work / "split.json").read_text())
    header, *lines = (drawn / "metadata.csv").read_text().splitlines()
    chosen = [line for line in lines if line.split(",")[1] in split["parts"]["test"]]
    table = tmp_path / "test.csv"
    table.write_text("\n".join([header, *chosen]))
    arguments = ["evaluate", str(made.folder), "--images", str(drawn), "--labels", str(table)]
    capsys.readouterr()
    assert main([*arguments, "--json", "--resamples", "20"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["bundle"] == "skin-9"
    for key in ("n", "lesions", "bmca", "recall", "confusion", "green_malignant"):
        assert found[key] == made.metrics[key]
    # A mean over bins: the order of a sum may move its last bit.
    assert found["ece"] == pytest.approx(made.metrics["ece"], rel=1e-12)
    assert main([*arguments, "--resamples", "5"]) == 0
    assert f"{made.metrics['bmca']:.3f}" in capsys.readouterr().out


def test_a_bundle_is_never_overwritten(
    made: Bundle, drawn: Path, work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["export", str(drawn), str(work / "run"), "--work", str(work), "--version", "9"]
    assert main([*arguments, "--out", str(work)]) == 2
    assert "holds a bundle already" in capsys.readouterr().err
    assert Bundle.load(made.folder).manifest_hash == made.manifest_hash


def test_an_export_that_is_stopped_leaves_no_bundle(
    drawn: Path, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Path] = []

    def stop(*given: object) -> None:
        bundle = given[1]
        assert isinstance(bundle, Bundle)
        seen.extend(tmp_path.glob("*/manifest.json"))
        assert (bundle.folder / "manifest.json").exists()
        raise KeyboardInterrupt

    monkeypatch.setattr(exporting, "_examine", stop)
    arguments = ["export", str(drawn), str(work / "run"), "--work", str(work), "--version", "7"]
    with pytest.raises(KeyboardInterrupt):
        main([*arguments, "--out", str(tmp_path), "--no-masks"])
    assert seen == [], "half a bundle could be taken for one"
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_exported_is_named(
    drawn: Path, work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = ["export", str(drawn), "--work", str(work), "--out", str(tmp_path), "--version", "6"]
    unfinished, other = tmp_path / "unfinished", tmp_path / "other"
    Config.load(work / "run").save(unfinished)
    replace(Config.load(work / "run"), split_hash="0" * 64).save(other)
    shutil.copy(work / "run" / "network.weights.h5", other)
    for run, sentence in (
        (tmp_path / "nowhere", "is not a run"),
        (unfinished, "its training never finished"),
        (other, "was trained on another split"),
    ):
        assert main([*base, str(run)]) == 2
        assert sentence in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*base, str(work / "run"), "--version", "../6"])
    assert "not a version" in capsys.readouterr().err
    assert main([*base, str(work / "run"), "--phone", str(tmp_path)]) == 2
    assert "--phone needs --not-skin" in capsys.readouterr().err
    assert not list(tmp_path.glob("skin-*"))


def test_a_run_is_not_continued_with_other_settings(
    drawn: Path, work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = ["fit", str(drawn), "--work", str(work), "--run", str(work / "run"), *SMALL]
    assert main([*again, "--seed", "8"]) == 2
    assert "other settings" in capsys.readouterr().err


def test_a_bundle_teaches_and_is_trained_further_as_the_run_it_was_made_of(
    drawn: Path, work: Path, made: Bundle
) -> None:
    """Without the share of the prior that `export` gave it: the loss takes that out again."""
    begun = ["fit", str(drawn), "--work", str(work), *SMALL[:-6], "--batch", "16", "--epochs", "1"]
    runs = {}
    for name, source in (("of-run", work / "run"), ("of-bundle", made.folder)):
        surer = ["--teach-temperature", "0.5"]
        given = ["--teacher", str(source), "--from", str(source), *surer, "--run", str(work / name)]
        assert main([*begun, *given]) == 0
        runs[name] = Config.load(work / name)
    assert runs["of-bundle"].teachers == (file_sha256(made.keras_path),)
    assert runs["of-bundle"].started_from == file_sha256(made.keras_path)
    assert runs["of-bundle"].teach_temperature == 0.5
    for one, other in zip(_weights(work / "of-run"), _weights(work / "of-bundle"), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_a_bundle_is_read_anew_with_what_is_known_beside_the_picture(
    drawn: Path, work: Path, made: Bundle, tmp_path: Path
) -> None:
    """The same network; each label on a site of its own, so that the site tells nearly all."""
    known = Path(shutil.copytree(drawn, tmp_path / "known"))
    table = known / "metadata.csv"
    lines = [line.split(",") for line in table.read_text().splitlines()]
    sites = dict(
        zip(made.labels, ("face", "ear", "back", "hand", "foot", "neck", "chest"), strict=True)
    )
    for line in lines[1:]:
        line[-1] = sites[line[2]]
    table.write_text("\n".join(",".join(line) for line in lines) + "\n")
    arguments = ["export", str(known), str(made.folder), "--work", str(work), "--no-masks"]
    arguments += ["--out", str(tmp_path), "--version", "9.1", "--metadata", "site"]
    assert main([*arguments, "--resamples", "20"]) == 0
    anew = Bundle.load(tmp_path / "skin-9.1")
    training = anew.manifest.training
    assert training["network_of"] == {"bundle": "skin-9", "sha256": file_sha256(made.keras_path)}
    assert training["config"]["started_from"] is None
    assert training["metadata"]["weight"] > 0.9
    assert anew.manifest.metadata
    assert anew.manifest.metadata["site"]["face"]["mel"] > 0.5
    assert anew.metrics["bmca"] > made.metrics["bmca"]
    assert anew.metrics["malignancy_auc"] == pytest.approx(made.metrics["malignancy_auc"], abs=0.1)
    card = anew.card_path.read_text()
    assert "## What is known beside the picture" in card
    assert "The network is that of `skin-9`, read anew." in card

    predictor = open_predictor(anew)
    rows = read_folder(known, anew.labels)[:3]
    judged = judge(anew, predictor, rows, Modality.DERMOSCOPIC)
    for number, row in enumerate(rows):
        picture, told = prepare(row.path.read_bytes(), anew.side), [row.metadata]
        [served] = assess(predictor, anew, [picture], [Modality.DERMOSCOPIC], metadata=told)
        assert judged.probabilities[number].tolist() == list(served.probabilities.values())
        assert served.metadata == {"site": row.localization}
        assert judged.risks[number] == served.risk
    blind = judge(anew, predictor, rows, Modality.DERMOSCOPIC, metadata=False)
    assert blind.risks.tolist() == judged.risks.tolist()
    assert not np.array_equal(blind.probabilities, judged.probabilities)


def test_the_shipped_bundles_say_how_they_were_trained() -> None:
    for name, share, arch in (
        ("skin-1.1", 0.5, "mobilenet_v2"),
        ("skin-2", -0.25, "efficientnet_lite0"),
        ("skin-2.1", 0.0, "efficientnet_lite0"),
        ("chest-1", None, "mobilenet_v2"),
    ):
        config = Config.of_bundle(Bundle.load(engine.shipped().parent / name).manifest)
        assert config.arch == arch
        assert share is None or config.prior == share


def test_a_killed_run_goes_on_and_ends_the_same(
    drawn: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped in its second epoch and started again, it reaches the first run's weights."""
    killed = work / "killed"
    again = ["fit", str(drawn), "--work", str(work), "--run", str(killed), *SMALL]
    with monkeypatch.context() as patched:
        patched.setattr(finetune._Watch, "on_epoch_end", _die_in_the_second_epoch)
        with pytest.raises(KeyboardInterrupt):
            main(again)
    assert not (killed / "network.weights.h5").exists()
    assert main(again) == 0
    for one, other in zip(_weights(work / "run"), _weights(killed), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def _die_in_the_second_epoch(_: object, epoch: int, logs: object = None) -> None:
    assert logs is not None
    if epoch == 1:
        raise KeyboardInterrupt


def _weights(run: Path) -> list[np.ndarray]:
    from training.earlier import load_network

    weights: list[np.ndarray] = load_network(run, Config.load(run)).get_weights()
    return weights


def test_without_examples_the_gate_is_closed_and_nothing_ends_green(
    drawn: Path, work: Path, tmp_path: Path
) -> None:
    arguments = ["export", str(drawn), str(work / "run"), "--work", str(work), "--version", "8"]
    assert main([*arguments, "--out", str(tmp_path), "--resamples", "5"]) == 0
    bundle = Bundle.load(tmp_path / "skin-8")
    assert bundle.metrics["green_benign"] == 0
    assert bundle.metrics["green_malignant"] == 0
    card = bundle.card_path.read_text().replace("\n", " ")
    assert "the gate is closed" in card
    assert 'never says "no lesion"' in card
    assert bundle.manifest.no_lesion_cut is None


def test_an_unknown_architecture_and_a_missing_backbone_are_named(
    drawn: Path, work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = ["fit", str(drawn), "--work", str(work), "--frozen"]
    assert main([*base, "--run", str(work / "a"), "--arch", "cubist"]) == 2
    assert "'cubist' is not one of " in capsys.readouterr().err
    missing = ["--run", str(work / "b"), "--weights", str(work / "none.h5")]
    assert main([*base, *missing]) == 2
    assert "none.h5" in capsys.readouterr().err


def test_a_damaged_export_is_refused(made: Bundle, tmp_path: Path) -> None:
    folder = tmp_path / "skin-9"
    folder.mkdir()
    for path in made.folder.rglob("*"):
        if path.is_file() and path.name != "model.tflite":
            goal = folder / path.relative_to(made.folder)
            goal.parent.mkdir(exist_ok=True)
            goal.write_bytes(path.read_bytes())
    with pytest.raises(BundleError, match=r"model\.tflite"):
        Bundle.load(folder)
