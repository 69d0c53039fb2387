"""The only clinical tables of the house."""

from diagnoses.models.again import Letter, Outcome, SecondReading, SecondReadingQuerySet
from diagnoses.models.case import (
    DUE_SOON,
    UNSCORED_SHOWS_AFTER,
    Case,
    CaseEvent,
    CaseQuerySet,
    Lesion,
    TierChoices,
)
from diagnoses.models.draft import Draft, DraftPhoto, UploadPiece, draft_path
from diagnoses.models.nudge import Nudge, NudgeQuerySet
from diagnoses.models.photo import Photo, photo_path
from diagnoses.models.reading import FirstReading, Review, ReviewUndo
from diagnoses.models.scoring import Prediction, Scoring
from diagnoses.models.talk import MOST_SAID, ReadMark, Remark, Retake

__all__ = [
    "DUE_SOON",
    "MOST_SAID",
    "UNSCORED_SHOWS_AFTER",
    "Case",
    "CaseEvent",
    "CaseQuerySet",
    "Draft",
    "DraftPhoto",
    "FirstReading",
    "Lesion",
    "Letter",
    "Nudge",
    "NudgeQuerySet",
    "Outcome",
    "Photo",
    "Prediction",
    "ReadMark",
    "Remark",
    "Retake",
    "Review",
    "ReviewUndo",
    "Scoring",
    "SecondReading",
    "SecondReadingQuerySet",
    "TierChoices",
    "UploadPiece",
    "draft_path",
    "photo_path",
]
