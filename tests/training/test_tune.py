"""The search: it goes on where it was, keeps to its time, and says what it rests on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import optuna
import pytest
from PIL import Image

pytest.importorskip("tensorflow", reason="training needs TensorFlow, which is not installed here")

from training import tune
from training.cli import main
from training.config import Config
from training.head import Head, Watch
from training.tune import Search, candidates
from training.tune_report import report

ROOT = Path(__file__).resolve().parents[2]
SMALL = ["--archs", "tiny", "--side", "32"]


@pytest.fixture(scope="module")
def work(parted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(parted, tmp_path_factory.mktemp("work"), dirs_exist_ok=True))


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials of a few epochs."""
    monkeypatch.setattr(tune, "CHOICES", {"hidden": (0, 8), "head_epochs": (2, 4, 60)})


def search_in(folder: Path, drawn: Path, work: Path, *options: str) -> dict[str, Any]:
    command = ["tune", str(drawn), "--work", str(work), "--study", str(folder), *SMALL]
    assert main([*command, *options]) == 0
    found: dict[str, Any] = json.loads((folder / "tune.json").read_text())
    return found


@pytest.fixture(scope="module")
def found(
    drawn: Path, work: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """A search of six trials."""
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tune, "CHOICES", {"hidden": (0, 8), "head_epochs": (2, 4, 60)})
        return folder, search_in(folder, drawn, work, "--trials", "6", "--minutes", "5")


def test_what_was_found_is_told(found: tuple[Path, dict[str, Any]]) -> None:
    folder, told = found
    assert "over frozen features of tiny" in told["note"]
    assert told["judged_on"] == "validation"
    assert told["trials"]["complete"] + told["trials"]["pruned"] == 6
    values = [trial["bmca"] for trial in told["top"]]
    assert values == sorted(values, reverse=True)
    assert told["best"] == told["top"][0]
    with Image.open(folder / "tune.png") as plot:
        plot.verify()


def test_the_best_settings_are_keys_that_fit_takes(found: tuple[Path, dict[str, Any]]) -> None:
    _, told = found
    assert set(told["fit"]["settings"]) <= {field.name for field in fields(Config)}
    assert told["fit"]["settings"]["arch"] == "tiny"
    without = [trial["bmca"] for trial in told["top"] if not trial["settings"]["hidden"]]
    assert told["fit"]["bmca"] == without[0]


def test_the_first_trial_has_the_settings_fit_has(found: tuple[Path, dict[str, Any]]) -> None:
    """So the best is never worse than what one gets without a search."""
    folder, told = found
    study = optuna.load_study(study_name=tune.NAME, storage=f"sqlite:///{folder / tune.DATABASE}")
    first = study.trials[0]
    default = {field.name: field.default for field in fields(Config)}
    for name in ("dropout", "weight_decay", "balance", "adjust", "prior", "head_epochs"):
        assert first.params[name] == default[name]
    assert told["best"]["bmca"] >= first.value


