"""Defects planted one at a time into a copy of the code: does the test suite notice?

``defects.toml`` says what is changed where, and which tests must fail then. Each defect is one that
somebody could make on a bad day: a filter dropped, a signature skipped, a number logged.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measuring import Figure, Report, say

ROOT = Path(__file__).parents[2]
PASSED, FAILED = 0, 1  # pytest's exit codes; every other says that the tests did not run


@dataclass(frozen=True, slots=True)
class Defect:
    """``before`` stands once in ``file``; with ``after`` in its place one of ``tests`` fails."""

    name: str  # what somebody did wrong, in words
    file: str
    before: str
    after: str
    tests: tuple[str, ...]


def defects() -> list[Defect]:
    with (Path(__file__).parent / "defects.toml").open("rb") as file:
        listed = tomllib.load(file)["defect"]
    return [Defect(**{**one, "tests": tuple(one["tests"])}) for one in listed]


class Copy:
    """The code as git has it, with what is not committed, in a folder that is thrown away."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._changes = 0
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout
        for name in filter(None, names.decode().split("\0")):
            source, target = ROOT / name, folder / name
            if source.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)

    def result(self, *tests: str) -> tuple[int, str]:
        """pytest's exit code and what it printed. It stops at the first failure."""
        run = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(self.folder)},
            capture_output=True,
            text=True,
            check=False,
        )
        return run.returncode, run.stdout + run.stderr

    def with_defect(self, defect: Defect) -> tuple[int, str]:
        """:meth:`result` of the defect's tests while it is planted."""
        path = self.folder / defect.file
        whole = path.read_text(encoding="utf-8")
        if whole.count(defect.before) != 1:
            raise ValueError(f"{defect.name}: its place is not found once in {defect.file}.")
        self._write(path, whole.replace(defect.before, defect.after))
        try:
            return self.result(*defect.tests)
        finally:
            self._write(path, whole)

    def _write(self, path: Path, text: str) -> None:
        """Python takes a file for unchanged that has the same length and the same second."""
        path.write_text(text, encoding="utf-8")
        self._changes += 1
        later = path.stat().st_mtime + 2 * self._changes
        os.utime(path, (later, later))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", default="", help="defects whose name has these words")


def run(options: argparse.Namespace) -> Report:
    report = Report("planted", "defects planted one at a time, and whether the tests notice")
    chosen = [defect for defect in defects() if options.only in defect.name]
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        copy = Copy(Path(folder))
        say("the tests, with no defect planted")
        code, printed = copy.result(*sorted({test for one in chosen for test in one.tests}))
        if code != PASSED:
            report.broken.append(f"without any defect the tests do not pass:\n{printed[-2000:]}")
            return report
        found = [defect for defect in chosen if _caught(copy, defect, report)]
    report.figures.append(Figure("caught", len(found), target=str(len(chosen)), n=len(chosen)))
    report.notes += [f"caught: {defect.name}" for defect in found]
    return report


def _caught(copy: Copy, defect: Defect, report: Report) -> bool:
    code, printed = copy.with_defect(defect)
    say(f"{'caught' if code == FAILED else 'NOT CAUGHT'}: {defect.name}")
    if code == PASSED:
        report.broken.append(f"nobody noticed: {defect.name}")
    elif code != FAILED:
        report.broken.append(f"the tests did not run: {defect.name}\n{printed[-2000:]}")
    return code == FAILED
