"""The price of the 80 % rule, counted at every threshold and read again; and the shipped one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlservice.engine import Bundle, BundleError, shipped
from mlservice.engine.bundle import file_sha256
from mlservice.engine.judging.metrics import rule_price
from mlservice.engine.rule import RULE, THRESHOLDS, RulePrice, place_of, read_rule, write_rule
from tests.training.test_metrics import HARMFUL, LABELS, judged
from training.rule import price_of

Numbers = dict[str, Any]


def drawn(count: int = 400) -> Any:
    """Judged pictures of every class, some of them with a confidence exactly on a threshold."""
    rng = np.random.default_rng(11)
    targets = rng.integers(0, len(LABELS), count)
    logits = rng.normal(0, 1.5, (count, len(LABELS)))
    logits[np.arange(count), targets] += 1.5
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    p[:40] = 0.0
    p[:40, 0], p[:40, 1] = 0.8, 0.2
    return judged(targets, p, tiers=rng.choice(["green", "amber", "red"], count))


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """A bundle from before the file was one of its own: it lies beside."""
    return Bundle.load(shipped().with_name("skin-2"))


@pytest.fixture(scope="module")
def price(bundle: Bundle) -> RulePrice:
    return read_rule(bundle.folder, bundle.manifest, bundle.manifest_hash, bundle.metrics)


def test_the_counts_are_those_of_counting_by_hand() -> None:
    of = drawn()
    found = price_of(of, "skin-9")
    sure, said = of.probabilities.max(1), of.probabilities.argmax(1)
    for place, threshold in enumerate(THRESHOLDS):
        for number, label in enumerate(found.labels):
            own = [i for i in range(len(sure)) if of.targets[i] == number]
            missed = [i for i in own if sure[i] < threshold]
            assert label.no_disease[place] == len(missed)
            assert label.no_disease_green[place] == sum(of.tiers[i] == "green" for i in missed)
            named = set(own) - set(missed)
            assert label.right[place] == sum(said[i] == number for i in named)
    assert [label.name for label in found.harmful] == list(HARMFUL)


def test_the_threshold_itself_is_not_below_it() -> None:
    of = drawn()
    found = price_of(of, "skin-9")
    at, above = place_of(0.8), place_of(0.81)
    assert at is not None
    assert above is not None
    exactly = int((of.probabilities.max(1) == 0.8).sum())
    assert exactly == 40
    assert found.totals(above).no_disease - found.totals(at).no_disease >= exactly


def test_at_the_shipped_threshold_it_is_the_price_of_the_metrics() -> None:
    of = drawn()
    place = place_of(of.threshold)
    assert place is not None
    found = price_of(of, "skin-9")
    for name, row in rule_price(of).items():
        label = next(label for label in found.labels if label.name == name)
        assert (label.n, label.no_disease[place]) == (row["n"], row["no_disease"])
        assert label.no_disease_green[place] == row["no_disease_green"]


@pytest.mark.parametrize("name", ["skin-2", "skin-2.1"])
def test_a_shipped_version_has_its_price(name: str) -> None:
    """The file that is committed, against the numbers that were measured when it was made."""
    bundle = Bundle.load(shipped().with_name(name))
    price = read_rule(bundle.folder, bundle.manifest, bundle.manifest_hash, bundle.metrics)
    beside = name == "skin-2"  # it was there before: its manifest must not change
    assert (RULE in bundle.manifest.sha256) is not beside
    assert price.part == "test"
    place = place_of(bundle.threshold)
    assert place is not None
    harmful = price.totals(place, price.harmful)
    metrics = bundle.metrics
    assert harmful.n == metrics["n_malignant"]
    assert harmful.no_disease == metrics["rule_no_disease_malignant"]
    assert harmful.no_disease_green == metrics["rule_no_disease_malignant_green"]
    everyone = price.totals(place)
    assert everyone.n == metrics["n"]
    for kind, row in metrics["rule"].items():
        label = next(label for label in price.labels if label.name == kind)
        assert label.no_disease[place] == row["no_disease"]
    lowest = price.totals(0)
    right = round(metrics["accuracy"] * metrics["n"])
    assert right - lowest.no_disease <= lowest.right <= right


def test_what_is_written_is_read_again(tmp_path: Path, price: RulePrice, bundle: Bundle) -> None:
    write_rule(price, tmp_path / RULE)
    assert json.loads((tmp_path / RULE).read_text()) == price.as_dict()
    again = read_rule(tmp_path, bundle.manifest, bundle.manifest_hash, bundle.metrics)
    assert again == price


def spoilt(price: RulePrice) -> dict[str, tuple[Numbers, str]]:
    whole = price.as_dict()
    missed = dict(whole["labels"])
    first = next(iter(missed))
    row = missed[first]
    at = place_of(price.threshold)
    assert at is not None
    flat = [row["no_disease"][at] + 1] * len(THRESHOLDS)
    some = [min(count, row["n"] - flat[0]) for count in [row["right"][at]] * len(THRESHOLDS)]
    made_up = [row["n"] - count for count in row["no_disease"]]
    return {
        "another bundle's": (whole | {"manifest_hash": "0" * 64}, "belongs to another bundle"),
        "of other pictures": (whole | {"split_hash": "0" * 64}, "other pictures"),
        "of another part": (whole | {"part": "validation"}, "other pictures"),
        "of pictures nobody names": (whole | {"data_hash": ""}, "other pictures"),
        "another threshold": (whole | {"threshold": 0.79}, "differ at the shipped threshold"),
        "other counts": (
            whole | {"labels": missed | {first: row | {"no_disease": flat, "right": some}}},
            "differ at the shipped threshold",
        ),
        "right too often": (
            whole | {"labels": missed | {first: row | {"right": made_up}}},
            "what is right or GREEN",
        ),
        "right too seldom": (
            whole | {"labels": missed | {first: row | {"right": [0] * 70}}},
            "what is right or GREEN",
        ),
        "more than there are": (
            whole | {"labels": missed | {first: row | {"no_disease": [row["n"] + 1] * 70}}},
            "not readable",
        ),
        "falling counts": (
            whole | {"labels": missed | {first: row | {"no_disease": row["no_disease"][::-1]}}},
            "not readable",
        ),
        "too few": (
            whole | {"labels": missed | {first: row | {"right": row["right"][1:]}}},
            "not readable",
        ),
        "another number of pictures": (whole | {"n": 5}, "not readable"),
        "another format": (whole | {"format": 2}, "not readable"),
        "words": (whole | {"labels": "none"}, "not readable"),
    }


@pytest.mark.parametrize(
    "what",
    [
        "another bundle's", "of other pictures", "of another part", "of pictures nobody names",
        "another threshold", "other counts", "right too often", "right too seldom",
        "more than there are", "falling counts", "too few",
        "another number of pictures", "another format", "words",
    ],
)  # fmt: skip
def test_a_file_that_does_not_fit_its_bundle_is_not_taken(
    what: str, tmp_path: Path, price: RulePrice, bundle: Bundle
) -> None:
    content, sentence = spoilt(price)[what]
    (tmp_path / RULE).write_text(json.dumps(content))
    with pytest.raises(BundleError, match=sentence):
        read_rule(tmp_path, bundle.manifest, bundle.manifest_hash, bundle.metrics)


def test_a_bundles_own_file_is_held_to_its_hash(
    tmp_path: Path, price: RulePrice, bundle: Bundle
) -> None:
    """It names no manifest: the manifest names it."""
    write_rule(replace(price, manifest_hash=""), tmp_path / RULE)
    hashes = {**bundle.manifest.sha256, RULE: file_sha256(tmp_path / RULE)}
    manifest = replace(bundle.manifest, sha256=hashes)
    assert read_rule(tmp_path, manifest, "any", bundle.metrics).labels == price.labels
    with pytest.raises(BundleError, match="another bundle"):
        read_rule(tmp_path, bundle.manifest, bundle.manifest_hash, bundle.metrics)
    write_rule(price, tmp_path / RULE)
    with pytest.raises(BundleError, match="its hash differs"):
        read_rule(tmp_path, manifest, "any", bundle.metrics)


def test_where_nothing_was_measured_it_says_so(tmp_path: Path, bundle: Bundle) -> None:
    with pytest.raises(BundleError, match="never measured"):
        read_rule(tmp_path, bundle.manifest, bundle.manifest_hash, bundle.metrics)
