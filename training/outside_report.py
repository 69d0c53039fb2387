"""How well gate, distance and plain skin hold on pictures that taught none of them.

Every share and area carries its 95 % interval; pictures of one lesion or person count as one unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlservice.engine.judging.bootstrap import RESAMPLES, draws, exact_interval, percentiles
from mlservice.engine.judging.measures import auc_of, once
from mlservice.engine.statistics import Statistics
from mlservice.engine.types import Floats
from training.gate import Pieces

Doubles = NDArray[np.float64]
Flags = NDArray[np.bool_]
Report = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """Embeddings ``(n, d)`` of one kind of picture and the unit each belongs to: lesion, person."""

    embeddings: Floats
    units: tuple[str, ...]


@dataclass(frozen=True)
class Cuts:
    """The cuts as shipped."""

    distance: float
    not_skin: float
    no_lesion: float | None


def gate_report(
    statistics: Statistics,
    proven: Kind,
    classes: Sequence[str],
    phone: Kind | None,
    not_skin: Kind,
    cuts: Cuts,
) -> Report:
    """How well gate and distance tell the kinds apart; ``classes`` are the proven kind's.

    Its keys call that kind ``dermoscopic``, as the first pack's is. Of phone photos it says
    nothing where there are none.
    """
    if phone is None:
        return _without_phone(statistics, proven, classes, not_skin, cuts)
    kinds = (proven, phone, not_skin)
    shares = [statistics.gate(kind.embeddings) for kind in kinds]
    far = [statistics.distances(kind.embeddings) for kind in kinds]
    called = [own[:, 2] >= cuts.not_skin for own in shares]
    beyond = [own > cuts.distance for own in far]
    units = [kind.units for kind in kinds]
    skin = np.concatenate([shares[0][:, 2], shares[1][:, 2]])
    return {
        "n_dermoscopic": len(far[0]),
        "n_phone": len(far[1]),
        "n_not_skin": len(far[2]),
        **_area("auroc_not_skin", shares[2][:, 2], units[2], skin, units[0] + units[1]),
        **_area("auroc_phone", shares[1][:, 1], units[1], shares[0][:, 1], units[0]),
        **_area("auroc_distance_not_skin", far[2], units[2], far[0], units[0]),
        **_share("not_skin_found", called[2], units[2]),
        **_share("dermoscopic_called_not_skin", called[0], units[0]),
        **_share("phone_called_not_skin", called[1], units[1]),
        "called_not_skin": _by_class(called[0], classes),
        **_share("far_dermoscopic", beyond[0], units[0]),
        **_share("far_phone", beyond[1], units[1]),
        **_share("far_not_skin", beyond[2], units[2]),
    }


def _without_phone(
    statistics: Statistics, proven: Kind, classes: Sequence[str], not_skin: Kind, cuts: Cuts
) -> Report:
    own, other = (statistics.gate(kind.embeddings)[:, 2] for kind in (proven, not_skin))
    near, far = (statistics.distances(kind.embeddings) for kind in (proven, not_skin))
    called = own >= cuts.not_skin
    return {
        "n_dermoscopic": len(own),
        "n_not_skin": len(other),
        **_area("auroc_not_skin", other, not_skin.units, own, proven.units),
        **_area("auroc_distance_not_skin", far, not_skin.units, near, proven.units),
        **_share("not_skin_found", other >= cuts.not_skin, not_skin.units),
        **_share("dermoscopic_called_not_skin", called, proven.units),
        "called_not_skin": _by_class(called, classes),
        **_share("far_dermoscopic", near > cuts.distance, proven.units),
        **_share("far_not_skin", far > cuts.distance, not_skin.units),
    }


def no_lesion_report(
    statistics: Statistics,
    pieces: Pieces,
    pictures: Kind,
    classes: Sequence[str],
    phone: Kind | None,
    cut: float,
) -> Report:
    """How well plain skin is told from marks.

    ``auroc_near`` and ``auroc_wide`` set plain skin against twins cut and scaled the same way, so
    that neither blur nor mirror seams help; ``auroc_pictures`` sets it, in a picture's own
    frame, against whole pictures.
    """
    shares = {
        name: statistics.no_lesion(getattr(pieces, name))
        for name in ("skin_near", "skin_wide", "mark_near", "mark_wide")
    }
    whole = statistics.no_lesion(pictures.embeddings)
    own, units = pieces.lesions, pictures.units
    report: Report = {
        "n_pairs": len(own),
        "n_pictures": len(whole),
        **_area("auroc_near", shares["skin_near"], own, shares["mark_near"], own),
        **_area("auroc_wide", shares["skin_wide"], own, shares["mark_wide"], own),
        **_area("auroc_pictures", shares["skin_wide"], own, whole, units),
    }
    for name, values in shares.items():
        report |= _share(f"{name}_called", values >= cut, own)
    report |= _share("pictures_called", whole >= cut, units)
    report["called_no_lesion"] = _by_class(whole >= cut, classes)
    if phone is not None:
        report["n_phone"] = len(phone.units)
        called = statistics.no_lesion(phone.embeddings) >= cut
        report |= _share("phone_called", called, phone.units)
    return report


def _area(
    name: str, yes: Doubles, yes_units: Sequence[str], no: Doubles, no_units: Sequence[str]
) -> Report:
    """The area under the ROC curve of ``yes`` against ``no``, by bootstrap over units."""
    truth = np.repeat([True, False], [len(yes), len(no)])
    area = auc_of(truth, np.concatenate([yes, no]))
    units = _numbers([*yes_units, *no_units])
    drawn = np.concatenate([area(weights) for weights in draws(units, RESAMPLES, seed=0)])
    return {name: float(area(once(len(truth)))[0]), f"{name}_interval": percentiles(drawn)}


def _share(name: str, called: Flags, units: Sequence[str]) -> Report:
    interval = exact_interval(called, np.ones_like(called), _numbers(units))
    return {name: float(called.mean()), f"{name}_interval": interval}


def _by_class(called: Flags, classes: Sequence[str]) -> dict[str, dict[str, int]]:
    """Per class how many there are and how many were called so."""
    names = np.asarray(classes)
    return {
        str(name): {"n": int((names == name).sum()), "called": int(called[names == name].sum())}
        for name in np.unique(names)
    }


def _numbers(units: Sequence[str]) -> NDArray[np.int64]:
    return np.unique(np.asarray(units), return_inverse=True)[1].astype(np.int64)
