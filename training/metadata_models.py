"""What age, sex and site can be given to: small models on top of the network's probabilities.

- *picture*: multinomial logistic regression on the logarithms of the served probabilities, so that
  what the others gain is not the gain of fitting once more.
- *added*: the same with age bands, sex and site as further columns (unknown is a value of its own).
- *prior*: ``p(dx | picture) (p(dx | metadata) / p(dx))^a``, the metadata's model fitted on the many
  rows that trained the network, ``a`` chosen inside each fold; then as *picture*.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from mlservice.engine.judging.judged import Doubles, Flags
from training.data import Row
from training.scores import lesion_weights

UNKNOWN = "unknown"
BANDS = tuple(range(30, 90, 10))  # under 30, 30 to 39, ... 80 and over
STRENGTHS = (0.03, 0.3, 3.0)  # scikit-learn's C: the smaller, the stronger the regularisation
EXPONENTS = (0.0, 0.25, 0.5, 0.75, 1.0)
INNER = 3
LEAST = 1e-6  # of a probability, before its logarithm is a column


@dataclass(frozen=True)
class Evidence:
    """What is compared: ``n`` held-out pictures, and the metadata of those that trained."""

    labels: tuple[str, ...]
    harmful: tuple[str, ...]
    rows: tuple[Row, ...]  # n, held out
    served: Doubles  # (n, c): probabilities of the served procedure
    known: tuple[Row, ...]  # trained the network; here only their metadata and label are used

    @cached_property
    def targets(self) -> NDArray[np.int64]:
        return _targets(self.rows, self.labels)

    @cached_property
    def lesions(self) -> list[str]:
        return [row.lesion_id for row in self.rows]

    @property
    def sick(self) -> Flags:
        flags: Flags = np.isin(self.targets, self._harmful)
        return flags

    def risks(self, probabilities: Doubles) -> Doubles:
        risks: Doubles = probabilities[:, self._harmful].sum(1)
        return risks

    @property
    def _harmful(self) -> list[int]:
        return [self.labels.index(name) for name in self.harmful]


@dataclass(frozen=True)
class Found:
    """A model's answers: ``r`` repeats of cross-validation (one, where nothing was fitted)."""

    probabilities: Doubles  # (r, n, c), with the classes' own prior
    said: NDArray[np.int64]  # (r, n): the class, every class taken as likely as any other
    chosen: tuple[float, ...] = ()  # the strength or exponent of each fold


# --- Columns -------------------------------------------------------------------------------------


def describe(rows: Sequence[Row], features: Sequence[str]) -> NDArray[np.str_]:
    """``(n, features)``: age band, sex and site as words; what is not known is :data:`UNKNOWN`."""
    words: dict[str, Callable[[Row], str]] = {
        "age": lambda row: _band(row.age),
        "sex": lambda row: row.sex.strip().lower() or UNKNOWN,
        "site": lambda row: row.localization.strip().lower() or UNKNOWN,
    }
    return np.array([[words[name](row) for name in features] for row in rows])


def _band(age: float | None) -> str:
    if age is None or np.isnan(age):
        return UNKNOWN
    return f"band {sum(age >= edge for edge in BANDS)}"


def _targets(rows: Sequence[Row], labels: Sequence[str]) -> NDArray[np.int64]:
    return np.array([labels.index(row.dx) for row in rows], np.int64)


def _encoder(evidence: Evidence, subset: Sequence[str]) -> OneHotEncoder:
    """Knows the values of the rows that trained; another value is a row of zeros."""
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return encoder.fit(describe(evidence.known, subset))


def logarithms(probabilities: Doubles) -> Doubles:
    logarithms: Doubles = np.log(np.maximum(probabilities, LEAST))
    return logarithms


def with_columns(evidence: Evidence, subset: Sequence[str]) -> Doubles:
    told = _encoder(evidence, subset).transform(describe(evidence.rows, subset))
    return np.hstack([logarithms(evidence.served), told])


def with_prior(evidence: Evidence, told: Found) -> Doubles:
    """``(n, 2c)``: what the picture says, and how far the metadata moves each class."""
    prior = _class_shares(evidence.known, evidence.labels)
    moved = logarithms(told.probabilities[0]) - logarithms(prior)
    return np.hstack([logarithms(evidence.served), moved])


