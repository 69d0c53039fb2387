#!/usr/bin/env python
"""Django's command line. Without a ``DATABASE_URL`` it joins the demo that runs here, if any."""

import json
import os
import sys
from pathlib import Path

from django.core.management import execute_from_command_line


def join_running_demo() -> None:
    """Take the addresses that ``make demo`` left in its data folder while it runs."""
    folder = Path(os.environ.get("DATA_DIR", Path(__file__).resolve().parent / ".lentigo"))
    file = folder / "running.json"
    if "DATABASE_URL" not in os.environ and file.is_file():
        for name, value in json.loads(file.read_text()).items():
            os.environ.setdefault(name, value)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    join_running_demo()
    execute_from_command_line(sys.argv)
