"""Drawn pictures for the demo and the style guide. They show no patient and mean nothing."""

from __future__ import annotations

import io
from functools import cache

from PIL import Image

from mlservice.packs.skin.drawing import draw

SEED = 7
SIZE = (1200, 900)


@cache
def the_same_mark() -> tuple[bytes, bytes]:
    """One mark at two times, as JPEGs: the second nearer, a little turned, with other hairs."""
    first, later = (
        draw(SEED, kind="nv", size=SIZE, hair=hair, phone=True, skin_tone=2) for hair in (3, 6)
    )
    turned = later.rotate(5, resample=Image.Resampling.BICUBIC)
    nearer = turned.crop((150, 112, 1050, 787)).resize(SIZE, Image.Resampling.LANCZOS)
    return jpeg(first), jpeg(nearer)


def jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()
