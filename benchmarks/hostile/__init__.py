"""R13: hostile files through the real address of a running portal.

The whole catalogue, then honest pictures spoilt at random, over several connections at once. Must
hold: no answer of 500 and above, no web or worker process that dies, every refusal with a code of
ours and a sentence, nothing kept but pixels. And none should take over half a gigabyte or five
seconds.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator

from benchmarks.hostile.catalogue import FORMATS, TAKEN, catalogue, honest, largest
from benchmarks.hostile.mutations import DEEDS, Change, spoilt
from benchmarks.hostile.sending import MB, Door, Found, Sent, Watch
from benchmarks.measuring import Figure, Report, at, say
from benchmarks.rig import Rig

CONNECTIONS = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--mutations", type=int, default=2000, help="beside the catalogue")
    parser.add_argument("--connections", type=int, default=CONNECTIONS)
    parser.add_argument("--seed", type=int, default=1)


def run(options: argparse.Namespace) -> Report:
    report = Report("R13", "Hostile files through the real address")
    with Rig() as rig:
        from diagnoses.intake import SENTENCES

        rig.stack.start("web", WEB_WORKERS="2")
        rig.stack.start("inference")
        door = Door(rig, SENTENCES)
        watch = Watch(rig.stack.children)
        watch.start()
        began = time.perf_counter()
        files = [Sent(one.name, one.make(), one.codes) for one in (*catalogue(), *largest())]
        say(f"{len(files)} files of the catalogue, one at a time")
        listed = door.send_all(files, 1)
        say(f"{options.mutations} spoilt pictures, {options.connections} at once")
        spoiled = door.send_all(mutations(options.mutations, options.seed), options.connections)
        scored = _all_scored()
        died = watch.stop()
        _told(report, listed, spoiled, watch, died, scored)
        report.detail["seconds"] = round(time.perf_counter() - began)
    return report


def mutations(count: int, seed: int) -> Iterator[Sent]:
    """``count`` honest pictures, each with one to six deeds done to it."""
    chance = random.Random(seed)  # noqa: S311 - to be drawn again, not to be a secret
    for number in range(count):
        file_format = FORMATS[number % len(FORMATS)]
        changes = [
            Change(
                deed=chance.choice(DEEDS),
                place=chance.randrange(1 << 16),
                length=chance.randrange(1 << 16),
                value=chance.randbytes(chance.randint(1, 12)),
            )
            for _ in range(chance.randint(1, 6))
        ]
        yield Sent(f"{number}.{file_format.lower()}", spoilt(honest(file_format), changes))


def _all_scored(limit: float = 300.0) -> bool:
    """Whether what was accepted was also looked at by a worker that lives on."""
    from diagnoses.models import Case, Scoring

    deadline = time.monotonic() + limit
    while Scoring.objects.waiting().exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    return Case.objects.exists() and not Scoring.objects.waiting().exists()


def _told(
    report: Report, listed: Found, spoiled: Found, watch: Watch, died: int, scored: bool
) -> None:
    codes = listed.codes + spoiled.codes
    sent = codes.total()
    errors, wrong = listed.errors + spoiled.errors, listed.wrong + spoiled.wrong
    slowest = max(listed.seconds)
    most = max(watch.most.get("opens a photo", 0), watch.most.get("web", 0)) / MB
    report.figures = [
        Figure("files sent", sent),
        *(Figure(f"refused as {code}", n) for code, n in codes.most_common() if code != TAKEN),
        Figure("taken and made anew", codes[TAKEN]),
        Figure("answers of 500 and above", errors, target="0", n=sent),
        Figure("web and worker processes that died", died, target="0"),
        Figure("answers that are wrong", len(wrong), target="0", n=sent),
        Figure("one at a time, p99", at(listed.seconds, 0.99), unit="s"),
        Figure("one at a time, longest", slowest, unit="s", target="≤ 5"),
        Figure("most memory of one web process or photo", most, unit="MB", target="≤ 512"),
        *(Figure(f"most memory, {name}", rss / MB, unit="MB") for name, rss in watch.most.items()),
    ]
    report.detail["wrong"] = wrong[:50]
    report.broken = [
        *(["answers of 500 and above"] if errors else []),
        *(["processes died"] if died else []),
        *wrong[:10],
        *([] if scored else ["what was accepted was not all looked at"]),
    ]
