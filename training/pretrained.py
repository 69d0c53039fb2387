"""Where pretrained weights come from: Keras's own download, or a file Keras wrote."""

from __future__ import annotations

import socket
import textwrap
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal

import keras
import numpy as np

from training.errors import TrainingError

IMAGENET: Final[Literal["imagenet"]] = "imagenet"
SHAPE = (224, 224, 3)  # the weights are the same for any; some warn without one
SILENCE = 20.0  # seconds without an answer from the server until we give up

Source = Callable[..., Any]  # one of keras.applications: (weights, include_top, …) -> Model


def download(name: str, body: keras.Model, source: Source) -> None:
    """Give ``body`` the ImageNet weights Keras downloads, or has downloaded before.

    Keras compares the file's hash with one of its own. Raises :class:`TrainingError` where there
    is no network.
    """
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SILENCE)  # Keras waits for ever otherwise
    try:
        pretrained = source(weights=IMAGENET, include_top=False, input_shape=SHAPE)
    except Exception as error:
        # A failed download is a bare Exception of Keras; anything more exact is a fault of ours.
        if type(error) is not Exception and not isinstance(error, OSError):
            raise
        raise TrainingError(
            f"The pretrained weights of {name!r} could not be downloaded ({_brief(error)}). Give "
            "a file with --weights PATH, or start from random ones with --weights none."
        ) from error
    finally:
        socket.setdefaulttimeout(before)
    body.set_weights(pretrained.get_weights())


def load_keras(body: keras.Model, path: Path) -> None:
    """Read ``.weights.h5``, ``.keras``, or the ``.h5`` of keras.applications into ``body``.

    What the file holds after the body, a classifier, is left out. Raises :class:`ValueError`
    saying why when a weight is missing, of another shape or not finite.
    """
    # Keras leaves some layers as they were when the file lacks them; a NaN that stays tells.
    body.set_weights([np.full(weight.shape, np.nan, weight.dtype) for weight in body.get_weights()])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras's hundreds about what the check below says once
            body.load_weights(path)
    except (ValueError, OSError, KeyError, AttributeError, zipfile.BadZipFile) as error:
        raise ValueError(_brief(error)) from error
    for weight in body.weights:
        if not np.isfinite(keras.ops.convert_to_numpy(weight)).all():
            raise ValueError(f"{weight.path} is missing or not finite.")


def _brief(error: Exception) -> str:
    return textwrap.shorten(str(error), 300, placeholder=" …")
