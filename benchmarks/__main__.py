"""``python -m benchmarks NAME [--json]``: one measurement; ``docs/benchmarks.md`` explains them.

A benchmark is a module here with ``add_arguments(parser)`` and ``run(options)``, which gives a
:class:`benchmarks.measuring.Report`.
"""

from __future__ import annotations

import argparse
import signal
import sys
from importlib import import_module

from benchmarks.measuring import LEAST_PAIRS, printed

NAMES = {
    "engine": "forwards by batch, preparing a picture",
    "drain": "P1: from the queue to committed predictions, against a raw loop",
    "latency": "P2: from POST to a visible result, at light load",
    "http": "P3: everything over HTTP, against a raw loop",
    "usual_stack": "P4: against Celery and FastAPI as they are usually set up",
    "batchers": "P5: against LitServe, BentoML and FastAPI with a batching window",
    "pages": "P8–P10: server time of pages, API, claim and sweep, by how many cases there are",
    "overload": "P6: three times more than the machine can do",
    "gates": "what is refused of real and of spoilt pictures, with intervals",
    "similar": "six similar cases, by how many signed ones there are",
    "soak": "P13 and P17: start, memory of the web process, memory over many pictures",
    "faults": "R1–R12: real processes, really killed",
    "audit": "random tamperings of the audit trail, by somebody who owns the database",
    "observatory": "headers and cookies, scored by the rules of Mozilla's HTTP Observatory",
    "hostile": "R13: hostile files sent in: what is refused, who dies, how much it takes",
    "encryption": "what it costs that pictures rest sealed, against plain files",
    "planted": "defects planted one at a time: which of them the tests notice",
    "messages": "R8: messages told once under every fault of Twilio's, of networks and of workers",
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = parser.add_subparsers(required=True, dest="name", metavar="NAME")
    chosen = (arguments if arguments is not None else sys.argv[1:])[:1]
    for name, what in NAMES.items():
        one = names.add_parser(name, help=what, description=what)
        one.add_argument("--json", action="store_true", help="print the JSON only")
        one.add_argument("--pairs", type=int, default=LEAST_PAIRS, help="at least five")
        if chosen == [name]:  # the others' libraries may not be installed
            import_module(f"benchmarks.{name}").add_arguments(one)
    options = parser.parse_args(arguments)
    options.pairs = max(LEAST_PAIRS, options.pairs)
    report = import_module(f"benchmarks.{options.name}").run(options)
    printed(report, as_json=options.json)
    return 1 if report.broken else 0


if __name__ == "__main__":
    # Asked to stop, it stops what it started too: a paused process would otherwise stay for ever.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main())
