"""A search for the settings of a head over frozen features, and for the backbone below it.

Trials are kept in a database, so that a search that was stopped or killed goes on; it loses the
trial it was at. Each trial is drawn from the seed and from what earlier ones found, so an
interrupted search finds what an uninterrupted one would have. Judged on the validation part;
calibration and test part are not looked at.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import optuna
from optuna.trial import TrialState
from sklearn.metrics import recall_score
from tqdm import tqdm

from training.config import Config
from training.errors import TrainingError
from training.features import Backbone, FeatureTable, feature_table, frozen_config
from training.head import Head, train_head
from training.run import Material
from training.settings import applied

DATABASE = "trials.db"
LOCK = "lock.db"
NAME = "head"
FIT, JUDGED_ON = "fit", "validation"
LOOKS = 10  # how often in a trial its value is reported, so that a poor one can be ended
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)

# What is searched, by the names of Config and of train_head: (low, high, log) or the choices.
RANGES: Mapping[str, tuple[float, float, bool]] = {
    "dropout": (0.0, 0.6, False),
    "head_learning_rate": (3e-4, 1e-2, True),
    "weight_decay": (1e-4, 0.3, True),
    "label_smoothing": (0.0, 0.15, False),
    "balance": (0.0, 1.0, False),
    "adjust": (0.0, 1.0, False),
    "prior": (0.0, 1.0, False),
}
CHOICES: Mapping[str, tuple[int, ...]] = {"hidden": (0, 128, 256), "head_epochs": (20, 40, 60, 80)}


@dataclass(frozen=True)
class Candidate:
    """A backbone to choose from: its features and the settings every trial starts from."""

    config: Config
    table: FeatureTable

    def parts(self, split: Mapping[str, tuple[str, ...]]) -> tuple[FeatureTable, FeatureTable]:
        return self.table.of(split[FIT]), self.table.of(split[JUDGED_ON])


def candidates(
    material: Material, pack: str, backbones: Mapping[str, Backbone]
) -> dict[str, Candidate]:
    """The features of every backbone, computed now where they are not on disk."""
    split = material.split
    return {
        arch: Candidate(
            frozen_config(split, pack, backbone),
            feature_table(
                material.rows, material.labels, split.data_hash, backbone, material.cache
            ),
        )
        for arch, backbone in backbones.items()
    }


class Search:
    """A search in ``folder`` over ``candidates``, begun or gone on with.

    ``split`` gives the image ids of each part. Raises :class:`TrainingError` where the folder
    holds another search.
    """

    def __init__(
        self,
        folder: Path,
        candidates: Mapping[str, Candidate],
        split: Mapping[str, tuple[str, ...]],
        seed: int,
    ) -> None:
        self._configs = {arch: one.config for arch, one in candidates.items()}
        self._parts = {arch: one.parts(split) for arch, one in candidates.items()}
        self._folder, self._seed = folder, seed
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        folder.mkdir(parents=True, exist_ok=True)
        self.study = optuna.create_study(
            storage=f"sqlite:///{folder / DATABASE}",
            study_name=NAME,
            direction="maximize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=10, n_warmup_steps=2),
            load_if_exists=True,
        )
        self._be_the_same_search()

    def _be_the_same_search(self) -> None:
        configs = [asdict(config) for config in self._configs.values()]
        now = json.loads(json.dumps([configs, self._seed, RANGES, CHOICES, LOOKS]))
        if self.study.user_attrs.setdefault("search", now) != now:
            raise TrainingError(
                f"{str(self._folder)!r} holds a search with other data, backbones or seed; name "
                "another --study."
            )
        self.study.set_user_attr("search", now)

    def run(self, minutes: float, trials: int | None = None) -> None:
        """Try settings until ``minutes`` are over or ``trials`` more are finished.

        The trial that runs then is finished. A shown bar says how much of the time is left.
        """
        end = time.monotonic() + minutes * 60
        with _alone(self._folder), tqdm(total=minutes * 60, bar_format=BAR) as bar:
            self._give_up_the_interrupted()
            goal = None if trials is None else len(self.finished) + trials
            while (left := end - time.monotonic()) > 0 and len(self.finished) != goal:
                bar.set_postfix_str(self._standing(), refresh=False)
                bar.update(minutes * 60 - left - bar.n)
                self._try_one()
            bar.update(bar.total - bar.n)

    def about(self) -> dict[str, Any]:
        """What the search rests on, for its report."""
        config = next(iter(self._configs.values()))
        return {
            "judged_on": JUDGED_ON,
            "n": len(next(iter(self._parts.values()))[1].rows),
            "backbones": {arch: one.weights_sha256 for arch, one in self._configs.items()},
            "side": config.side,
            "seed": self._seed,
            "data_hash": config.data_hash,
            "split_hash": config.split_hash,
        }

    @property
    def finished(self) -> list[optuna.trial.FrozenTrial]:
        """Trials that were trained to the end or ended as poor."""
        return self.study.get_trials(deepcopy=False, states=FINISHED)

    def _standing(self) -> str:
        done = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        best = f", best {max(trial.value or 0.0 for trial in done):.4f}" if done else ""
        return f"{len(self.finished)} trials{best}"

    def _give_up_the_interrupted(self) -> None:
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self.study.tell(trial.number, state=TrialState.FAIL)

    def _try_one(self) -> None:
        """First every backbone with the settings `fit` has by default, then what TPE proposes."""
        done = len(self.finished)
        waiting = self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        if done < len(self._configs) and not waiting:
            self.study.enqueue_trial(self._defaults(list(self._configs)[done]))
        self.study.sampler = optuna.samplers.TPESampler(seed=(self._seed * 10_007 + done) % 2**32)
        self.study.optimize(self._train, n_trials=1)

    def _defaults(self, arch: str) -> dict[str, Any]:
        """What `fit` does by default, as far as it is among what is searched."""
        config = asdict(self._configs[arch])
        config |= {"hidden": 0}
        chosen = {name: config[name] for name in CHOICES if config[name] in CHOICES[name]}
        for name, (low, high, _) in RANGES.items():
            if low <= config[name] <= high:
                chosen[name] = config[name]
        return {"arch": arch, **chosen}

    def _train(self, trial: optuna.Trial) -> float:
        """The balanced accuracy on the validation part with settings that ``trial`` proposes."""
        settings = self._propose(trial)
        train, held = self._parts[settings["arch"]]
        config, options = applied(self._configs[settings["arch"]], settings)
        looks = _look_epochs(config.head_epochs)

        def watch(epoch: int, head: Head) -> None:
            if epoch in looks[:-1]:
                trial.report(_bmca(head, held), step=looks.index(epoch))
                if trial.should_prune():
                    raise optuna.TrialPruned

        keras.utils.clear_session()  # what earlier trials left
        head = train_head(train.features, train.targets, config, **options, watch=watch)
        return _bmca(head, held)

    def _propose(self, trial: optuna.Trial) -> dict[str, Any]:
        settings: dict[str, Any] = {"arch": trial.suggest_categorical("arch", list(self._configs))}
        for name, choices in CHOICES.items():
            settings[name] = trial.suggest_categorical(name, choices)
        for name, (low, high, log) in RANGES.items():
            settings[name] = trial.suggest_float(name, low, high, log=log)
        return settings


BAR = "search: {percentage:3.0f}%|{bar}| {elapsed}<{remaining} {postfix}"


def _look_epochs(epochs: int) -> list[int]:
    """The epochs after which a trial is looked at: tenths of its own schedule.

    So two trials of unequal length are compared where their learning rates have fallen as far.
    """
    return [max(1, round(epochs * look / LOOKS)) for look in range(1, LOOKS + 1)]


def _bmca(head: Head, held: FeatureTable) -> float:
    guesses = head.logits(held.features).argmax(1)
    occurring = np.unique(held.targets)
    return float(recall_score(held.targets, guesses, labels=occurring, average="macro"))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep a second search out of ``folder``; the lock falls with the process, killed or not."""
    with closing(sqlite3.connect(folder / LOCK, timeout=0)) as lock:
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            raise TrainingError(f"Another search is at work in {str(folder)!r}.") from error
        yield
