"""The model we ship: its numbers agree with each other, the card, the front page and itself."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlservice.engine import Bundle, open_predictor, shipped
from training.cli import main
from training.handful import LABELS, PICTURES, RESULTS, examine_handful
from training.release import gate_verdict, release_gate
from training.tables import shown

ROOT = Path(__file__).resolve().parents[2]
Numbers = dict[str, Any]
CLOSE = 1e-3  # of a probability: processors differ by less, another network by far more


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.load(shipped())


@pytest.fixture(scope="module")
def metrics(bundle: Bundle) -> Numbers:
    return bundle.metrics


def test_the_counts_add_up(metrics: Numbers, bundle: Bundle) -> None:
    confusion = np.array(metrics["confusion"])
    assert list(metrics["classes"]) == list(bundle.labels)
    assert confusion.sum() == metrics["n"] >= metrics["lesions"]
    assert confusion.sum(1).tolist() == list(metrics["classes"].values())
    assert metrics["n_malignant"] == sum(metrics["classes"][name] for name in bundle.harmful)
    assert [row["n"] for row in metrics["rule"].values()] == [
        metrics["classes"][name] for name in bundle.harmful
    ]
    for values in metrics["subgroups"].values():
        assert sum(group["n"] for group in values.values()) == metrics["n"]


def test_the_scores_follow_from_the_confusion(metrics: Numbers) -> None:
    confusion = np.array(metrics["confusion"], float)
    right = confusion.diagonal()
    recall, precision = right / confusion.sum(1), right / confusion.sum(0)
    f1 = 2 * right / (confusion.sum(0) + confusion.sum(1))
    assert list(metrics["recall"].values()) == pytest.approx(recall.tolist())
    assert list(metrics["precision"].values()) == pytest.approx(precision.tolist())
    assert list(metrics["f1"].values()) == pytest.approx(f1.tolist())
    assert metrics["bmca"] == pytest.approx(recall.mean())
    assert metrics["accuracy"] == pytest.approx(right.sum() / confusion.sum())


def test_the_tiers_and_the_rule_agree(metrics: Numbers) -> None:
    sick = metrics["n_malignant"]
    assert metrics["green_malignant"] == round(sick * (1 - metrics["malignant_flagged"]))
    assert metrics["melanoma_red"] <= metrics["melanoma_flagged"] <= 1
    assert metrics["green_benign"] + metrics["red_benign"] <= 1
    rule = metrics["rule"].values()
    assert metrics["rule_no_disease_malignant"] == sum(row["no_disease"] for row in rule)
    for row in rule:
        tiers = sum(row[f"no_disease_{tier}"] for tier in ("red", "amber", "green"))
        assert tiers == row["no_disease"] <= row["n"]


def test_every_number_lies_in_its_interval(metrics: Numbers) -> None:
    jumpy = "specificity_at_"  # one more or less sick picture moves its cut: percentiles may miss
    intervals = [name for name in metrics if f"{name}_interval" in metrics and jumpy not in name]
    assert len(intervals) >= 10
    for name in intervals:
        value, limits = metrics[name], metrics[f"{name}_interval"]
        if isinstance(value, dict):
            pairs = [(value[key], limits[key]) for key in value if limits[key] is not None]
        else:
            pairs = [(value, limits)] if limits is not None else []
        for number, (low, high) in pairs:
            assert low - 1e-9 <= number <= high + 1e-9, name


def test_the_cards_verdict_is_the_numbers_own(metrics: Numbers, bundle: Bundle) -> None:
    assert release_gate(metrics)["passed"], "what we ship fails its release gate"
    assert metrics["release_gate"] == release_gate(metrics)
    card = bundle.card_path.read_text(encoding="utf-8")
    assert gate_verdict(metrics) in card
    assert f"balanced accuracy {shown(metrics, 'bmca')}" in card
    assert bundle.manifest.training["data_hash"][:16] in card


# What the front page and docs/model.md call a number -> its key. A label ends its cell.
CALLED = {
    "balanced accuracy": "bmca",
    "auc malignant against benign": "malignancy_auc",
    "harmful against benign, auc": "malignancy_auc",
    "melanoma auc": "melanoma_auc",
    "melanoma, auc": "melanoma_auc",
    "melanomas red": "melanoma_red",
    "melanomas red or amber": "melanoma_flagged",
    "harmful pictures ending green": "green_malignant",
    "benign pictures green": "green_benign",
    "benign pictures red": "red_benign",
    "calibration error": "ece",
}
NUMBER = r"\d+(?:\.\d+)?"


def quoted(text: str) -> list[tuple[str, str]]:
    """Key and the cell that follows its label, in every table of a Markdown text."""
    found = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        for label, cell in itertools.pairwise(cells):
            key = CALLED.get(label.lower())
            if key is not None and re.match(NUMBER, cell):
                found.append((key, cell))
    return found


@pytest.mark.parametrize("page", ["README.md", "docs/model.md"])
def test_the_pages_quote_the_shipped_numbers(page: str, metrics: Numbers) -> None:
    cells = quoted((ROOT / page).read_text(encoding="utf-8"))
    assert {"bmca", "malignancy_auc", "melanoma_red", "green_malignant"} <= {k for k, _ in cells}
    for key, cell in cells:
        value = metrics[key]
        assert cell.startswith(str(value) if isinstance(value, int) else f"{value:.3f}"), (
            f"{page} says {cell!r} of {key}; the shipped bundle says {shown(metrics, key)}"
        )
        stated = re.search(rf"\(({NUMBER})–({NUMBER})\)", cell)
        if stated is not None:
            assert stated[0] in shown(metrics, key), f"{page}: {cell!r} is another interval"
        of = re.search(r"\bof (\d+)", cell)
        if of is not None and key == "green_malignant":
            assert int(of[1]) == metrics["n_malignant"]


def test_a_quoted_number_that_is_wrong_would_be_seen() -> None:
    assert quoted("| balanced accuracy | 0.5 (0.4–0.6) | melanomas RED | 0.9 |") == [
        ("bmca", "0.5 (0.4–0.6)"),
        ("melanoma_red", "0.9"),
    ]


def test_the_handful_scores_as_when_the_bundle_was_made(bundle: Bundle) -> None:
    """Committed pictures our own code drew, through the shipped network, once more."""
    kept = json.loads((bundle.folder / RESULTS).read_text(encoding="utf-8"))
    now = examine_handful(bundle, open_predictor(bundle, "cpu"))
    assert set(now["pictures"]) == set(kept["pictures"])
    assert len(kept["pictures"]) >= 24
    for name, picture in kept["pictures"].items():
        again = now["pictures"][name]
        assert again["probabilities"] == pytest.approx(picture["probabilities"], abs=CLOSE), name
        assert again["tier"] == picture["tier"], name
    same_numbers(now["metrics"], kept["metrics"])


def test_the_command_repeats_the_handfuls_numbers(
    bundle: Bundle, capfd: pytest.CaptureFixture[str]
) -> None:
    kept = json.loads((bundle.folder / RESULTS).read_text(encoding="utf-8"))["metrics"]
    data = ["--images", str(bundle.folder / PICTURES), "--labels", str(bundle.folder / LABELS)]
    resamples = ["--resamples", str(kept["resamples"])]
    assert main(["evaluate", *data, "--json", *resamples]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found.pop("bundle") == bundle.folder.name
    assert found.pop("heard") == {"age": 0, "site": 0}, "the drawings are of nobody"
    same_numbers(found, kept)


def same_numbers(found: Any, kept: Any) -> None:
    """Alike all the way down, numbers within :data:`CLOSE`."""
    if isinstance(kept, dict):
        assert set(found) == set(kept)
        for name, value in kept.items():
            same_numbers(found[name], value)
    elif isinstance(kept, list):
        assert len(found) == len(kept)
        for one, other in zip(found, kept, strict=True):
            same_numbers(one, other)
    elif isinstance(kept, float):
        assert found == pytest.approx(kept, abs=CLOSE)
    else:
        assert found == kept
