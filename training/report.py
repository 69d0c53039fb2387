"""The numbers of an evaluation for a terminal; every one of them is in ``--json`` too."""

from __future__ import annotations

from mlservice.engine.judging.subgroups import ENOUGH
from training import tables
from training.release import gate_verdict
from training.tables import Numbers, aligned


def report(metrics: Numbers) -> str:
    harmful = ", ".join(metrics["rule"])
    return "\n".join(
        [
            f"{metrics['bundle']} on {metrics['n']} pictures of {metrics['lesions']} lesions, "
            f"{metrics['n_malignant']} harmful ({harmful})",
            *_heard(metrics),
            f"95 % intervals: {metrics['resamples']} resamples of the lesions; counts, none and "
            "all: exact\n",
            aligned(tables.overview(metrics)),
            aligned(tables.classes(metrics)),
            "Confusion",
            aligned(tables.confusion(metrics)),
            "Tiers, by the picture alone",
            aligned(tables.triage(metrics)),
            aligned(tables.risk(metrics)),
            f"The price of the rule: harmful pictures under {metrics['threshold']:.0%}, alone "
            '"No disease", and the tier they end in',
            aligned(tables.price(metrics)),
            aligned(tables.calibration(metrics)),
            f"Subgroups (under {ENOUGH} cases no number)",
            aligned(tables.subgroups(metrics)),
            "What decides a release, on a frozen test part:",
            gate_verdict(metrics).replace("**", ""),
        ]
    )


def _heard(metrics: Numbers) -> list[str]:
    """What the names were read with: where a csv knows no age, they are another bundle's names."""
    told = [f"{kind} of {n}" for kind, n in metrics.get("heard", {}).items()]
    return [f"names read with the pictures and {', '.join(told)}"] if told else []
