"""The networks this worker process holds, loaded once and checked before the first answer."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
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
    loading: dict[int, Future[Served | Refused]] = field(default_factory=dict)

    def get(self, version: ModelVersion) -> Served | None:
        """The version ready to serve, or ``None`` where its bundle is refused (and logged)."""
        if served := self.loaded.get(version.pk):
            return served
        known = self.refused.get(version.pk)
        if known and known.fresh:
            return None
        self.before_loading()
        self.loading.pop(version.pk, None)
        return self._put(version, _tried(version))

    def prepare(self, version: ModelVersion) -> None:
        """Have it loaded beside the work, for nobody waits for it: it is there some seconds later.

        Call it again until it is; the one thread that uses the shelf takes it in.
        """
        known = self.refused.get(version.pk)
        if version.pk in self.loaded or (known and known.fresh):
            return
        begun = self.loading.get(version.pk)
        if begun is None:
            begun = self.loading[version.pk] = Future()
            loads = threading.Thread(target=_load_beside, args=(version, begun), daemon=True)
            loads.start()
        elif begun.done():
            del self.loading[version.pk]
            self._put(version, begun.result())

    def _put(self, version: ModelVersion, found: Served | Refused) -> Served | None:
        if isinstance(found, Refused):
            self.refused[version.pk] = found
            return None
        self.refused.pop(version.pk, None)
        self.loaded[version.pk] = found
        return found


def _tried(version: ModelVersion) -> Served | Refused:
    try:
        return load(version)
    except BundleError as error:
        logger.error("Refusing to serve %s: %s", version, error)  # noqa: TRY400 - a sentence
        return Refused(str(error), time.monotonic())


def _load_beside(version: ModelVersion, to: Future[Served | Refused]) -> None:
    try:
        to.set_result(_tried(version))
    except Exception as error:  # whatever it is: the thread that serves does not fall with it
        logger.exception("%s could not be loaded", version)
        to.set_result(Refused(repr(error), time.monotonic()))


def load(version: ModelVersion) -> Served:
    """Load and prove one version; raises :class:`BundleError` with what is wrong."""
    bundle = verified(version)
    predictor = open_predictor(bundle, settings.MODEL_DEVICE)
    check_golden(bundle, predictor)
    logger.info("Serving %s on %s", version, predictor.name)
    return Served(bundle, predictor)
