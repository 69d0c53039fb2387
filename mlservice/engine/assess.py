"""From scores to what the computer says of a picture: calibration, the 80 % rule, the tier.

:func:`decide` is the rule book, pure and free of networks; :func:`assess` runs the network and
feeds it. Numbers are compared as computed, never rounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlservice.engine.bundle import Bundle
from mlservice.engine.heatmap import heat_of, views_mapped
from mlservice.engine.preprocess import closer
from mlservice.engine.reading import (
    Doubles,
    calibrated,
    in_order,
    informed,
    known_of,
    weight_of,
)
from mlservice.engine.statistics import GATE_ORDER
from mlservice.engine.types import (
    Floats,
    Heat,
    Metadata,
    Modality,
    Picture,
    PictureAssessment,
    PredictError,
    Predictor,
    RawScores,
    Tier,
)

ROTATIONS = 4
NOTHING_KNOWN: Metadata = {}


@dataclass(frozen=True, slots=True)
class Cuts:
    """The numbers a picture's own numbers are held against."""

    r95: float
    r99: float
    distance: float
    not_skin: float
    no_lesion: float | None = None  # None: this version does not look for it
    proven: Modality = Modality.DERMOSCOPIC  # the kind of picture that all of this holds for


@dataclass(frozen=True, slots=True)
class Verdict:
    """The tier of a picture and why; see :func:`decide`."""

    tier: Tier
    reasons: tuple[str, ...]
    stable: bool
    out_of_distribution: bool
    modality: Modality


def decide(
    *,
    risk: float,
    rotation_risks: Sequence[float],
    distance: float,
    gate: Sequence[float],
    declared: Modality,
    cuts: Cuts,
    no_lesion: float = 0.0,
) -> Verdict:
    """The picture's tier and reasons by the rules of the house.

    RED when the risk reaches ``r95``; AMBER when it reaches ``r99`` or when anything speaks
    against trusting the network here; GREEN only for a picture declared *and* detected as of the
    proven kind with nothing against it. ``gate`` holds the shares of the proven kind, phone, not
    skin; ``no_lesion`` is the share of "no mark". A picture without a mark to judge is a reason to
    retake it, never to be calm about it. The answers of the patient are not heard here.
    """
    detected = _detect(gate, cuts)
    modality = detected if detected is not cuts.proven else declared
    if modality.shows_a_mark and cuts.no_lesion is not None and no_lesion >= cuts.no_lesion:
        modality = Modality.NO_LESION
    far = not distance <= cuts.distance
    stable = all(_one_side(rotation_risks, cut) for cut in (cuts.r95, cuts.r99))
    objections = {
        "risk_r95": risk >= cuts.r95,
        "risk_r99": cuts.r99 <= risk < cuts.r95,
        "out_of_distribution": far,
        "unstable": not stable,
        "modality_unproven": modality.shows_a_mark and modality is not cuts.proven,
        "modality_mismatch": declared is not detected and detected is not Modality.NOT_SKIN,
        "not_skin": modality is Modality.NOT_SKIN,
        "no_lesion": modality is Modality.NO_LESION,
    }
    reasons = tuple(code for code, holds in objections.items() if holds)
    tier = Tier.RED if objections["risk_r95"] else Tier.AMBER if reasons else Tier.GREEN
    return Verdict(tier, reasons, stable, far, modality)


def _detect(gate: Sequence[float], cuts: Cuts) -> Modality:
    shares = dict(zip(GATE_ORDER, gate, strict=True))
    if shares["not_skin"] >= cuts.not_skin:
        return Modality.NOT_SKIN
    return cuts.proven if shares["proven"] >= shares["phone"] else Modality.PHONE


def _one_side(risks: Sequence[float], cut: float) -> bool:
    return len({risk >= cut for risk in risks}) == 1


def no_disease(confidence: float, threshold: float) -> bool:
    """The 80 % rule, exactly: below the threshold is "No disease", the threshold itself is not."""
    return confidence < threshold


def views(pictures: Sequence[Picture], fields: Sequence[float]) -> Picture:
    """What the network sees of each picture, in one batch of ``n`` times :func:`views_of_one`.

    Every picture turned by 0, 90, 180, 270 degrees, each of them at every one of ``fields``.
    """
    seen = []
    for picture in pictures:
        nearer = [closer(picture, field) for field in fields]
        seen += [np.rot90(near, quarter) for quarter in range(ROTATIONS) for near in nearer]
    return np.ascontiguousarray(np.stack(seen))


def views_of_one(fields: Sequence[float]) -> int:
    return ROTATIONS * len(fields)


