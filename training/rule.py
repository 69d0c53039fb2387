"""What the 80 % rule costs at every threshold it may be set to, counted from judged pictures."""

from __future__ import annotations

from mlservice.engine.judging.judged import Flags, Judged
from mlservice.engine.rule import THRESHOLDS, LabelPrice, RulePrice
from mlservice.engine.types import Tier


def price_of(
    judged: Judged,
    bundle: str,
    *,
    manifest_hash: str = "",
    part: str = "",
    data_hash: str = "",
    split_hash: str = "",
) -> RulePrice:
    """Each label's pictures at each threshold; the tiers are the picture's own and do not move.

    ``manifest_hash`` says which bundle a file beside it belongs to; ``part``, ``data_hash`` and
    ``split_hash`` which pictures these are, "" where nobody knows.
    """
    missed = [judged.probabilities.max(1) < threshold for threshold in THRESHOLDS]
    green, right = judged.tier_is(Tier.GREEN), judged.guess == judged.targets

    def counted(own: Flags, *among: Flags) -> tuple[int, ...]:
        return tuple(int((own & flags).sum()) for flags in among)

    labels = []
    for name in judged.labels:
        own = judged.is_class(name)
        labels.append(
            LabelPrice(
                name,
                name in judged.harmful,
                int(own.sum()),
                counted(own, *missed),
                counted(own & green, *missed),
                counted(own & right, *(~flags for flags in missed)),
            )
        )
    return RulePrice(
        bundle, manifest_hash, part, data_hash, split_hash, judged.threshold, tuple(labels)
    )
