"""The single-machine mode's command line."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from portal.machine.child import StartError
from portal.machine.house import choose_addresses
from portal.machine.up import Machine, say, up

DEFAULT_PORT = 8000


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    photos = options.photos.expanduser().resolve() if options.photos else None
    if photos and not photos.is_dir():
        say(f"{options.photos} is not a folder.")
        return 2
    try:
        asked = options.port is not None
        addresses = choose_addresses(options.host, options.port or DEFAULT_PORT, asked=asked)
    except StartError as error:
        say(str(error))
        return 2
    folder = Path(os.environ.get("DATA_DIR", ".lentigo")).resolve()
    return up(Machine(folder, addresses, photos=photos, cases=options.cases))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m portal.machine", description=__doc__)
    commands = parser.add_subparsers(required=True)
    start = commands.add_parser("up", help="start everything on this machine, until Ctrl-C")
    start.add_argument("--photos", type=Path, help="fill the worklist with pictures of this folder")
    start.add_argument("--cases", type=int, help="how many cases the worklist starts with")
    start.add_argument("--port", type=int, help=f"the pages' port (default {DEFAULT_PORT})")
    start.add_argument(
        "--host", default="127.0.0.1", help="0.0.0.0 lets phones on the same network in"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
