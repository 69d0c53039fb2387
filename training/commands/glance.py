"""``glance``: what a pack sees of a photo at once, before any network."""

from __future__ import annotations

import argparse
from pathlib import Path

from training.commands.common import Commands, add_pack


def add(commands: Commands) -> None:
    parser = commands.add_parser("glance", help="fit what is judged of a photo before any network")
    parser.add_argument("data", type=Path, help="folder with pictures and a csv of image_id,dx")
    add_pack(parser)
    parser.add_argument("--also", type=Path, help="a second labelled folder, from elsewhere")
    parser.add_argument("--masks", type=Path, required=True, help="outlines of DATA's marks")
    parser.add_argument("--not-skin", type=Path, required=True, help="folder of ordinary photos")
    parser.add_argument("--phone", type=Path, required=True, help="folder of phone photos")
    parser.add_argument("--seed", type=int, default=7, help="of the halves of these two folders")
    parser.add_argument("--out", type=Path, required=True, help="the pack's glance.toml")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> None:
    from training.data import read_folder
    from training.gate import halves
    from training.glance import by_phone, fit_misplaced, fit_strange, measure
    from training.glance_report import as_toml, report
    from training.labels import pack_labels

    labels = pack_labels(options.pack)[0]
    folders = [folder for folder in (options.data, options.also) if folder]
    rows = [read_folder(folder, labels) for folder in folders]
    sets = {
        folder.name: measure(each, options.masks if folder == options.data else None)
        for folder, each in zip(folders, rows, strict=True)
    }
    ordinary, phone = (halves(f, options.seed) for f in (options.not_skin, options.phone))
    strange = fit_strange([*sets.values(), by_phone(phone[0])], ordinary[0], "not_skin")
    misplaced = fit_misplaced(list(sets.values()), "framing")
    options.out.write_text(as_toml(strange, misplaced), encoding="utf-8")
    print(report(strange, misplaced, sets, ordinary[1], phone[1]))
    print(options.out)
