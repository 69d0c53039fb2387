"""Whose labels: the pack says which classes there are and which are harmful."""

from __future__ import annotations

from mlservice.packs import PackError, load_pack
from training.errors import TrainingError


def pack_labels(pack: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The labels of a pack in its order, and the harmful ones among them."""
    try:
        labels = load_pack(pack).labels
    except PackError as error:
        raise TrainingError(str(error)) from error
    return tuple(x.name for x in labels), tuple(x.name for x in labels if x.harmful)
