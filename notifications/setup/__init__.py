"""Setting messages up: what is there, what is missing, and what really happens when it is tried.

The page reads settings, rows and the results of earlier checks, so it is quick whatever Twilio
does. A check runs when somebody presses its button, is given up after :data:`SECONDS`, and is kept
with its time.
"""

from __future__ import annotations

from typing import Final

# What one press may take, whatever is at the other end.
SECONDS: Final = 4.5
