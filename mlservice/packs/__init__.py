"""Disease areas as data: one folder of TOML a pack; nothing of ours is imported.

>>> pack = load_pack("skin")
>>> pack.label("mel").harmful
True
"""

from mlservice.packs.bodymap import Spot, area_at, read_spot
from mlservice.packs.learning import NO_LABEL_PAGE, Condition, Lesson, Step
from mlservice.packs.model import (
    AnswerTemplate,
    Area,
    Asking,
    BodyView,
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
from mlservice.packs.read import available_packs, languages_of, load_pack, read_pack

__all__ = [
    "NO_LABEL_PAGE",
    "AnswerTemplate",
    "Area",
    "Asking",
    "BodyView",
    "Choice",
    "Condition",
    "Glance",
    "Label",
    "Lesson",
    "Outcome",
    "Pack",
    "PackError",
    "PhotoKind",
    "Points",
    "QualityReason",
    "Question",
    "Sign",
    "Site",
    "Spot",
    "Step",
    "UrgencyRule",
    "area_at",
    "available_packs",
    "languages_of",
    "load_pack",
    "read_pack",
    "read_spot",
]
