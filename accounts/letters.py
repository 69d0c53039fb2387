"""Letters of accounts, which are sent while somebody waits."""

from __future__ import annotations

import logging
from collections.abc import Callable

logger = logging.getLogger(__name__)


def left(send: Callable[[], object], what: str) -> bool:
    """Send it. ``False`` where the mail server is away or refuses, which undoes nothing else.

    Only the kind of trouble is logged: its words may hold the address.
    """
    try:
        send()
    except OSError as error:
        logger.error("%s was not sent: %s", what, type(error).__name__)  # noqa: TRY400 - its words may name who
        return False
    return True
