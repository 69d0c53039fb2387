"""The words the engine speaks: what goes in, what comes out. No Django, no framework.

A *picture* is a ``uint8`` array of shape ``(side, side, 3)``, RGB, made by
:func:`mlservice.engine.preprocess.prepare`, the one preprocessing function of training and
serving. Scores travel by label *name*; two numberings of HAM10000's classes circulate and
mixing them swaps melanoma with naevus.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Floats = NDArray[np.float32]
Heat = NDArray[np.uint8]  # (labels, grid, grid), see mlservice.engine.heatmap
Metadata = Mapping[str, str]  # what is known beside the picture: {"age": "from_50", "site": "back"}


class Tier(StrEnum):
    """How soon a doctor must look. Ordered: ``Tier.RED.outranks(Tier.AMBER)``."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"

    @property
    def rank(self) -> int:
        return {"green": 0, "amber": 1, "red": 2}[self.value]

    def raised_to(self, other: Tier) -> Tier:
        """The more urgent of the two: a tier is only ever raised."""
        return other if other.rank > self.rank else self


class Modality(StrEnum):
    """How the picture was taken, as declared by the sender or detected by the engine.

    The engine may also find that there is nothing to judge: a picture that does not show what the
    pack is about (``not_skin``, the first pack's word for it), or one without a mark.
    """

    DERMOSCOPIC = "dermoscopic"
    RADIOGRAPH = "radiograph"
    PHONE = "phone"
    NOT_SKIN = "not_skin"
    NO_LESION = "no_lesion"

    @property
    def shows_a_mark(self) -> bool:
        """Whether the scores mean anything: a class is named of a mark only."""
        return self not in (Modality.NOT_SKIN, Modality.NO_LESION)


class EngineError(Exception):
    """The engine cannot do what was asked; the message says why in a sentence."""


class BundleError(EngineError):
    """A bundle is missing, damaged, or fails its golden images: refuse to serve it."""


class PictureError(EngineError):
    """Bytes that are not a readable picture; the message names the file where there is one."""


class PredictError(EngineError):
    """A batch could not be scored (wrong shape, not finite, engine crash)."""


@dataclass(frozen=True, slots=True)
class RawScores:
    """What the network says of one picture, before calibration.

    ``logits`` has shape ``(classes,)`` in the order of ``Bundle.labels``; ``embedding`` is the
    pooled feature vector. Both ``float32``. ``class_maps`` ``(h, w, classes)`` say which places the
    logits came from, where that was asked for and the network can tell.
    """

    logits: Floats
    embedding: Floats
    class_maps: Floats | None = None


class Predictor(Protocol):
    """One loaded network. ``load`` once, then ``predict`` for ever.

    ``predict`` takes ``uint8`` of shape ``(n, side, side, 3)`` and returns exactly ``n`` results
    or raises :class:`PredictError`; a picture's result does not depend on its batch-mates.
    ``mapped`` are the places in the batch whose class maps are wanted too.
    """

    name: str  # for the receipt, e.g. "litert-2.3.0 cpu"
    batch_size: int  # the number of forwards per call that pays on this engine

    def predict(self, batch: Picture, mapped: Container[int] = ()) -> Sequence[RawScores]: ...


@dataclass(frozen=True, slots=True)
class PictureAssessment:
    """Everything the computer says about one picture; stored, never edited.

    ``probabilities`` are calibrated (softmax of logits / T, averaged over the views) and
    unrounded. ``metadata`` is what is known beside the picture and moved them;
    ``by_picture`` is what they were without, ``None`` where nothing did. The ``risk`` is of the
    picture alone, at its own share of the prior (:mod:`mlservice.engine.reading`): it is the sum of
    the harmful labels' probabilities only where the bundle has no reading of its own for it.
    ``label`` is ``None`` exactly when ``no_disease``; ``no_disease`` is exactly
    ``confidence < threshold``. ``tier`` is the *picture's* tier: answers may raise it later.
    ``rotation_risks`` are means over the bundle's fields. ``reasons`` are stable codes, most
    urgent first: ``risk_r95``, ``risk_r99``, ``out_of_distribution``, ``unstable``,
    ``modality_unproven``, ``modality_mismatch``, ``not_skin``, ``no_lesion``. Of a picture whose
    ``modality`` does not show a mark, the scores mean nothing: they are kept, and no class may be
    named from them. ``heat`` says where the network found what speaks for each label, in the order
    of their names; ``None`` where it cannot tell.
    """

    probabilities: Mapping[str, float]
    top_label: str
    confidence: float
    no_disease: bool
    label: str | None
    risk: float
    stable: bool
    rotation_risks: tuple[float, float, float, float]
    out_of_distribution: bool
    distance: float
    modality: Modality
    conformal_set: tuple[str, ...]
    tier: Tier
    reasons: tuple[str, ...]
    embedding: Floats
    heat: Heat | None = None
    metadata: Metadata = field(default_factory=dict)
    by_picture: Mapping[str, float] | None = None
