"""Fail when a test was skipped for a reason that is not expected in CI."""

from __future__ import annotations

import sys
from xml.etree import ElementTree as ET

# Everything else CI installs or starts itself, so a skip there hides a test.
EXPECTED = ("the real pictures are not on this machine", "HAM10000 is not here")


def main(*reports: str) -> int:
    unexpected = [
        f"{case.get('classname')}::{case.get('name')}: {skipped.get('message')}"
        for report in reports
        for case in ET.parse(report).iter("testcase")  # noqa: S314 - pytest wrote it
        for skipped in case.iter("skipped")
        if not any(reason in (skipped.get("message") or "") for reason in EXPECTED)
    ]
    if unexpected:
        sys.stderr.write("Skipped without a reason CI knows:\n" + "\n".join(unexpected) + "\n")
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
