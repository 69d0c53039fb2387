"""``explore --beside``: the numbers of the folders that a bundle was trained on, and no others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mlservice.engine import Bundle, shipped
from training.data import read_folder
from training.errors import TrainingError
from training.explore.beside import beside, folder_of
from training.labels import pack_labels


def trained(bundle: Bundle, *hashes: str) -> Bundle:
    """The bundle, as if it had been trained on folders with these hashes."""
    first, *others = hashes
    config = {"also": [["other", digest] for digest in others]}
    training = {**bundle.manifest.training, "data_hash": first, "config": config}
    return replace(bundle, manifest=replace(bundle.manifest, training=training))


def test_the_folders_are_counted_and_named(drawn: Path) -> None:
    rows = read_folder(drawn, pack_labels("skin")[0])
    found = folder_of(rows, "drawn")
    assert (found.name, found.licence) == ("drawn", "")
    assert found.pictures == len(rows) == sum(found.classes.values())
    assert found.lesions == len({row.lesion_id for row in rows})
    assert found.sites == {"back": {"male": len(rows)}}
    assert found.ages == {"50": len(rows)}


def test_only_the_folders_it_was_trained_on_stand_beside_it(drawn: Path, further: Path) -> None:
    labels = pack_labels("skin")[0]
    one, two = (folder_of(read_folder(path, labels), path.name) for path in (drawn, further))
    bundle = trained(Bundle.load(shipped()), one.data_hash, two.data_hash)
    found = beside(bundle, [one, two])
    assert found.manifest_hash == bundle.manifest_hash
    assert found.pictures == one.pictures + two.pictures
    assert found.classes.total() == found.pictures
    with pytest.raises(TrainingError, match="name them all"):
        beside(bundle, [one])
    with pytest.raises(TrainingError, match="was not trained on"):
        beside(trained(bundle, one.data_hash), [one, two])
