"""The numbers as tables: the same rows for the card (Markdown) and for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Numbers = Mapping[str, Any]
Table = Sequence[Sequence[str]]  # the first row is the header
TIERS = ("red", "amber", "green")


def markdown(table: Table) -> str:
    header, *rows = table
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def aligned(table: Table) -> str:
    """Columns as wide as they need: the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    lines = [
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]
    return "\n".join(lines) + "\n"


def shown(metrics: Numbers, name: str) -> str:
    """``0.812 (0.790–0.834)``, ``2 (0.2–7.1)``, or a dash where the number does not exist."""
    return with_interval(metrics.get(name), metrics.get(f"{name}_interval"))


def with_interval(value: float | str | None, interval: Sequence[float] | None = None) -> str:
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    whole = isinstance(value, int)
    text = str(value) if whole else f"{value:.3f}"
    if interval is None:
        return text
    low, high = (f"{end:.1f}" if whole else f"{end:.3f}" for end in interval)
    return f"{text} ({low}–{high})"


def overview(metrics: Numbers) -> Table:
    names = {
        "bmca": "balanced accuracy",
        "accuracy": "accuracy",
        "macro_auc": "AUC, each class against the rest, mean",
        "malignancy_auc": "AUC, malignant against benign",
        "melanoma_auc": "AUC, melanoma against the rest",
        "brier": "Brier score (0 best, 2 worst)",
    }
    return [["", "(95 %)"], *_those_there(metrics, names)]


def _those_there(metrics: Numbers, names: Mapping[str, str]) -> list[list[str]]:
    """A row for each number the pack has: what is of one class is not in every pack."""
    return [[text, shown(metrics, name)] for name, text in names.items() if name in metrics]


def classes(metrics: Numbers) -> Table:
    table = [["class", "pictures", "recall", "precision", "F1", "AUC"]]
    for name, count in metrics["classes"].items():
        recall, auc = (
            with_interval(metrics[kind][name], metrics[f"{kind}_interval"][name])
            for kind in ("recall", "auc")
        )
        precision, f1 = (with_interval(metrics[kind][name]) for kind in ("precision", "f1"))
        table.append([name, str(count), recall, precision, f1, auc])
    return table


def confusion(metrics: Numbers) -> Table:
    names = list(metrics["classes"])
    rows = zip(names, metrics["confusion"], strict=True)
    return [["true \\ said", *names], *([name, *map(str, row)] for name, row in rows)]


def triage(metrics: Numbers) -> Table:
    names = {
        "melanoma_red": "melanomas RED",
        "melanoma_flagged": "melanomas RED or AMBER",
        "malignant_red": "harmful pictures RED",
        "malignant_flagged": "harmful pictures RED or AMBER",
        "green_malignant": f"harmful pictures ending GREEN, of {metrics['n_malignant']}",
        "green_benign": "benign pictures GREEN",
        "red_benign": "benign pictures RED",
    }
    return [["", "share (95 %)"], *_those_there(metrics, names)]


def risk(metrics: Numbers) -> Table:
    """Sensitivity and specificity of the risk at the shipped cuts and at cuts read off here."""
    table = [["cut on the risk", "at", "sensitivity", "specificity"]]
    for text, cut, suffix in (("shipped, RED", "r95", ""), ("shipped, AMBER", "r99", "_r99")):
        found = (shown(metrics, f"{one}{suffix}") for one in ("sensitivity", "specificity"))
        table.append([text, _cut(metrics[cut]), *found])
    for wanted in ("95", "99"):
        specificity = shown(metrics, f"specificity_at_{wanted}_sensitivity")
        cut = _cut(metrics[f"cut_at_{wanted}_sensitivity"])
        table.append([f"read off these pictures, {wanted} %", cut, f"0.{wanted}", specificity])
    return table


def _cut(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def price(metrics: Numbers) -> Table:
    """What the plain 80 % rule calls "No disease", before the tiers and after them."""
    table = [["class", "pictures", "no disease", *(f"of them {tier.upper()}" for tier in TIERS)]]
    for name, row in metrics["rule"].items():
        tiers = (str(row[f"no_disease_{tier}"]) for tier in TIERS)
        table.append([name, str(row["n"]), str(row["no_disease"]), *tiers])
    sums = (
        str(sum(row[key] for row in metrics["rule"].values()))
        for key in ("n", "no_disease", *(f"no_disease_{tier}" for tier in TIERS))
    )
    return [*table, ["together", *sums]]


def calibration(metrics: Numbers) -> Table:
    excess = metrics["ece_excess"]
    return [
        ["calibration error, 15 bins", "(95 %)"],
        ["before the temperature", shown(metrics, "ece_raw")],
        ["after it", shown(metrics, "ece")],
        ["perfect calibration at this number of pictures", f"{metrics['ece_expected']:.3f}"],
        ["after it, minus that", f"{excess:+.3f}"],
    ]


GROUP_NUMBERS = {
    "accuracy": "accuracy",
    "malignancy_auc": "AUC malignant",
    "malignant_flagged": "harmful RED or AMBER",
    "green_benign": "benign GREEN",
}


def subgroups(metrics: Numbers) -> Table:
    table = [["group", "pictures", "harmful", *GROUP_NUMBERS.values()]]
    for kind, values in metrics["subgroups"].items():
        for value, row in values.items():
            cells = [row.get("note", "")] + [""] * (len(GROUP_NUMBERS) - 1)
            if "note" not in row:
                cells = [shown(row, name) for name in GROUP_NUMBERS]
            table.append(
                [f"{kind}: {value}", str(row["n"]), str(row.get("n_malignant", "")), *cells]
            )
    return table
