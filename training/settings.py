"""The settings of a head, by the names that :class:`training.config.Config` gives them.

`tune` writes them, `crossval --settings` and `fit --settings` read them. ``arch`` says which
backbone; ``hidden`` goes to :func:`training.head.train_head` and is not `fit`'s.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from training.config import Config
from training.errors import TrainingError

Settings = Mapping[str, Any]
OF_CONFIG = frozenset(field.name for field in fields(Config))
HEAD_ONLY = ("hidden",)


def applied(config: Config, settings: Settings) -> tuple[Config, dict[str, Any]]:
    """``config`` with the settings it knows, and the others: arguments of ``train_head``."""
    own = {name: value for name, value in settings.items() if name in OF_CONFIG}
    return replace(config, **own), {name: settings[name] for name in HEAD_ONLY if name in settings}


@dataclass(frozen=True)
class Tuned:
    """The best settings of a ``tune.json``, and from which weights they were found.

    ``best`` is the best of all, ``fit`` the best that `fit` can use: without a hidden layer.
    """

    settings: Settings
    weights_sha256: str | None

    @classmethod
    def load(cls, path: Path, which: Literal["best", "fit"] = "best") -> Tuned:
        """Read what `tune` wrote; raises :class:`TrainingError` for anything else."""
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            if raw[which] is None:
                raise TrainingError(f"{path.name!r} has found nothing yet: search longer.")
            settings = raw[which]["settings"]
            found = cls(settings, raw["backbones"][settings["arch"]])
        except FileNotFoundError:
            raise TrainingError(f"There is no file {str(path)!r}; `tune` makes one.") from None
        except (ValueError, KeyError, TypeError) as error:
            raise TrainingError(f"{path.name!r} was not written by tune: {error!r}.") from error
        strange = set(settings) - OF_CONFIG - set(HEAD_ONLY)
        if strange:
            raise TrainingError(f"{path.name!r} has settings nobody knows: {sorted(strange)}.")
        return found

    def check(self, arch: str | None, weights_sha256: str | None) -> None:
        """Raises :class:`TrainingError` where another backbone is asked for."""
        if arch not in (None, self.settings["arch"]):
            raise TrainingError(f"The settings are for {self.settings['arch']}, not for {arch}.")
        if weights_sha256 != self.weights_sha256:
            raise TrainingError("The settings were found with other --weights than these.")
