"""How a finished network is to be read, decided by the calibration part on the served procedure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlservice.engine import Predictor
from mlservice.engine.reading import Evidence
from mlservice.engine.types import Floats
from mlservice.packs import load_pack
from training.config import Config
from training.informing import counted, of_rows, weighed
from training.operating import (
    Held,
    NamesPoint,
    RiskPoint,
    best_names,
    best_risk,
    log_prior,
    names_points,
    risk_points,
    told,
)
from training.run import Material
from training.scores import score


@dataclass(frozen=True)
class Fitted:
    """What the calibration part decided of a network without any prior."""

    prior: Floats  # (c,), its log
    names: NamesPoint
    risk: RiskPoint
    metadata: Evidence | None  # as it is weighed
    embeddings: Floats  # (n, d), of the calibration part
    history: dict[str, Any]  # for the manifest: what was tried, too


def fit_readings(
    predictor: Predictor, material: Material, config: Config, kinds: Sequence[str]
) -> Fitted:
    """Score the calibration part and choose. ``kinds`` of metadata are counted on what trained."""
    part = material.part("calibration", config.side)
    scores = score(predictor, part.pictures, config.fields)
    rows = material.rows_of("calibration")
    trained = [row for name in config.parts for row in material.rows_of(name)]
    evidence = counted(trained, config.labels, kinds, load_pack(config.pack)) if kinds else None
    held = Held(
        logits=scores.logits,
        targets=part.targets,
        lesions=[row.lesion_id for row in rows],
        labels=config.labels,
        harmful=config.harmful,
        prior=log_prior(material.part(config.parts, config.side).targets, config.labels),
        evidence=None if evidence is None else of_rows(evidence, rows, config.labels),
    )
    tried, risks = names_points(held), risk_points(held)
    names, risk = best_names(tried), best_risk(risks)
    history: dict[str, Any] = {
        "prior": {
            "share": names.share,
            "tried": [told(point) for point in tried],
            "risk": {"share": risk.share, "tried": [told(point) for point in risks]},
        }
    }
    if evidence is not None:
        weight = names.names.weight
        history["metadata"] = {"kinds": [*kinds], "weight": weight, "pictures": len(trained)}
        evidence = weighed(evidence, weight)
    return Fitted(held.prior, names, risk, evidence, scores.embeddings, history)
