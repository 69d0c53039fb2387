"""Disease areas as data: one folder of TOML a pack; nothing of ours is imported.

>>> pack = load_pack("skin")
>>> pack.label("mel").harmful
True
"""

from mlservice.packs.model import (
    AnswerTemplate,
    Choice,
    Glance,
    Label,
    Outcome,
    Pack,
    PackError,
    PhotoKind,
    Points,
    QualityReason,
    Question,
    Sign,
    Site,
    UrgencyRule,
)
from mlservice.packs.read import available_packs, load_pack, read_pack

__all__ = [
    "AnswerTemplate",
    "Choice",
    "Glance",
    "Label",
    "Outcome",
    "Pack",
    "PackError",
    "PhotoKind",
    "Points",
    "QualityReason",
    "Question",
    "Sign",
    "Site",
    "UrgencyRule",
    "available_packs",
    "load_pack",
    "read_pack",
]
