"""Data sets the card can name: recognised by what they hold, not by what a folder is called."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from training.data import Row


@dataclass(frozen=True)
class Source:
    """What is known of a published data set, in the card's words."""

    name: str
    citation: str
    licence: str
    limits: tuple[str, ...] = ()
    rights: str = ""  # what the weights may be used for; empty: as the data, not commercially


HAM10000 = Source(
    name="HAM10000",
    citation=(
        "Tschandl, Rosendahl & Kittler, Sci Data 5:180161, 2018; doi:10.7910/DVN/DBW86T; ViDIR "
        "Group, Department of Dermatology, Medical University of Vienna"
    ),
    licence="CC BY-NC 4.0",
    limits=(
        "HAM10000 comes from Vienna and Queensland: mostly fair skin (few Fitzpatrick V and VI), "
        "dermoscopy only, marks that somebody chose to photograph. Elsewhere the model will do "
        "worse, and its confidence will be too high.",
        'Seven classes. There is no "healthy", no "something else": squamous cell carcinoma, '
        "rashes and infections get one of the seven names or none.",
        "Nearly half of the labels (47 %) rest on follow-up, consensus or confocal microscopy, "
        "not on histology.",
    ),
)
ISIC2017 = Source(
    name="ISIC 2018 Task 1 training pictures with the diagnoses of ISIC 2019",
    citation="Codella et al., arXiv:1710.05006 and arXiv:1902.03368",
    licence="CC0 or CC BY-NC 4.0 by picture, taken as CC BY-NC 4.0",
)
CHEST_XRAY = Source(
    name="Chest X-ray pictures of children, Guangzhou Women and Children's Medical Center",
    citation="Kermany et al., Cell 172:1122-1131, 2018; doi:10.17632/rscbjbr9sj",
    licence="CC BY 4.0",
    rights=(
        "The data are CC BY 4.0, and so are the network's weights, with that attribution. What "
        "tells other pictures from radiographs was taught with photos under the terms of ImageNet: "
        "**for research, not for commercial use**."
    ),
    limits=(
        "Children of one to five years, one hospital: nothing is known of babies, older children "
        "and adults. A network trained on the same films elsewhere fell from an AUC of 0.95 to "
        "0.54 on films of other hospitals (Xin et al., Emerg Radiol, 2021).",
        "Where this card says lesion it means child, as far as the file names tell: films of one "
        "number of one part. The published test part uses 170 of the training part's numbers "
        "again; nobody says whether these are the same children, so its numbers may flatter.",
        "Two classes. Normal means no sign of pneumonia on the film, as doctors graded it; every "
        "other illness of the chest gets one of the two names or none.",
        "Films reduced to 224 and then 160 pixels and saved as JPEG and WebP; their shape was "
        "lost. Full-size films look finer; they are reduced the same way before they are scored.",
        "It cannot tell a photo of a film from the film's file: only its sender can say so.",
    ),
)
# SHA-256 of the sorted lines "image_id,dx,lesion_id": whatever size the pictures are kept at.
BY_TABLE = {
    "75caf11d0ee96d118342659a328828a50d9ec068271e628bc0d4a591dc7b8a37": HAM10000,
    # As `gather` makes it of the published folders, without repeats: all, one film a child, and
    # all but the training film that shows a test film once more (train-person331_virus_684).
    "efd716659b66680dbb8f9ef93f79c3427c155054eca51331847ca6fbddd3ab7b": CHEST_XRAY,
    "ea3c0d96c3fbfc84641a5966cc06ed65e0927cd2627c8ed6361655d85d40f1c4": CHEST_XRAY,
    "75b3ec9630aa870e552b9a3d277b3ff9a8a9f873e66bcff39bda3b037e36c3cf": CHEST_XRAY,
}
# Hashes of whole folders (training.data.data_hash), for those a run knows by nothing else.
BY_FOLDER = {"96c8bd3971317c2278b683e8a51519c7893ee9061fde0956cadf05a0c6b00883": ISIC2017}


def source_of(rows: Iterable[Row]) -> Source | None:
    """The published set these rows are, complete and unchanged; ``None`` for any other."""
    lines = sorted(f"{row.image_id},{row.dx},{row.lesion_id}" for row in rows)
    return BY_TABLE.get(hashlib.sha256("\n".join(lines).encode()).hexdigest())
