"""What is measured of a photo at once: is it sharp, lit, large enough, of what it should be?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mlservice.engine.glance import colours_of, copy_of, palettes, placement, score
from mlservice.packs import Glance

# The cuts of the quality check, on a copy of at most 512 pixels. A needless retake costs a patient
# more trust than a soft photo costs the doctor, so they are mild; docs/gates.md says what each
# refuses. Detail is as weak as its light, so below MIDDLING the focus cut falls with it, and the
# cut for darkness leaves room: dark is not badly lit, nor blurred.
QUALITY_SIDE = 512
FOCUS_CUT = 3.2  # variance of the Laplacian, grey levels squared
MIDDLING = 110.0  # mean grey level, 0..255
DARK_CUT = 35.0
BRIGHT_CUT = 235.0
CLIPPED_CUT = 0.30  # share of pixels at 250 and above
SMALL_CUT = 200  # short side, pixels

UNSEEN = Glance()


@dataclass(frozen=True, slots=True)
class Quality:
    """What was measured. ``reasons`` and ``hints`` are keys of ``Pack.quality``.

    Without reasons all is well. A hint is told beside the photo and changes nothing. ``strange``
    and ``misplaced`` are the scores of the pack's glance, found from 0 on; ``None``: not looked at.
    """

    focus: float
    brightness: float
    clipped: float
    reasons: tuple[str, ...]
    hints: tuple[str, ...] = ()
    strange: float | None = None
    misplaced: float | None = None

    def as_dict(self) -> dict[str, object]:
        return {
            "focus": round(self.focus, 2),
            "brightness": round(self.brightness, 1),
            "clipped": round(self.clipped, 3),
            "reasons": list(self.reasons),
            "hints": list(self.hints),
            "strange": self.strange and round(self.strange, 2),
            "misplaced": self.misplaced and round(self.misplaced, 2),
        }

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Self:
        """As :meth:`as_dict` stored it, today or before there were hints."""
        return cls(
            focus=stored["focus"],
            brightness=stored["brightness"],
            clipped=stored["clipped"],
            reasons=tuple(stored["reasons"]),
            hints=tuple(stored.get("hints", ())),
            strange=stored.get("strange"),
            misplaced=stored.get("misplaced"),
        )


def judge(image: Image.Image, glance: Glance = UNSEEN) -> Quality:
    """Focus, light and size of an RGB picture, and what ``glance`` finds in it."""
    small = image.convert("L")
    small.thumbnail((QUALITY_SIDE, QUALITY_SIDE), Image.Resampling.LANCZOS, reducing_gap=3.0)
    grey = np.asarray(small, dtype=np.float32)
    focus, brightness = _laplacian_variance(grey), float(grey.mean())
    clipped = float((grey >= 250).mean())
    found = {
        "too_small": min(image.size) < SMALL_CUT,
        "too_dark": brightness < DARK_CUT,
        "too_bright": brightness > BRIGHT_CUT or clipped > CLIPPED_CUT,
        "blurred": focus < FOCUS_CUT * min(1.0, brightness / MIDDLING),
    }
    strange, misplaced = _glanced(image, glance)
    # What is shown in bad light nobody can say, and where it lies matters once the rest is well.
    seen = not (found["too_dark"] or found["too_bright"])
    if glance.strange and strange is not None:
        found[glance.strange.code] = seen and strange >= 0
    reasons = tuple(code for code, bad in found.items() if bad)
    hinted = glance.misplaced and misplaced is not None and misplaced >= 0 and not reasons
    hints = (glance.misplaced.code,) if glance.misplaced and hinted else ()
    return Quality(focus, brightness, clipped, reasons, hints, strange, misplaced)


def _glanced(image: Image.Image, glance: Glance) -> tuple[float | None, float | None]:
    """The scores of both signs; a photo is no stranger than its whole or its middle."""
    if glance == UNSEEN:
        return None, None
    colours, strange, misplaced = colours_of(copy_of(image)), glance.strange, glance.misplaced
    return (
        min(score(each, strange.weights, strange.bias) for each in palettes(colours))
        if strange
        else None,
        score(placement(colours), misplaced.weights, misplaced.bias) if misplaced else None,
    )


def _laplacian_variance(grey: NDArray[np.float32]) -> float:
    """How much fine detail there is: low on a blurred photo, whatever its subject."""
    centre = -4 * grey[1:-1, 1:-1]
    edges = centre + grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float(edges.var())
