"""P2: how long from POST to a visible result at light load, beside the bare computation.

Photo by photo, in turn: (A) POST to the running portal, then the case is asked for, to be answered
when its result is there, as the page asks; (B) the same file is decoded and run through the same
forwards in this process. Everything shares the machine's cores, this client too.
"""

from __future__ import annotations

import argparse
import time
from statistics import median

import requests

from benchmarks.measuring import Figure, Report, at, say
from benchmarks.rig import LARGE, SMALL, RawLoop, Rig, Sender, drawn

SIZES = {
    "600×450": (SMALL, ("≤ 150", "≤ 500")),
    "12 megapixels": (LARGE, ("≤ 300", "≤ 900")),
}
PAUSE, LIMIT = 0.2, 30.0  # seconds
PATIENT = {"Prefer": "wait=5"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--photos", type=int, default=60, help="of each size")


def run(options: argparse.Namespace) -> Report:
    report = Report("P2", "from POST to a visible result, at light load")
    with Rig() as rig:
        rig.stack.start("web", "inference")
        raw = RawLoop()
        for name, (size, targets) in SIZES.items():
            _measure(report, rig, raw, name, drawn(options.photos, size), targets)
    report.notes.append("the client asks once, to be answered then, on the same cores")
    return report


def _measure(
    report: Report,
    rig: Rig,
    raw: RawLoop,
    name: str,
    photos: list[bytes],
    targets: tuple[str, str],
) -> None:
    [sender] = rig.senders(1)
    file = rig.folder / "photo.jpg"
    rows = []
    for number, content in enumerate([photos[0], *photos]):  # the first warms up
        taken, seen = _journey(rig.stack.url, sender, content)
        file.write_bytes(content)
        bare = raw.seconds([str(file)])
        if number:
            rows.append((taken, seen, bare))
            say(f"{name} {number}/{len(photos)}: {taken:.3f}, {seen:.3f}, bare {bare:.3f} s")
        time.sleep(PAUSE)
    took = [taken for taken, _, _ in rows]
    waited = [seen for _, seen, _ in rows]
    alone = [bare for _, _, bare in rows]
    n, ratios = len(rows), [seen / bare for _, seen, bare in rows]
    report.figures += [
        Figure(f"{name}: visible, p50", 1000 * median(waited), unit="ms", target=targets[0], n=n),
        Figure(f"{name}: visible, p99", 1000 * at(waited, 0.99), unit="ms", target=targets[1], n=n),
        Figure(f"{name}: acknowledged, p50", 1000 * median(took), unit="ms", n=n),
        Figure(f"{name}: bare decode and forwards, p50", 1000 * median(alone), unit="ms", n=n),
        Figure(
            f"{name}: visible ÷ bare, p50",
            median(ratios),
            (min(ratios), max(ratios)),
            target="≤ 2.0",
            n=n,
        ),
    ]


def _journey(url: str, sender: Sender, photo: bytes) -> tuple[float, float]:
    """Seconds until the case is acknowledged, and until its result can be read."""
    with requests.Session() as session:
        session.headers.update(sender.headers)
        session.get(f"{url}/healthz", timeout=LIMIT)  # a phone's connection is open by now
        started = time.perf_counter()
        answer = session.post(
            f"{url}/api/v1/cases",
            data={"site": "unknown", "kind": "dermoscopic"},
            files={"photo": ("photo.jpg", photo)},
            timeout=LIMIT,
        )
        answer.raise_for_status()
        taken = time.perf_counter() - started
        case = answer.json()
        while case["status"] == "registered":
            if time.perf_counter() - started > LIMIT:
                raise TimeoutError(f"no result within {LIMIT:.0f} s")
            case = session.get(case["url"], headers=PATIENT, timeout=LIMIT).json()
        if case["result"]["key"] == "unscored":
            raise RuntimeError("a case was passed on unscored")
        return taken, time.perf_counter() - started