def assess(
    predictor: Predictor,
    bundle: Bundle,
    pictures: Sequence[Picture],
    declared: Sequence[Modality],
    *,
    metadata: Sequence[Metadata] | None = None,
    threshold: float | None = None,
) -> list[PictureAssessment]:
    """Score ``pictures`` (each ``(side, side, 3)``) and say what the computer makes of each.

    One call of the network holds the views of every picture. ``metadata`` is what is known beside
    each, nothing by default. ``threshold`` is the configured 80 % rule, the bundle's by default.
    Returns as many results as pictures, in their order, or raises :class:`PredictError`.
    """
    if len(pictures) != len(declared):
        raise PredictError("Each picture needs its declared modality.")
    if metadata is not None and len(metadata) != len(pictures):
        raise PredictError("Each picture needs its metadata, or none does.")
    if not pictures:
        return []
    each = views_of_one(bundle.fields)
    shown = views_mapped(len(bundle.fields))
    mapped = {each * i + view for i in range(len(pictures)) for view in shown}
    scores = predictor.predict(views(pictures, bundle.fields), mapped)
    if len(scores) != each * len(pictures):
        raise PredictError(
            f"The network gave {len(scores)} answers to {each * len(pictures)} questions."
        )
    cut = bundle.threshold if threshold is None else threshold
    return [
        assess_scores(
            bundle,
            scores[each * i : each * (i + 1)],
            kind,
            metadata=NOTHING_KNOWN if metadata is None else metadata[i],
            threshold=cut,
        )
        for i, kind in enumerate(declared)
    ]


def assess_scores(
    bundle: Bundle,
    scores: Sequence[RawScores],
    declared: Modality,
    *,
    metadata: Metadata = NOTHING_KNOWN,
    threshold: float,
) -> PictureAssessment:
    """What the scores of one picture's :func:`views` mean.

    What a rotation says is the mean over its fields, what the picture says the mean over all.
    """
    logits = np.stack([raw.logits for raw in scores]).astype(np.float64)
    embedding: Floats = np.stack([raw.embedding for raw in scores]).mean(axis=0, dtype=np.float32)
    risks, risk = _risks(bundle, logits)
    by_picture: Doubles = _turned(calibrated(logits, bundle.temperature)).mean(axis=0)
    evidence = bundle.manifest.metadata
    known = dict(known_of(evidence, metadata))
    mean = by_picture
    if evidence and known:
        mean = informed(by_picture, weight_of(evidence, known, bundle.labels))
    distance = float(bundle.statistics.distances(embedding[None])[0])
    verdict = decide(
        risk=risk,
        rotation_risks=risks,
        distance=distance,
        gate=[float(share) for share in bundle.statistics.gate(embedding[None])[0]],
        declared=declared,
        cuts=cuts_of(bundle),
        no_lesion=float(bundle.statistics.no_lesion(embedding[None])[0]),
    )
    top = int(mean.argmax())
    nameless = no_disease(float(mean[top]), threshold)
    return PictureAssessment(
        probabilities=_by_name(bundle, mean),
        top_label=bundle.labels[top],
        confidence=float(mean[top]),
        no_disease=nameless,
        label=None if nameless else bundle.labels[top],
        risk=risk,
        stable=verdict.stable,
        rotation_risks=(risks[0], risks[1], risks[2], risks[3]),
        out_of_distribution=verdict.out_of_distribution,
        distance=distance,
        modality=verdict.modality,
        conformal_set=conformal_set(bundle, mean),
        tier=verdict.tier,
        reasons=verdict.reasons,
        embedding=embedding,
        heat=_heat(bundle, scores),
        metadata=known,
        by_picture=_by_name(bundle, by_picture) if known else None,
    )


def _turned(shares: Doubles) -> Doubles:
    """``(v, c)`` of all views -> ``(4, c)``: what each rotation says."""
    turned: Doubles = shares.reshape(ROTATIONS, -1, shares.shape[-1]).mean(axis=1)
    return turned


def _risks(bundle: Bundle, logits: Doubles) -> tuple[list[float], float]:
    """The risk each rotation speaks of, and that of the picture; metadata are not heard here."""
    own = bundle.manifest.risk
    if own is None:
        shares = calibrated(logits, bundle.temperature)
    else:
        shares = calibrated(logits + in_order(own.offsets, bundle.labels), own.temperature)
    turned = _turned(shares)
    harmful = [bundle.labels.index(name) for name in bundle.harmful]
    return [float(risk) for risk in turned[:, harmful].sum(1)], float(turned.mean(0)[harmful].sum())


def _by_name(bundle: Bundle, shares: Doubles) -> dict[str, float]:
    return {name: float(p) for name, p in zip(bundle.labels, shares, strict=True)}


def _heat(bundle: Bundle, scores: Sequence[RawScores]) -> Heat | None:
    """The picture's heat by label name, or ``None`` where its network gives no maps."""
    maps = [scores[view].class_maps for view in views_mapped(len(scores) // ROTATIONS)]
    if any(one is None for one in maps):
        return None
    by_name = sorted(range(len(bundle.labels)), key=bundle.labels.__getitem__)
    return heat_of([one for one in maps if one is not None], bundle.fields)[by_name]


def cuts_of(bundle: Bundle) -> Cuts:
    manifest = bundle.manifest
    return Cuts(
        manifest.r95,
        manifest.r99,
        manifest.ood_cut,
        manifest.not_skin_cut,
        manifest.no_lesion_cut,
        bundle.modality,
    )


def conformal_set(bundle: Bundle, probabilities: Doubles) -> tuple[str, ...]:
    """Labels that cannot be ruled out at 90 %, likeliest first.

    A label is in the set when ``1 - p`` does not exceed its quantile; the likeliest always is,
    and so is one without a quantile (too few calibration lesions).
    """
    inside: list[str] = []
    for position in np.argsort(-probabilities, kind="stable"):
        name = bundle.labels[position]
        quantile = bundle.conformal[name]
        if not inside or quantile is None or 1 - probabilities[position] <= quantile:
            inside.append(name)
    return tuple(inside)
