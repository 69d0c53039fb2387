"""P3: everything over HTTP, from POST to the committed prediction, against a raw loop.

Many senders post the same files that the raw loop reads, in turn. Ours includes what a portal owes
its patients beside the network: the photo is checked, judged, rebuilt without its metadata, written
durably, committed (fsync on), claimed, scored and filed.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from statistics import median

from benchmarks.load import CONNECTIONS, Portal, add_photo_arguments, photos_of
from benchmarks.measuring import Figure, Report, in_turn, ratio, say
from benchmarks.rig import LARGE, SMALL, RawLoop, Rig

SIZES = {"600×450": (SMALL, "≥ 0.65"), "12 MP": (LARGE, "≥ 0.90")}
COUNT = 64


def add_arguments(parser: ArgumentParser) -> None:
    add_photo_arguments(parser, COUNT)
    parser.add_argument("--connections", type=int, default=CONNECTIONS)


def run(options: Namespace) -> Report:
    """With ``--photos`` there is one size: the photos' own."""
    report = Report("P3", "Over HTTP ÷ raw loop (photos a second)")
    report.notes = [
        f"{options.connections} connections; the client's processor time is on the same cores.",
        "Raw loop: one process, one photo at a time, its forwards on all cores; nothing is kept.",
    ]
    sizes = {"own size": (SMALL, "")} if options.photos else SIZES
    with Rig() as rig:
        portal, raw = Portal(rig, options.connections), RawLoop()
        for name, (size, target) in sizes.items():
            say(f"{name}: {options.count} photos")
            photos = photos_of(options.photos, options.count, size)
            paths = _written(photos, rig.folder / "raw")

            def ours(photos: list[bytes] = photos) -> float:
                return portal.per_second(photos)

            def theirs(paths: list[str] = paths) -> float:
                return len(paths) / raw.seconds(paths)

            ours(photos[: options.connections]), theirs(paths[:8])  # warm
            found = in_turn({"over HTTP": ours, "raw loop": theirs}, options.pairs)
            report.figures += compared(found, f", {name}", target)
            report.detail[name] = found
    return report


def compared(found: dict[str, list[float]], what: str, target: str) -> list[Figure]:
    """The ratio, then both rates."""
    ours, raw = found.values()
    return [ratio(f"over HTTP ÷ raw loop{what}", ours, raw, target=target)] + [
        Figure(name + what, median(rates), (min(rates), max(rates)), "/s", n=len(rates))
        for name, rates in found.items()
    ]


def _written(photos: list[bytes], folder: Path) -> list[str]:
    """The same bytes as files, for the raw loop."""
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{number}.jpg" for number in range(len(photos))]
    for path, photo in zip(paths, photos, strict=True):
        path.write_bytes(photo)
    return [str(path) for path in paths]
