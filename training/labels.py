"""Whose labels: the pack says which classes there are, which are harmful, and of what pictures."""

from __future__ import annotations

from mlservice.engine import Modality
from mlservice.packs import PackError, load_pack
from training.errors import TrainingError


def pack_labels(pack: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The labels of a pack in its order, and the harmful ones among them."""
    try:
        labels = load_pack(pack).labels
    except PackError as error:
        raise TrainingError(str(error)) from error
    return tuple(x.name for x in labels), tuple(x.name for x in labels if x.harmful)


def pack_modality(pack: str) -> Modality:
    """The kind of picture a pack's network is measured on: the scored one that is no phone's."""
    kinds = {kind.modality for kind in load_pack(pack).photo_kinds if kind.scored}
    proven = sorted(kinds - {Modality.PHONE.value})
    if len(proven) != 1:
        raise TrainingError(
            f"The pack {pack!r} must have one kind of picture to measure on beside phone photos; "
            f"it has {', '.join(proven) or 'none'}."
        )
    return Modality(proven[0])
