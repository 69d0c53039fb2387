"""Golden images: the proof, at every worker start, that this machine computes the same model."""

from __future__ import annotations

import numpy as np

from mlservice.engine.bundle import Bundle
from mlservice.engine.preprocess import prepare
from mlservice.engine.types import BundleError, PictureError, PredictError, Predictor

# Logits differ by about 1e-5 between kernels and processors; a swapped colour channel, another
# resize filter or another network differ by 0.1 and more.
TOLERANCE = 1e-3


def check_golden(bundle: Bundle, predictor: Predictor) -> None:
    """Score the shipped golden pictures from their files and compare with their shipped logits.

    Covers decoding, :func:`prepare`, the network and the order of its labels. Raises
    :class:`BundleError` when a logit is off by more than :data:`TOLERANCE` or not a number, or
    when there are no golden pictures.
    """
    paths = bundle.golden_images
    if not paths:
        raise BundleError(f"The bundle {bundle.version!r} has no golden pictures to check it by.")
    try:
        batch = np.stack([prepare(path, bundle.side) for path in paths])
        scores = predictor.predict(batch)
    except (PictureError, PredictError) as error:
        raise BundleError(f"The golden pictures could not be scored: {error}") from error
    for path, raw in zip(paths, scores, strict=True):
        expected = np.asarray(bundle.golden_logits[str(path.relative_to(bundle.folder))])
        if expected.shape != raw.logits.shape:
            raise BundleError(f"The golden logits of {path.name!r} are not one for each label.")
        gap = float(np.abs(raw.logits - expected).max())
        if not gap <= TOLERANCE:  # written so that NaN fails too
            raise BundleError(
                f"The golden picture {path.name!r} scores differently here than where the bundle "
                f"was made: a logit is off by {gap:.2g} (allowed: {TOLERANCE})."
            )
