"""The model at work, in pure Python: picture in, scores out. No Django, nothing of ours.

>>> bundle = Bundle.load(shipped("skin"))
>>> predictor = open_predictor(bundle)
>>> check_golden(bundle, predictor)
>>> [result] = assess(predictor, bundle, [prepare(path)], [Modality.DERMOSCOPIC])
"""

from mlservice.engine.assess import Cuts, Verdict, assess, decide, no_disease
from mlservice.engine.bundle import Bundle, Manifest, shipped
from mlservice.engine.golden import check_golden
from mlservice.engine.predict import Device, open_predictor
from mlservice.engine.preprocess import PREPROCESS_VERSION, prepare, preprocess_hash
from mlservice.engine.types import (
    BundleError,
    EngineError,
    Modality,
    Picture,
    PictureAssessment,
    PictureError,
    PredictError,
    Predictor,
    RawScores,
    Tier,
)

__all__ = [
    "PREPROCESS_VERSION",
    "Bundle",
    "BundleError",
    "Cuts",
    "Device",
    "EngineError",
    "Manifest",
    "Modality",
    "Picture",
    "PictureAssessment",
    "PictureError",
    "PredictError",
    "Predictor",
    "RawScores",
    "Tier",
    "Verdict",
    "assess",
    "check_golden",
    "decide",
    "no_disease",
    "open_predictor",
    "prepare",
    "preprocess_hash",
    "shipped",
]
