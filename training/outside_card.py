"""The card's section on what is no skin, no mark, or no dermatoscope's picture."""

from __future__ import annotations

from mlservice.engine import Modality
from training.gate import MOST_MARKS, MOST_PIECES
from training.skin_crops import MARKED
from training.tables import Numbers, Table, markdown, shown

CLOSED = (
    "No phone and ordinary photos were given to the run: the gate is closed, every picture counts "
    "as a phone photo, and nothing ends GREEN.\n"
)
NO_OUTLINES = (
    "**No lesion.** No outlines of the marks were given to the run, so it could not learn plain "
    'skin: this version never says "no lesion", and judges plain skin as if it had a mark.\n'
)


NOT_LOOKED_FOR = "This version looks for nothing else: it never says that a picture is empty.\n"


def outside_section(report: Numbers | None, modality: Modality = Modality.DERMOSCOPIC) -> str:
    """The section, from ``metrics["outside"]``."""
    given = report or {}
    if modality is not Modality.DERMOSCOPIC:
        told = _other_things(given, modality) if "n_not_skin" in given else CLOSED
        return f"## Not a {modality.value}\n\n{told}\n{NOT_LOOKED_FOR}"
    parts = [
        "## Not skin, no lesion, not a dermatoscope\n",
        _gate(given) if "n_not_skin" in given else CLOSED,
        _no_lesion(given["no_lesion"]) if given.get("no_lesion") else NO_OUTLINES,
    ]
    return "\n".join(parts)


def _gate(report: Numbers) -> str:
    rows: Table = [
        ["", f"{report['n_dermoscopic']} test pictures", f"{report['n_phone']} phone photos",
         f"{report['n_not_skin']} ordinary photos"],
        ["called not skin", shown(report, "dermoscopic_called_not_skin"),
         shown(report, "phone_called_not_skin"), shown(report, "not_skin_found")],
        ["out of distribution", shown(report, "far_dermoscopic"), shown(report, "far_phone"),
         shown(report, "far_not_skin")],
    ]  # fmt: skip
    return (
        "**Not skin.** Taught with half of the photos, judged on the other half (never one person "
        f"in both) and on the test part. AUROC not skin against skin "
        f"{shown(report, 'auroc_not_skin')}; phone against dermoscopic "
        f"{shown(report, 'auroc_phone')} (very few photos: a sign of life, not a measurement). "
        f"Test pictures called not skin, by class: {_called(report['called_not_skin'])}.\n\n"
        f"{markdown(rows)}"
    )


def _other_things(report: Numbers, modality: Modality) -> str:
    rows: Table = [
        ["", f"{report['n_dermoscopic']} test pictures", f"{report['n_not_skin']} other pictures"],
        [f"called not a {modality.value}", shown(report, "dermoscopic_called_not_skin"),
         shown(report, "not_skin_found")],
        ["out of distribution", shown(report, "far_dermoscopic"), shown(report, "far_not_skin")],
    ]  # fmt: skip
    return (
        "Taught with half of the pictures of other things, judged on the other half and on the "
        f"test part. AUROC {shown(report, 'auroc_not_skin')}; by the distance alone "
        f"{shown(report, 'auroc_distance_not_skin')}. Test pictures called so, by class: "
        f"{_called(report['called_not_skin'])}. No phone photos of such pictures were given: it "
        f"never takes one for a phone's by itself, only its sender says so.\n\n{markdown(rows)}"
    )


def _no_lesion(report: Numbers) -> str:
    rows: Table = [
        ['called "no lesion"', "plain skin", "a piece of the mark"],
        ["scaled up", shown(report, "skin_near_called"), shown(report, "mark_near_called")],
        ["in a picture's frame", shown(report, "skin_wide_called"),
         shown(report, "mark_wide_called")],
        ["whole test pictures", "", shown(report, "pictures_called")],
    ]  # fmt: skip
    phone = (
        f" Phone photos of marks called so: {shown(report, 'phone_called')} of {report['n_phone']}."
        if "n_phone" in report
        else ""
    )
    return (
        f"**No lesion.** Judged on {report['n_pairs']} squares of plain skin, cut from around the "
        "marks of the test part, on as many twins (same pictures, same size, a mark on at least "
        f"{MARKED:.0%} of the square), and on all {report['n_pictures']} test pictures. AUROC "
        f"against the twins, both scaled up: {shown(report, 'auroc_near')}; both mirrored to a "
        f"picture's frame: {shown(report, 'auroc_wide')}; in that frame against whole pictures: "
        f"{shown(report, 'auroc_pictures')}. The cut is set on the calibration part so that no "
        f"harmful picture, at most {MOST_MARKS:.1%} of all pictures and at most {MOST_PIECES:.0%} "
        "of the twins are called so; plain skin it lets through is judged as if it had a mark. "
        f'Test pictures called "no lesion", by class: {_called(report["called_no_lesion"])}.'
        f"{phone} Plain skin here is what lies around photographed marks, by a dermatoscope: of "
        "phone photos without a mark nothing is known. No class is named then, the patient is "
        "asked to take the photo again, and a doctor looks all the same.\n\n"
        f"{markdown(rows)}"
    )


def _called(by_class: Numbers) -> str:
    return ", ".join(f"{name} {row['called']} of {row['n']}" for name, row in by_class.items())
