"""Holes that machines can find: bandit over the code, detect-secrets over every file, pip-audit
over the locked libraries. ``make scan``; ends with 1 where something is found.

``--accept`` enters what detect-secrets finds into ``.secrets.baseline``: look at each first.
Where no advisories can be reached pip-audit is left out, and that is said.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from detect_secrets.core import baseline
from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import configure_settings_from_baseline, default_settings

ROOT = Path(__file__).resolve().parent.parent
BASELINE = ".secrets.baseline"
CODE = (
    *("accounts", "diagnoses", "mlservice", "notifications", "portal", "training", "manage.py"),
    ".ci",
)
# An old one with holes that are known: who finds none in it has no advisories to look in.
HOLED = "django==4.2.0"
PIP_AUDIT = (
    *(sys.executable, "-m", "pip_audit", "--disable-pip"),
    *("--format", "json", "--progress-spinner", "off"),
)


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def bandit(code: Iterable[str] = CODE) -> bool:
    """Whether it finds nothing."""
    found = subprocess.run(  # noqa: S603 - our own arguments
        [sys.executable, "-m", "bandit", "-q", "-c", "pyproject.toml", "-r", *code],
        cwd=ROOT,
        check=False,
    )
    return found.returncode == 0


def files() -> list[str]:
    """What git has, and what it would have after ``git add``."""
    command = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)  # noqa: S603 - our own arguments
    return [name for name in listed.stdout.decode().split("\0") if (ROOT / name).is_file() and name]


def secrets(known: dict[str, Any], names: Iterable[str]) -> SecretsCollection:
    """What in the files ``names`` looks like a secret, by the settings of a baseline."""
    with default_settings():
        configure_settings_from_baseline(known)
        found = SecretsCollection()  # by the names as given: the baseline's patterns are of those
        found.scan_files(*names)
    return found


def new_secrets(known: dict[str, Any], names: Iterable[str]) -> list[str]:
    """``file:line: kind`` of each that is not in the baseline. Never the secret."""
    entered = baseline.load(known)
    return [
        f"{name}:{secret.line_number}: {secret.type}"
        for name, secret in secrets(known, names) - entered
    ]


def accept(known: dict[str, Any]) -> None:
    found = secrets(known, files()).json()
    kept = {**known, "results": found}
    kept.pop("generated_at", None)
    (ROOT / BASELINE).write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")


def advisories_are_there(holed: str = HOLED) -> bool:
    """Whether a hole that everybody knows is found: a mirror may answer for libraries, and know no
    advisories."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as asked:
        asked.write(holed + "\n")
        asked.flush()
        printed = _audited("--no-deps", "-r", asked.name).stdout
    found = json.loads(printed)["dependencies"] if printed.strip() else []
    return any(one.get("vulns") for one in found)


def _audited(*what: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own arguments
        [*PIP_AUDIT, *what], cwd=ROOT, capture_output=True, text=True, check=False
    )


def verdict(printed: str) -> list[str]:
    """What pip-audit's JSON finds, each in a line; also what it could not look at."""
    told = []
    for one in json.loads(printed)["dependencies"]:
        if why := one.get("skip_reason"):
            told.append(f"{one['name']}: not audited: {why}")
        for hole in one.get("vulns", ()):
            told.append(f"{one['name']} {one['version']}: {hole['id']}")
    return told


def pip_audit() -> list[str]:
    locks = sorted((ROOT / "requirements").glob("*.txt"))
    named = [part for lock in locks for part in ("-r", str(lock))]
    done = _audited("--require-hashes", *named)
    if not done.stdout.strip():
        return [f"pip-audit gave no answer: {done.stderr.strip()[-500:]}"]
    return verdict(done.stdout)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python .ci/scan.py", description=__doc__)
    parser.add_argument("--accept", action="store_true", help="enter what looks like a secret")
    os.chdir(ROOT)
    known = json.loads((ROOT / BASELINE).read_text(encoding="utf-8"))
    if parser.parse_args().accept:
        accept(known)
        return 0
    say("bandit …")
    well = bandit()
    say("detect-secrets …")
    if found := new_secrets(known, files()):
        well = False
        say("These look like secrets. If one is not: python .ci/scan.py --accept")
        say("\n".join(found))
    say("pip-audit …")
    if not advisories_are_there():
        say("NOT AUDITED: no advisories about libraries can be reached from here.")
    elif holes := pip_audit():
        well = False
        say("\n".join(holes))
    say("Nothing found." if well else "Something was found.")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