def _class_shares(rows: Sequence[Row], labels: Sequence[str]) -> Doubles:
    weights = lesion_weights([row.lesion_id for row in rows])
    counts = np.bincount(_targets(rows, labels), weights, len(labels)).astype(np.float64)
    shares: Doubles = counts / counts.sum()
    return shares


# --- Models --------------------------------------------------------------------------------------


def alone(evidence: Evidence, subset: Sequence[str]) -> Found:
    """p(dx | metadata) of the held-out rows, from the rows that trained the network."""
    encoder = _encoder(evidence, subset)
    known = evidence.known
    model = LogisticRegression(max_iter=1000).fit(
        encoder.transform(describe(known, subset)),
        _targets(known, evidence.labels),
        sample_weight=lesion_weights([row.lesion_id for row in known]),
    )
    told = encoder.transform(describe(evidence.rows, subset))
    probabilities = _all_classes(model, told, len(evidence.labels))
    said = _said(probabilities, _class_shares(known, evidence.labels))
    return Found(probabilities[None], said[None])


def _mixed(columns: Doubles, exponent: float = 0.0) -> Doubles:
    picture, moved = np.hsplit(columns, 2)
    return picture + exponent * moved


def _search(method: str, classes: int, seed: int) -> GridSearchCV:
    """Logistic regression, its one open setting chosen by folds of lesions inside."""
    model = LogisticRegression(max_iter=1000, tol=1e-3)
    grid: dict[str, Any] = {"model__C": STRENGTHS}
    scale = ColumnTransformer(
        [("picture", StandardScaler(), slice(0, classes))], remainder="passthrough"
    )
    steps = [("scale", scale), ("model", model)]
    if method == "prior":
        grid = {"mix__kw_args": [{"exponent": exponent} for exponent in EXPONENTS]}
        steps = [("mix", FunctionTransformer(_mixed)), *steps]
    inner = StratifiedGroupKFold(INNER, shuffle=True, random_state=seed)
    return GridSearchCV(Pipeline(steps), grid, scoring=_likelihood, cv=inner)


def _likelihood(model: Pipeline, columns: Doubles, targets: NDArray[np.int64]) -> float:
    probabilities = _all_classes(model, columns, int(targets.max()) + 1)
    return float(logarithms(probabilities[np.arange(len(targets)), targets]).mean())


def _all_classes(model: Any, columns: Doubles, classes: int) -> Doubles:
    """Probabilities with a column for every label, of 0 where the model met none."""
    spread = np.zeros((len(columns), max(classes, int(model.classes_.max()) + 1)))
    spread[:, model.classes_] = model.predict_proba(columns)
    return spread


def _said(probabilities: Doubles, shares: Doubles) -> NDArray[np.int64]:
    """The likeliest class if all were equally common: the best answer for balanced accuracy."""
    said: NDArray[np.int64] = (probabilities / np.maximum(shares, LEAST)).argmax(1)
    return said


def outer_folds(evidence: Evidence, folds: int, seed: int) -> list[tuple[Any, Any]]:
    """(taught, asked) numbers of rows; the pictures of a lesion are always together."""
    outer = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    return list(outer.split(evidence.targets, evidence.targets, evidence.lesions))


def cross_validate(
    evidence: Evidence,
    method: str,
    columns: Doubles,
    seed: int,
    folds: int,
    repeats: int,
    tick: Callable[[], object] = lambda: None,
) -> Found:
    """Every picture answered, in every repeat, by a model that was not taught its lesion.

    ``method`` is "picture", "added" or "prior", ``columns`` what belongs to it; ``tick`` is called
    after every fold.
    """
    classes, lesions = len(evidence.labels), np.asarray(evidence.lesions)
    probabilities = np.zeros((repeats, len(columns), classes))
    said = np.zeros((repeats, len(columns)), np.int64)
    chosen = []
    for repeat in range(repeats):
        for taught, asked in outer_folds(evidence, folds, seed + repeat):
            search = _search(method, classes, seed + repeat).fit(
                columns[taught],
                evidence.targets[taught],
                groups=lesions[taught],
                model__sample_weight=lesion_weights(lesions[taught]),
            )
            shares = _class_shares([evidence.rows[i] for i in taught], evidence.labels)
            probabilities[repeat, asked] = _all_classes(search, columns[asked], classes)
            said[repeat, asked] = _said(probabilities[repeat, asked], shares)
            [best] = search.best_params_.values()
            chosen.append(best["exponent"] if method == "prior" else best)
            tick()
    return Found(probabilities, said, tuple(chosen))
