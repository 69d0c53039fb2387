"""P2: how long from POST to a visible prediction, at light load, beside the bare computation.

    python benchmarks/journey.py PHOTOS --url http://localhost:8000 --email … --password …

Photo by photo, in turn: (A) POST to the running portal and poll until the result shows; (B) decode
the same file and run the same four forwards in this process. Both share the machine's cores with
this client. Prints a table and, last, one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import requests

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mlservice.engine import Bundle, Modality, assess, open_predictor, prepare, shipped

PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".heic"}
POLL = 0.01  # seconds
TIMEOUT = 30.0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("photos", type=Path, help="a folder of pictures")
    parser.add_argument("--url", default="http://localhost:8000")
    parser.add_argument("--email", required=True, help="a patient's")
    parser.add_argument("--password", required=True)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--kind", default="dermoscopic")
    parser.add_argument("--pause", type=float, default=0.2, help="seconds between photos")
    return parser.parse_args()


def journey(session: requests.Session, url: str, photo: Path, kind: str) -> dict[str, float] | None:
    """Seconds until the case is acknowledged and until its result can be read.

    ``None`` for a photo that the portal refuses to judge, a blurred one for example.
    """
    start = time.perf_counter()
    with photo.open("rb") as file:
        answer = session.post(
            f"{url}/api/v1/cases",
            data={"site": "unknown", "kind": kind},
            files={"photo": file},
            timeout=TIMEOUT,
        )
    if answer.status_code == requests.codes.unprocessable:
        print(f"\n{photo.name}: {answer.json()['detail']}", file=sys.stderr)
        return None
    answer.raise_for_status()
    acknowledged = time.perf_counter() - start
    case = answer.json()
    while case["status"] == "registered":
        if time.perf_counter() - start > TIMEOUT:
            raise TimeoutError(f"{photo.name} was not scored within {TIMEOUT} s")
        time.sleep(POLL)
        case = session.get(case["url"], timeout=TIMEOUT).json()
    if case["result"]["key"] == "unscored":
        raise RuntimeError(f"{photo.name} was passed on unscored")
    return {"acknowledged": acknowledged, "visible": time.perf_counter() - start}


def in_turn(options: argparse.Namespace, session: requests.Session) -> list[dict[str, float]]:
    """A B A B …: the portal's journey, then the bare computation, for each photo."""
    bundle = Bundle.load(shipped())
    predictor = open_predictor(bundle)
    paths = sorted(p for p in options.photos.iterdir() if p.suffix.lower() in PICTURES)
    step = max(1, len(paths) // options.count)
    chosen = paths[::step][: options.count]
    assess(predictor, bundle, [prepare(chosen[0])], [Modality.DERMOSCOPIC])  # warm
    journey(session, options.url, chosen[0], options.kind)
    rows = []
    for number, path in enumerate(chosen, 1):
        row = journey(session, options.url, path, options.kind)
        if row is None:
            continue
        start = time.perf_counter()
        assess(predictor, bundle, [prepare(path)], [Modality.DERMOSCOPIC])
        rows.append(row | {"bare": time.perf_counter() - start})
        print(f"\r{number}/{len(chosen)}", end="", file=sys.stderr, flush=True)
        time.sleep(options.pause)
    print(file=sys.stderr)
    return rows


def spread(values: list[float]) -> dict[str, float]:
    """Median and upper shares; of few values the upper shares are the largest of them."""
    ordered = sorted(values)

    def at(share: float) -> float:
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    return {
        "p50": statistics.median(ordered),
        "p95": at(0.95),
        "p99": at(0.99),
        "max": ordered[-1],
    }


def summary(rows: list[dict[str, float]]) -> dict[str, Any]:
    milliseconds = {
        name: {k: round(v * 1000, 1) for k, v in spread([row[name] for row in rows]).items()}
        for name in ("acknowledged", "visible", "bare")
    }
    ratios = spread([row["visible"] / row["bare"] for row in rows])
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    return {
        "measure": "P2",
        "n": len(rows),
        "ms": milliseconds,
        "visible_over_bare": {k: round(v, 2) for k, v in ratios.items()},
        "commit": commit,
        "python": sys.version.split()[0],
    }


def main() -> None:
    options = arguments()
    session = requests.Session()
    answer = session.post(
        f"{options.url}/api/v1/auth/token/",
        json={"email": options.email, "password": options.password},
        timeout=TIMEOUT,
    )
    answer.raise_for_status()
    session.headers["Authorization"] = f"Token {answer.json()['token']}"
    result = summary(in_turn(options, session))
    print(f"{'':14}{'p50':>9}{'p95':>9}{'p99':>9}{'max':>9}   ms, n = {result['n']}")
    for name, row in result["ms"].items():
        print(f"{name:14}" + "".join(f"{value:9.1f}" for value in row.values()))
    print(f"visible ÷ bare: p50 {result['visible_over_bare']['p50']}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
