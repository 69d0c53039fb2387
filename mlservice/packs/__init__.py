"""Disease areas as data: one folder a pack, read from ``pack.toml``; nothing of ours is imported.

>>> pack = load_pack("skin")
>>> pack.label("mel").harmful
True
"""

from mlservice.packs.model import (
    Choice,
    Label,
    Outcome,
    Pack,
    PackError,
    PhotoKind,
    Points,
    Question,
    Site,
    UrgencyRule,
    available_packs,
    load_pack,
)

__all__ = [
    "Choice",
    "Label",
    "Outcome",
    "Pack",
    "PackError",
    "PhotoKind",
    "Points",
    "Question",
    "Site",
    "UrgencyRule",
    "available_packs",
    "load_pack",
]
