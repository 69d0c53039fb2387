"""The rules of the picture tier, with numbers made by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from mlservice.engine import Cuts, Modality, Tier, Verdict, decide, no_disease

CUTS = Cuts(r95=0.2, r99=0.05, distance=0.4, not_skin=0.5)
DERMOSCOPIC, PHONE, NOT_SKIN = (0.9, 0.08, 0.02), (0.1, 0.88, 0.02), (0.2, 0.2, 0.6)


def verdict(risk: float = 0.01, **given: Any) -> Verdict:
    """A dermoscopic picture with nothing against it, unless ``given`` says otherwise."""
    facts: dict[str, Any] = {
        "rotation_risks": (risk,) * 4,
        "distance": 0.1,
        "gate": DERMOSCOPIC,
        "declared": Modality.DERMOSCOPIC,
        "cuts": CUTS,
    }
    return decide(risk=risk, **(facts | given))


def test_green_needs_everything_in_order() -> None:
    calm = verdict()
    assert calm.tier is Tier.GREEN
    assert calm.reasons == ()
    assert calm.stable
    assert not calm.out_of_distribution
    assert calm.modality is Modality.DERMOSCOPIC


@pytest.mark.parametrize(
    ("risk", "tier", "reasons"),
    [
        (0.0, Tier.GREEN, ()),
        (math.nextafter(0.05, 0), Tier.GREEN, ()),
        (0.05, Tier.AMBER, ("risk_r99",)),
        (math.nextafter(0.2, 0), Tier.AMBER, ("risk_r99",)),
        (0.2, Tier.RED, ("risk_r95",)),
        (1.0, Tier.RED, ("risk_r95",)),
    ],
)
def test_a_risk_that_reaches_a_cut_has_crossed_it(
    risk: float, tier: Tier, reasons: tuple[str, ...]
) -> None:
    found = verdict(risk)
    assert (found.tier, found.reasons) == (tier, reasons)


@pytest.mark.parametrize(
    ("given", "reasons"),
    [
        ({"distance": 0.41}, ("out_of_distribution",)),
        ({"distance": float("nan")}, ("out_of_distribution",)),
        ({"rotation_risks": (0.01, 0.01, 0.01, 0.06)}, ("unstable",)),
        ({"declared": Modality.PHONE, "gate": PHONE}, ("modality_unproven",)),
        ({"declared": Modality.PHONE}, ("modality_unproven", "modality_mismatch")),
        ({"gate": PHONE}, ("modality_unproven", "modality_mismatch")),
        ({"gate": NOT_SKIN}, ("not_skin",)),
        ({"gate": NOT_SKIN, "declared": Modality.PHONE}, ("not_skin",)),
    ],
)
def test_any_doubt_rules_out_green(given: dict[str, Any], reasons: tuple[str, ...]) -> None:
    found = verdict(**given)
    assert found.tier is Tier.AMBER
    assert found.reasons == reasons


FILMS = Cuts(r95=0.2, r99=0.05, distance=0.4, not_skin=0.5, proven=Modality.RADIOGRAPH)


@pytest.mark.parametrize(
    ("declared", "gate", "reasons", "modality"),
    [
        (Modality.RADIOGRAPH, DERMOSCOPIC, (), Modality.RADIOGRAPH),
        (Modality.PHONE, DERMOSCOPIC, ("modality_unproven", "modality_mismatch"), Modality.PHONE),
        (Modality.RADIOGRAPH, NOT_SKIN, ("not_skin",), Modality.NOT_SKIN),
        (
            Modality.DERMOSCOPIC,
            DERMOSCOPIC,
            ("modality_unproven", "modality_mismatch"),
            Modality.DERMOSCOPIC,
        ),
    ],
)
def test_green_is_for_the_kind_of_picture_the_version_was_measured_on(
    declared: Modality, gate: tuple[float, ...], reasons: tuple[str, ...], modality: Modality
) -> None:
    found = verdict(declared=declared, gate=gate, cuts=FILMS)
    assert (found.reasons, found.modality) == (reasons, modality)
    assert (found.tier is Tier.GREEN) is not bool(reasons)


LOOKING = Cuts(r95=0.2, r99=0.05, distance=0.4, not_skin=0.5, no_lesion=0.9)


@pytest.mark.parametrize(
    ("share", "modality", "tier", "reasons"),
    [
        (math.nextafter(0.9, 0), Modality.DERMOSCOPIC, Tier.GREEN, ()),
        (0.9, Modality.NO_LESION, Tier.AMBER, ("no_lesion",)),
        (1.0, Modality.NO_LESION, Tier.AMBER, ("no_lesion",)),
    ],
)
def test_a_picture_without_a_mark_is_never_green(
    share: float, modality: Modality, tier: Tier, reasons: tuple[str, ...]
) -> None:
    found = verdict(cuts=LOOKING, no_lesion=share)
    assert (found.modality, found.tier, found.reasons) == (modality, tier, reasons)
    assert found.modality.shows_a_mark is not bool(reasons)


def test_finding_no_mark_lowers_nothing() -> None:
    """Wrong about a dangerous mark, it leaves the risk's tier and every other doubt standing."""
    found = verdict(0.3, cuts=LOOKING, no_lesion=1.0, distance=0.9)
    assert found.tier is Tier.RED
    assert found.reasons == ("risk_r95", "out_of_distribution", "no_lesion")


