"""The networks this worker process holds, loaded once and checked before the first answer."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from django.conf import settings

from mlservice.engine import Bundle, BundleError, Predictor, check_golden, open_predictor
from mlservice.models import ModelVersion
from mlservice.registry import verified

logger = logging.getLogger(__name__)
RETRY_AFTER = 10.0  # seconds until a refused bundle is looked at again


@dataclass(frozen=True, slots=True)
class Served:
    """A bundle whose golden images came out right on this machine, and its network."""

    bundle: Bundle
    predictor: Predictor


@dataclass(frozen=True, slots=True)
class Refused:
    """A bundle that may not be served: why, and when that was found by the monotonic clock."""

    reason: str
    at: float

    @property
    def fresh(self) -> bool:
        return time.monotonic() - self.at < RETRY_AFTER


@dataclass
class Shelf:
    """Loaded versions by primary key. One per process; used by one thread."""

    loaded: dict[int, Served] = field(default_factory=dict)
    refused: dict[int, Refused] = field(default_factory=dict)
    before_loading: Callable[[], None] = lambda: None  # told because it takes seconds

    def get(self, version: ModelVersion) -> Served | None:
        """The version ready to serve, or ``None`` where its bundle is refused (and logged)."""
        if served := self.loaded.get(version.pk):
            return served
        known = self.refused.get(version.pk)
        if known and known.fresh:
            return None
        self.before_loading()
        try:
            served = load(version)
        except BundleError as error:
            self.refused[version.pk] = Refused(str(error), time.monotonic())
            logger.error("Refusing to serve %s: %s", version, error)  # noqa: TRY400 - a sentence
            return None
        self.refused.pop(version.pk, None)
        self.loaded[version.pk] = served
        return served


def load(version: ModelVersion) -> Served:
    """Load and prove one version; raises :class:`BundleError` with what is wrong."""
    bundle = verified(version)
    predictor = open_predictor(bundle, settings.MODEL_DEVICE)
    check_golden(bundle, predictor)
    logger.info("Serving %s on %s", version, predictor.name)
    return Served(bundle, predictor)