def test_a_search_in_two_goes_finds_what_one_go_finds_and_never_gets_worse(
    found: tuple[Path, dict[str, Any]],
    drawn: Path,
    work: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Same seed, same trials; the break between them changes nothing."""
    one = search_in(tmp_path, drawn, work, "--trials", "2")
    assert "over frozen features of tiny" in capsys.readouterr().out
    told = search_in(tmp_path, drawn, work, "--trials", "4")
    assert sum(one["trials"].values()) == 2
    assert sum(told["trials"].values()) == 6
    assert told["best"]["bmca"] >= one["best"]["bmca"]
    for key in ("best", "top", "trials", "importance"):
        assert told[key] == found[1][key]


def test_crossval_takes_what_tune_found(
    found: tuple[Path, dict[str, Any]],
    drawn: Path,
    work: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    capsys.readouterr()
    command = ["crossval", str(drawn), "--work", str(work), "--side", "32", "-k", "2", "--json"]
    assert main([*command, "--settings", str(found[0] / "tune.json")]) == 0
    told = json.loads(capsys.readouterr().out)
    best = found[1]["best"]["settings"]
    assert told["config"]["dropout"] == best["dropout"]
    assert told["config"]["head_learning_rate"] == best["head_learning_rate"]
    assert told["head"] == {"hidden": best["hidden"]}


def test_fit_takes_what_tune_found(
    found: tuple[Path, dict[str, Any]],
    drawn: Path,
    work: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = ["--settings", str(found[0] / "tune.json")]
    command = ["fit", str(drawn), "--work", str(work), "--side", "32", "--train-side", "32"]
    command += ["--epochs", "0", "--weights", "none", "--run", str(tmp_path / "run")]
    assert main([*command, *settings, "--balance", "0.9"]) == 0
    config = Config.load(tmp_path / "run")
    told = found[1]["fit"]["settings"]
    assert config.balance == 0.9, "what is said on the command line counts"
    for name in set(told) - {"balance"}:
        assert getattr(config, name) == told[name]
    assert main([*command, *settings, "--arch", "custom"]) == 2
    assert "for tiny, not for custom" in capsys.readouterr().err


def test_the_budget_is_kept(
    drawn: Path, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a clock of our own a trial takes 30 seconds: the third begins within 72, no fourth."""
    now = [0.0]

    def slow(*_: Any, **__: Any) -> SimpleNamespace:
        now[0] += 30
        return SimpleNamespace(logits=lambda features: np.ones((len(features), 7)))

    monkeypatch.setattr(tune, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(tune, "train_head", slow)
    told = search_in(tmp_path, drawn, work, "--minutes", "1.2")
    assert sum(told["trials"].values()) == 3


def test_no_time_no_trial(drawn: Path, work: Path, tmp_path: Path) -> None:
    told = search_in(tmp_path, drawn, work, "--minutes", "0")
    assert told["best"] is told["fit"] is None
    assert sum(told["trials"].values()) == 0


def test_a_killed_search_loses_one_trial_and_goes_on(
    drawn: Path, work: Path, tmp_path: Path
) -> None:
    """SIGKILL in the middle of the third trial, which says that it has begun."""
    script = f"""
import sys, time
from training import tune
from training.cli import main
tune.CHOICES = {{"hidden": (0, 8), "head_epochs": (2, 4, 60)}}
train, begun = tune.train_head, []
def slow(*arguments, **options):
    begun.append(1)
    if len(begun) == 3:
        print("third", flush=True)
        time.sleep(600)
    return train(*arguments, **options)
tune.train_head = slow
main(["tune", {str(drawn)!r}, "--work", {str(work)!r}, "--study", {str(tmp_path)!r}, *{SMALL!r}])
"""
    with subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "third"
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    told = search_in(tmp_path, drawn, work, "--trials", "2")
    assert told["trials"]["complete"] + told["trials"]["pruned"] == 4
    assert told["trials"]["fail"] == 1
    assert told["trials"]["running"] == 0


def test_what_was_found_is_told_when_it_is_stopped_by_hand(
    drawn: Path, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search_in(tmp_path, drawn, work, "--trials", "1")
    (tmp_path / "tune.json").unlink()

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(tune, "train_head", stopped)
    with pytest.raises(KeyboardInterrupt):
        search_in(tmp_path, drawn, work)
    told = json.loads((tmp_path / "tune.json").read_text())
    assert told["trials"]["complete"] == 1


def test_a_hopeless_trial_is_ended_early(
    drawn: Path, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fifteen good trials, then one that sees nothing."""
    from training.features import Backbone
    from training.run import open_material

    material = open_material(drawn, work / "split.json", "skin", work / "cache")
    tiny = candidates(material, "skin", {"tiny": Backbone("tiny", side=32)})
    search = Search(tmp_path, tiny, material.split.parts, seed=7)
    values = iter([0.8 for _ in range(15 * tune.LOOKS)])
    monkeypatch.setattr(tune, "_look_epochs", lambda _: list(range(1, tune.LOOKS + 1)))
    monkeypatch.setattr(tune, "CHOICES", {"hidden": (0,), "head_epochs": (tune.LOOKS, 60)})
    monkeypatch.setattr(tune, "_bmca", lambda *_: next(values, 0.1))
    monkeypatch.setattr(tune, "train_head", _watched_only)
    search.run(minutes=5, trials=16)
    told = report(search.study, search.about(), tmp_path)
    assert told["trials"]["complete"] == 15
    assert told["trials"]["pruned"] == 1
    assert len(search.study.trials[-1].intermediate_values) < tune.LOOKS - 1


def _watched_only(*_: object, watch: Watch, **__: object) -> Head:
    head = Head(None, np.zeros(0, np.float32))
    for epoch in range(1, tune.LOOKS + 1):
        watch(epoch, head)
    return head


def test_two_searches_do_not_share_a_folder(
    drawn: Path, work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect(tmp_path / tune.LOCK)) as other:
        other.execute("BEGIN EXCLUSIVE")
        command = ["tune", str(drawn), "--work", str(work), "--study", str(tmp_path), *SMALL]
        assert main(command) == 2
    assert "Another search is at work" in capsys.readouterr().err


def test_a_search_is_not_continued_with_another_seed(
    found: tuple[Path, dict[str, Any]],
    drawn: Path,
    work: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ["tune", str(drawn), "--work", str(work), "--study", str(found[0]), *SMALL]
    assert main([*command, "--seed", "8"]) == 2
    assert "name another --study" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "Name the backbones"),
        (["--archs", "tiny,cubist"], "'cubist' is not one of"),
        (["--weights", "mobilenet_v2=none.h5"], "none.h5"),
        (["--archs", "tiny", "--weights", "mobilenet_v2=none"], "not among --archs"),
    ],
)
def test_what_cannot_be_searched_is_named(
    drawn: Path, work: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    assert main(["tune", str(drawn), "--work", str(work), *options]) == 2
    assert said in capsys.readouterr().err
