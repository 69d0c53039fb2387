"""The card: what the model is for, how good it is and is not, written by the run itself.

It says what the run knows and nothing else: a data set is named only where its table was
recognised, a stage only where the configuration has it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlservice.engine import Bundle, Modality
from mlservice.engine.judging.judged import Judged
from mlservice.engine.judging.subgroups import ENOUGH
from training import tables
from training.outside_card import outside_section
from training.plots import draw_plots
from training.release import gate_verdict
from training.sources import BY_FOLDER, Source
from training.tables import Numbers, markdown, shown

INTENDED = """## Intended use

Decision support for a doctor who looks at every case and signs it. The model scores a
{picture}; its tier sets how soon the doctor looks. It is not a diagnosis,
not an all-clear and not a medical device, and it must not be used without a doctor. Ordinary
phone photos are scored too, but this version has no published performance on them: they never
end GREEN.
"""
PICTURES = {
    Modality.DERMOSCOPIC: "dermoscopic picture of one mark",
    Modality.RADIOGRAPH: "radiograph, as the X-ray department exports it",
}
LIMITS = (
    "Classes with few test lesions have wide intervals: read the interval, not the number.",
    "The cuts hold for pictures like the calibration pictures. Check them again on your own: "
    "`python -m training evaluate --images DIR --labels CSV`.",
    "Trained and measured on single pictures: nothing is known of change over time.",
)


def write_card(
    bundle: Bundle, metrics: Numbers, judged: Judged, source: Source | None, folder: Path
) -> None:
    """Write ``card.md`` and its plots into ``folder``; ``source`` is the data set, if known."""
    draw_plots(judged, metrics, folder)
    parts = [
        f"# {folder.name}: model card\n",
        _summary(bundle, metrics),
        INTENDED.format(picture=PICTURES[bundle.modality]),
        _data(bundle, source),
        _training(bundle),
        *_beside(bundle),
        _classes(metrics),
        _triage(bundle, metrics),
        _calibration(bundle, metrics),
        outside_section(metrics.get("outside"), bundle.modality),
        _subgroups(metrics),
        _limits(source),
    ]
    bundle.card_path.write_text("\n".join(parts), encoding="utf-8")


def _summary(bundle: Bundle, metrics: Numbers) -> str:
    config = bundle.manifest.training["config"]
    tuned = f"{config['epochs']} epochs of fine-tuning" if config["epochs"] else "backbone frozen"
    if config.get("started_from"):
        tuned += " after those of an earlier run"
    if config.get("teachers"):
        tuned += f", taught by {len(config['teachers'])} other networks beside the labels"
    return (
        f"Network `{config['arch']}` at {bundle.side} pixels, {tuned}, {_views(bundle.fields)}. "
        f"On the test part ({metrics['n']} pictures of {metrics['lesions']} lesions): balanced "
        f"accuracy {shown(metrics, 'bmca')}, AUC malignant against benign "
        f"{shown(metrics, 'malignancy_auc')}, {_melanoma(metrics)}"
        f"macro AUC {shown(metrics, 'macro_auc')}.\n\n{_honesty(metrics)}\n"
    )


def _melanoma(metrics: Numbers) -> str:
    known = "melanoma_auc" in metrics
    return f"melanoma AUC {shown(metrics, 'melanoma_auc')}, " if known else ""


def _views(fields: Sequence[float]) -> str:
    shares = ", ".join(f"{field:.0%}" for field in fields)
    return f"four rotations averaged, each at {shares} of the side"


def _honesty(metrics: Numbers) -> str:
    """How often the judging pictures have been looked at, as far as this work folder knows."""
    before = metrics["test_opened"]["before"]
    known = (
        f"In its work folder this was opening {len(before) + 1} of the test part of this split, "
        f"after {', '.join(before)}: choosing among versions by these numbers makes the chosen one "
        "look a little better than it is."
        if before
        else "In its work folder this was the first opening of the test part of this split."
    )
    return (
        f"No test picture was trained on or used for a temperature or a cut. {known} Intervals are "
        f"95 %: {metrics['resamples']} resamples of the lesions, each with all its pictures; for "
        "counts and for shares of none or all, exact ones that take all pictures of a lesion to "
        "share its fate."
    )


def _data(bundle: Bundle, source: Source | None) -> str:
    training = bundle.manifest.training
    made_of = "A labelled folder this code does not recognise as a published data set"
    rights = "What the weights may be used for follows from the terms of that data."
    if source is not None:
        made_of = f"{source.name} ({source.citation}; {source.licence})"
        rights = source.rights or (
            f"The data are {source.licence}: the weights are for **non-commercial use only "
            f"({source.licence})**; the code around them has its own licence."
        )
    further = "".join(f"\n- {_further(*one)}" for one in training["config"].get("also", ()))
    return (
        f"## Data and licence\n\n{made_of}, split by lesion before anything else, stratified by "
        f"class. `dx_type` was never read.{_searched(training)}\n\n{markdown(_parts(training))}\n"
        + (f"Trained on besides, never judged on:\n{further}\n\n" if further else "")
        + f"{rights}\n\nData `{training['data_hash'][:16]}`, split "
        f"`{training['split_hash'][:16]}`.\n"
    )


def _searched(training: Mapping[str, Any]) -> str:
    if training["split"].get("photographs", True):
        return ""
    return (
        " The same file was looked for in two parts, the same photograph in two files was not: a "
        "copy saved anew may stand on both sides."
    )


def _further(name: str, data_hash: str) -> str:
    known = BY_FOLDER.get(data_hash)
    about = f"{known.name} ({known.citation}; {known.licence})" if known else "licence: see there"
    return f"`{name}`, data `{data_hash[:16]}`: {about}"


def _parts(training: Mapping[str, Any]) -> tables.Table:
    uses = {
        "validation": "watched while training, settings chosen",
        "calibration": "temperature, cuts, conformal sets, distance",
        "test": "the numbers below",
    }
    uses |= dict.fromkeys(training["config"].get("parts", ("fit",)), "trained on")
    table = [["part", "pictures", "lesions", "used for"]]
    for name, size in training["split"]["parts"].items():
        row = [name, str(size["pictures"]), str(size["lesions"]), uses.get(name, "not trained on")]
        table.append(row)
    return table


def _training(bundle: Bundle) -> str:
    training = bundle.manifest.training
    config = training["config"]
    start = "random weights"
    if config.get("weights"):
        start = f"pretrained weights ({config['weights']})"
    if config.get("weights_sha256"):
        start = f"the pretrained weights `{config['weights_sha256'][:16]}`"
    prior = training.get("prior", {"share": config["prior"]})  # bundles before 2: by hand
    back = f"the classes' own put back with weight {prior['share']}"
    if "risk" in prior:  # since 2.1
        back += f" for the names and {prior['risk']['share']} for the risk"
    earlier = training.get("network_of")
    return (
        f"## Training\n\nStarted from {start}; seed {training['seed']}. Classes drawn by their "
        f"size to the power {config['balance']}, log prior taken out of the logits with weight "
        f"{config['adjust']}, {back}. "
        + (f"The network is that of `{earlier['bundle']}`, read anew. " if earlier else "")
        + "The whole configuration and the versions of the libraries are in `manifest.json`.\n"
    )


def _beside(bundle: Bundle) -> Iterator[str]:
    """What is known beside the picture, as the table that is served."""
    evidence = bundle.manifest.metadata
    if not evidence:
        return
    labels = bundle.labels
    table = [["", *labels]]
    for kind, values in evidence.items():
        table += [
            [f"{kind}: {value}", *(f"{math.exp(shares[name]):.2f}" for name in labels)]
            for value, shares in values.items()
        ]
    told = bundle.manifest.training["metadata"]
    yield (
        "## What is known beside the picture\n\n"
        f"The names, and only they, are read with {' and '.join(evidence)} where the patient "
        "said so: each label's probability is multiplied by this number, then all are made to add "
        f"up to one. Counted on the {told['pictures']} pictures that trained; {told['weight']} of "
        "it is believed, which the calibration part chose by its log loss. The risk, and with it "
        f"the tier, hears nothing of it.\n\n{markdown(table)}"
    )


def _classes(metrics: Numbers) -> str:
    return (
        f"## Each class\n\n{markdown(tables.classes(metrics))}\n"
        f"{markdown(tables.confusion(metrics))}\n"
        "![Confusion matrix](confusion.png)\n![Recall](recall.png)\n"
    )


def _triage(bundle: Bundle, metrics: Numbers) -> str:
    left = metrics["rule_no_disease_malignant_green"]
    return (
        f"## Tiers, by the picture alone\n\nRED from a risk of {bundle.r95:.4f}, AMBER from "
        f"{bundle.r99:.4f} or on any doubt. The risk is the sum of the shares of "
        f"{', '.join(bundle.harmful)}{_read_apart(bundle)}.\n\n{markdown(tables.triage(metrics))}\n"
        f"{gate_verdict(metrics)}\n"
        "The cuts as shipped, and where these very test pictures would put them (so those are not "
        f"an honest choice, only a comparison with others' numbers):\n\n"
        f"{markdown(tables.risk(metrics))}\n"
        "![ROC](roc.png)\n![Risk](risk.png)\n\n"
        "## The price of the 80 % rule\n\n"
        f"Alone, the rule calls {metrics['rule_no_disease_malignant']} of the "
        f'{metrics["n_malignant"]} harmful test pictures "No disease" '
        f"({_limits_of(metrics, 'rule_no_disease_malignant')}). After the tiers {left} of them "
        f"{'ends' if left == 1 else 'end'} GREEN "
        f"({_limits_of(metrics, 'rule_no_disease_malignant_green')}).\n\n"
        f"{markdown(tables.price(metrics))}"
    )


def _read_apart(bundle: Bundle) -> str:
    own = bundle.manifest.risk
    if own is None:
        return ""
    return (
        ", from the picture alone and at its own share of the classes' prior (temperature "
        f"{own.temperature:.3f}), not from the probabilities of the names"
    )


def _limits_of(metrics: Numbers, name: str) -> str:
    limits = metrics[f"{name}_interval"]
    return "no interval" if limits is None else f"95 %: {limits[0]:.1f} to {limits[1]:.1f}"


def _calibration(bundle: Bundle, metrics: Numbers) -> str:
    quantiles = ", ".join(
        f"{name} {'always in' if value is None else f'{value:.3f}'}"
        for name, value in bundle.conformal.items()
    )
    return (
        f"## Calibration\n\nTemperature {bundle.temperature:.3f}. Brier score "
        f"{shown(metrics, 'brier')}.\n\n{markdown(tables.calibration(metrics))}\n"
        f"Conformal sets (90 % by class), quantiles of 1 - p: {quantiles}.\n\n"
        "![Reliability](reliability.png)\n"
    )


def _subgroups(metrics: Numbers) -> str:
    return (
        f"## Subgroups\n\nA number stands only on {ENOUGH} cases or more.\n\n"
        f"{markdown(tables.subgroups(metrics))}"
    )


def _limits(source: Source | None) -> str:
    known = source.limits if source else ()
    return "## Limits\n\n" + "\n".join(f"- {line}" for line in (*known, *LIMITS)) + "\n"
