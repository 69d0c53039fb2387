"""The metadata experiment's numbers as tables, for a terminal or for docs/experiments.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Found = Mapping[str, Any]
Table = Sequence[Sequence[str]]  # the first row names the columns
Layout = Callable[[Table], str]

NUMBERS = {
    "bmca": "balanced accuracy",
    "macro_auc": "macro AUC",
    "melanoma_auc": "melanoma AUC",
    "malignancy_auc": "malignancy AUC",
    "log_loss": "log loss",
    "benign_below_95": "benign below, 95 %",
    "benign_below_99": "benign below, 99 %",
}
BEGIN = "<!-- begin: python -m training metadata --markdown -->"
END = "<!-- end -->"


def text(found: Found) -> str:
    """The tables with aligned columns."""
    return _report(found, _aligned)


def markdown(found: Found) -> str:
    """The block that docs/experiments.md keeps between its two marks."""
    return f"{BEGIN}\n\n{_report(found, _piped)}\n\n{END}"


def _report(found: Found, layout: Layout) -> str:
    shown = {key: name for key, name in NUMBERS.items() if key in found["as_served"]}
    return "\n\n".join(
        [
            _head(found),
            layout(_numbers(found, shown)),
            "The difference to the picture alone, with its 95 % interval:",
            layout(_gains(found, shown)),
            "Recall by class, every class taken as likely as any other:",
            layout(_recalls(found)),
            "Sensitivity at the 95 % cut by subgroup, all metadata added against the picture:",
            layout(_subgroups(_full(found))),
            "Harmful pictures whose tier would fall or rise, each model with its own cuts:",
            layout(_moved(found)),
            _conclusion(found),
        ]
    )


def _head(found: Found) -> str:
    unknown = ", ".join(f"{name} {count}" for name, count in found["unknown"].items())
    return (
        f"`{found['bundle']}`: {found['n']} pictures of {found['lesions']} lesions "
        f"({' and '.join(found['parts'])} part); metadata of {found['n_known']} pictures that "
        f"trained. Unknown: {unknown}. {found['repeats']} repeats of {found['folds']} folds by "
        f"lesion, seed {found['seed']}, {found['resamples']} draws."
    )


def _numbers(found: Found, shown: Mapping[str, str]) -> Table:
    rows = [found["as_served"], *found["metadata_alone"], *found["models"]]
    return [
        ["model", *shown.values(), "chosen"],
        *([_name(row), *(f"{row[key]:.3f}" for key in shown), _chosen(row)] for row in rows),
    ]


def _name(row: Found) -> str:
    kinds = {"as served": "as served", "metadata alone": f"{row['name']} alone"}
    return kinds.get(row["method"], str(row["name"]))


def _chosen(row: Found) -> str:
    """The regularisation or the exponent of the median fold."""
    if row["chosen_median"] is None:
        return ""
    return f"{'a' if row['method'] == 'prior' else 'C'} {row['chosen_median']:g}"


def _gains(found: Found, shown: Mapping[str, str]) -> Table:
    return [
        ["model", *shown.values(), "helps", "subgroups that lose", "adopt"],
        *(
            [
                row["name"],
                *(_change(row["gain"][key], row["gain"][f"{key}_interval"]) for key in shown),
                ", ".join(shown[key] for key in row["helps"]) or "no",
                ", ".join(row["losers"]) or "none",
                "yes" if row["adopt"] else "no",
            ]
            for row in found["models"][1:]
        ),
    ]


def _change(value: float, interval: Sequence[float] | None) -> str:
    spread = f"{interval[0]:+.3f} to {interval[1]:+.3f}" if interval else "no interval"
    return f"{value:+.3f} ({spread})"


def _recalls(found: Found) -> Table:
    picture, *others = found["models"]
    full = [row for row in others if row["features"] == _full(found)["features"]]
    return [
        ["model", *(f"{name} ({count})" for name, count in found["classes"].items())],
        *(
            [row["name"], *(f"{row[f'recall_{name}']:.3f}" for name in found["classes"])]
            for row in (picture, *full)
        ),
    ]


def _full(found: Found) -> Found:
    """The model with every feature, as further columns."""
    added: list[Found] = [row for row in found["models"] if row["method"] == "added"]
    return max(added, key=lambda row: len(row["features"]))


def _subgroups(model: Found) -> Table:
    table = [["subgroup", "harmful pictures", "picture", "with metadata", "change", "loses"]]
    for kind, groups in model["subgroups"].items():
        for name, group in groups.items():
            start = [f"{kind}: {name}", str(group["n_malignant"])]
            if "note" in group:
                table.append([*start, group["note"], "", "", ""])
                continue
            shares = [f"{group[key]:.3f}" for key in ("sensitivity_picture", "sensitivity")]
            change = _change(group["change"], group["change_interval"])
            table.append([*start, *shares, change, "yes" if group["loses"] else "no"])
    return table


def _moved(found: Found) -> Table:
    counts = {
        "n": "n",
        "risk_fell": "risk fell",
        "tier_fell": "tier fell",
        "tier_rose": "tier rose",
        "green_before": "GREEN by picture",
        "green_after": "GREEN with metadata",
    }
    return [
        ["model", "age", "class", *counts.values()],
        *(
            [row["name"], age, label, *(str(one[key]) for key in counts)]
            for row in found["models"][1:]
            if row["features"] == _full(found)["features"] or row["features"] == ["age"]
            for age, classes in row["moved"].items()
            for label, one in classes.items()
        ),
    ]


def _conclusion(found: Found) -> str:
    best = found["adopt"]
    verdict = f"the rule adopts **{best}**" if best else "the rule adopts none: **left out**"
    return f"Rule: {found['rule']}\n\nBy it {verdict}."


def _aligned(table: Table) -> str:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    )


def _piped(table: Table) -> str:
    head, *rows = ("| " + " | ".join(row) + " |" for row in table)
    return "\n".join([head, "|" + "---|" * len(table[0]), *rows])
