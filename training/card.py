"""The card: what the model is for, how good it is and is not, written by the run itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlservice.engine import Bundle
from training.metrics import Judged
from training.plots import draw_plots

Numbers = Mapping[str, Any]

INTENDED = """## Intended use

Decision support for a doctor who looks at every case and signs it. The model scores a
dermoscopic picture of one skin mark; its tier sets how soon the doctor looks. It is not a
diagnosis, not an all-clear and not a medical device, and it must not be used without a doctor.
Ordinary phone photos are scored too, but this version has no published performance on them: they
never end GREEN. The weights were trained on HAM10000 and are for **non-commercial use only
(CC BY-NC 4.0)**; the code around them has its own licence.
"""

LIMITS = """## Limits

- HAM10000 comes from Vienna and Queensland: mostly fair skin (few Fitzpatrick V and VI),
  dermoscopy only, marks that somebody chose to photograph. Elsewhere it will do worse, and its
  confidence will be too high.
- Seven classes. There is no "healthy", no "something else": squamous cell carcinoma, rashes and
  infections get one of the seven names or none.
- Nearly half of the labels (47 %) rest on follow-up, consensus or confocal microscopy, not on
  histology.
- Classes with few test lesions have wide intervals: read the interval, not the number.
- The cuts hold for pictures like the calibration pictures. Check them again on your own.
"""

# The release gate, on the frozen test part by the picture alone. About 200 harmful pictures: four
# of them is the 95 % bound of a true 1 %; the shares say that the triage is worth something.
MOST_GREEN = 4
LEAST_BENIGN_GREEN = 0.25
MOST_BENIGN_RED = 0.45


def write_card(bundle: Bundle, metrics: Numbers, judged: Judged, folder: Path) -> None:
    """Write ``card.md`` and its plots into ``folder``."""
    draw_plots(judged, bundle, folder)
    parts = [
        f"# {folder.name}: model card\n",
        _summary(bundle, metrics),
        INTENDED,
        _data(bundle),
        _classes(metrics),
        _triage(bundle, metrics),
        _calibration(bundle, metrics),
        _outside(metrics.get("outside")),
        _subgroups(metrics["subgroups"]),
        LIMITS,
    ]
    bundle.card_path.write_text("\n".join(parts), encoding="utf-8")


def shown(metrics: Numbers, name: str) -> str:
    """``0.812 (0.790-0.834)``, or a dash where the number does not exist."""
    value, interval = metrics.get(name), metrics.get(f"{name}_interval")
    return _shown(value, interval)


def _shown(value: float | None, interval: tuple[float, float] | None = None) -> str:
    if value is None:
        return "–"
    text = f"{value:.3f}"
    return text if interval is None else f"{text} ({interval[0]:.3f}–{interval[1]:.3f})"


def _summary(bundle: Bundle, metrics: Numbers) -> str:
    config = bundle.manifest.training["config"]
    tuned = f"{config['epochs']} epochs of fine-tuning" if config["epochs"] else "backbone frozen"
    return (
        f"Network `{config['arch']}` at {bundle.side} pixels, {tuned}, four rotations averaged. "
        f"On the test part ({metrics['n']} pictures of {metrics['lesions']} lesions, never used "
        f"for a choice): balanced accuracy {shown(metrics, 'bmca')}, AUC malignant against "
        f"benign {shown(metrics, 'malignancy_auc')}, melanoma AUC "
        f"{shown(metrics, 'melanoma_auc')}, macro AUC {shown(metrics, 'macro_auc')}. "
        "Intervals are 95 %, by bootstrap over lesions.\n"
    )


def _data(bundle: Bundle) -> str:
    training = bundle.manifest.training
    config = training["config"]
    return (
        "## Data\n\n"
        "HAM10000 (Tschandl, Rosendahl & Kittler, Sci Data 5:180161, 2018; doi:10.7910/DVN/DBW86T; "
        "CC BY-NC 4.0; ViDIR Group, Department of Dermatology, Medical University of Vienna), in "
        "reduced copies. Split by lesion before anything else, stratified by class: 65 % fitting, "
        "10 % validation, 15 % calibration (temperature, cuts, conformal sets), 10 % test. "
        "`dx_type` was never read. Backbone pretrained on ImageNet.\n\n"
        f"Data `{training['data_hash'][:16]}`, split `{training['split_hash'][:16]}`, seed "
        f"{training['seed']}, classes drawn by size to the power {config['balance']}, log prior "
        f"taken out of the logits with weight {config['adjust']}, the classes' own put back with "
        f"weight {config['prior']}.\n"
    )


def _classes(metrics: Numbers) -> str:
    lines = [
        "## Each class\n",
        "| class | pictures | recall | precision | F1 |",
        "|---|---|---|---|---|",
    ]
    for name, count in metrics["classes"].items():
        recall = _shown(metrics["recall"][name], metrics["recall_interval"].get(name))
        precision, f1 = _shown(metrics["precision"][name]), _shown(metrics["f1"][name])
        lines.append(f"| {name} | {count} | {recall} | {precision} | {f1} |")
    return "\n".join([*lines, "\n![Confusion matrix](confusion.png)\n"])


def _triage(bundle: Bundle, metrics: Numbers) -> str:
    lines = [
        "## Tiers, by the picture alone\n",
        f"RED from a risk of {bundle.r95:.4f}, AMBER from {bundle.r99:.4f} or on any doubt. The "
        "risk is the sum of the shares of " + ", ".join(bundle.harmful) + ".\n",
        "| | share |",
        "|---|---|",
        f"| melanomas RED | {shown(metrics, 'melanoma_red')} |",
        f"| melanomas RED or AMBER | {shown(metrics, 'melanoma_flagged')} |",
        f"| harmful pictures RED | {shown(metrics, 'malignant_red')} |",
        f"| harmful pictures ending GREEN | {metrics['green_malignant']} of "
        f"{metrics['n_malignant']} |",
        f"| benign pictures GREEN | {shown(metrics, 'green_benign')} |",
        f"| benign pictures RED | {shown(metrics, 'red_benign')} |",
        "\n" + gate_verdict(metrics) + "\n",
        "![Risk](risk.png)\n",
        "## The price of the 80 % rule\n",
        'Harmful test pictures the plain rule calls "No disease", and the tier they end in.\n',
        "| class | pictures | no disease | of them RED | AMBER | GREEN |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in metrics["rule"].items():
        tiers = " | ".join(str(row[f"no_disease_{tier}"]) for tier in ("red", "amber", "green"))
        lines.append(f"| {name} | {row['n']} | {row['no_disease']} | {tiers} |")
    return "\n".join([*lines, ""])


def gate_verdict(metrics: Numbers) -> str:
    """The release gate: what a version must reach on its frozen test part to be shipped.

    A share that could not be measured is not met.
    """
    green, benign_green, benign_red = (
        metrics[name] for name in ("green_malignant", "green_benign", "red_benign")
    )
    asked = [
        (f"harmful pictures ending GREEN {green}, at most {MOST_GREEN}", green <= MOST_GREEN),
        (
            f"benign pictures GREEN {_shown(benign_green)}, at least {LEAST_BENIGN_GREEN}",
            benign_green is not None and benign_green >= LEAST_BENIGN_GREEN,
        ),
        (
            f"benign pictures RED {_shown(benign_red)}, at most {MOST_BENIGN_RED}",
            benign_red is not None and benign_red <= MOST_BENIGN_RED,
        ),
    ]
    verdict = "passed" if all(met for _, met in asked) else "FAILED"
    lines = [f"- {'met' if met else 'not met'}: {text}" for text, met in asked]
    return "\n".join([f"Release gate: **{verdict}**.\n", *lines])


def _calibration(bundle: Bundle, metrics: Numbers) -> str:
    quantiles = ", ".join(
        f"{name} {'always in' if value is None else f'{value:.3f}'}"
        for name, value in bundle.conformal.items()
    )
    return (
        "## Calibration\n\n"
        f"Temperature {bundle.temperature:.3f}. Calibration error (15 bins) before it "
        f"{shown(metrics, 'ece_raw')}, after it {shown(metrics, 'ece')}; perfect calibration would "
        f"show {metrics['ece_expected']:.3f} at this number of pictures. Brier score "
        f"{shown(metrics, 'brier')}.\n\n"
        f"Conformal sets (90 % by class), quantiles of 1 - p: {quantiles}.\n\n"
        "![Reliability](reliability.png)\n"
    )


def _outside(report: Numbers | None) -> str:
    if report is None:
        return (
            "## Not skin, not a dermatoscope\n\nNo such pictures were given to the run: the gate "
            "is closed, every picture counts as a phone photo, and nothing ends GREEN.\n"
        )
    return (
        "## Not skin, not a dermatoscope\n\n"
        f"Judged on {report['n_dermoscopic']} test pictures, {report['n_phone']} phone photos and "
        f"{report['n_not_skin']} ordinary photos the gate was not fitted on. AUROC not skin "
        f"against skin {report['auroc_not_skin']:.3f}; phone against dermoscopic "
        f"{report['auroc_phone']:.3f} (very few photos: a sign of life, not a measurement). At the "
        f"cut {report['not_skin_found']:.3f} of the ordinary photos are refused, "
        f"{report['dermoscopic_called_not_skin']:.3f} of the dermoscopic pictures and "
        f"{report['phone_called_not_skin']:.3f} of the phone photos. Out of distribution: "
        f"{report['far_dermoscopic']:.3f} of the dermoscopic test pictures, "
        f"{report['far_phone']:.3f} of the phone photos, {report['far_not_skin']:.3f} of the "
        "ordinary ones.\n"
    )


def _subgroups(groups: Numbers) -> str:
    lines = [
        "## Subgroups\n",
        "| group | pictures | accuracy | harmful | harmful RED or AMBER | benign GREEN |",
        "|---|---|---|---|---|---|",
    ]
    for kind, values in groups.items():
        for value, row in values.items():
            if "note" in row:
                lines.append(f"| {kind}: {value} | {row['n']} | {row['note']} | | | |")
                continue
            flagged = row["malignant_flagged"]
            flagged = flagged if isinstance(flagged, str) else _shown(flagged)
            lines.append(
                f"| {kind}: {value} | {row['n']} | {_shown(row['accuracy'])} | "
                f"{row['n_malignant']} | {flagged} | {_shown(row['green_benign'])} |"
            )
    return "\n".join([*lines, ""])