def test_what_is_not_skin_is_said_before_that_it_has_no_mark() -> None:
    found = verdict(cuts=LOOKING, no_lesion=1.0, gate=NOT_SKIN)
    assert (found.modality, found.reasons) == (Modality.NOT_SKIN, ("not_skin",))


def test_a_phone_photo_without_a_mark_says_so() -> None:
    found = verdict(cuts=LOOKING, no_lesion=1.0, gate=PHONE, declared=Modality.PHONE)
    assert (found.modality, found.tier) == (Modality.NO_LESION, Tier.AMBER)


def test_a_version_that_cannot_know_plain_skin_never_says_no_lesion() -> None:
    assert verdict(cuts=CUTS, no_lesion=1.0).tier is Tier.GREEN


def test_a_doubt_never_lowers_red() -> None:
    found = verdict(0.3, rotation_risks=(0.3, 0.1, 0.3, 0.5), distance=0.9, gate=PHONE)
    assert found.tier is Tier.RED
    assert found.reasons == (
        "risk_r95",
        "out_of_distribution",
        "unstable",
        "modality_unproven",
        "modality_mismatch",
    )


@pytest.mark.parametrize(
    ("risks", "stable"),
    [
        ((0.01, 0.02, 0.03, 0.04), True),
        ((0.06, 0.1, 0.15, 0.19), True),
        ((0.2, 0.5, 0.9, 1.0), True),
        ((0.19, 0.2, 0.19, 0.19), False),
        ((0.049, 0.05, 0.06, 0.07), False),
    ],
)
def test_stable_means_one_side_of_each_cut(risks: tuple[float, ...], stable: bool) -> None:
    assert verdict(risks[0], rotation_risks=risks).stable is stable


def test_the_modality_is_dermoscopic_only_when_declared_and_detected() -> None:
    assert verdict().modality is Modality.DERMOSCOPIC
    assert verdict(gate=PHONE).modality is Modality.PHONE
    assert verdict(declared=Modality.PHONE).modality is Modality.PHONE
    assert verdict(gate=NOT_SKIN).modality is Modality.NOT_SKIN
    assert verdict(gate=(0.5, 0.01, 0.49)).modality is Modality.DERMOSCOPIC


@pytest.mark.parametrize(
    ("confidence", "expected"),
    [(0.7999, True), (math.nextafter(0.8, 0), True), (0.8, False), (0.8001, False)],
)
def test_the_80_percent_rule_is_exact(confidence: float, expected: bool) -> None:
    assert no_disease(confidence, 0.8) is expected


def test_tiers_are_only_ever_raised() -> None:
    assert Tier.GREEN.raised_to(Tier.AMBER) is Tier.AMBER
    assert Tier.RED.raised_to(Tier.GREEN) is Tier.RED
