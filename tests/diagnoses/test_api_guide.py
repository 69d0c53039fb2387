"""Every command of docs/api.md, sent as it stands there to a portal that listens."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from django.core.cache import cache
from drf_spectacular.generators import SchemaGenerator

from accounts.models import ApiToken, Scope, User
from diagnoses.models import CaseImport, Review
from tests.cases import a_model_version, jpeg
from tests.cast import PASSWORD, build_cast

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("media")]
GUIDE = Path(__file__).resolve().parents[2] / "docs" / "api.md"


def commands() -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```", GUIDE.read_text(), re.M | re.S)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line for line in lines if line.startswith("curl ")]


def token(person: User) -> str:
    secret: str = ApiToken.objects.create(person, scopes=list(Scope))[1]
    return secret


def test_each_command_does_what_the_guide_says(live_server: object, tmp_path: Path) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("there is no curl on this machine")
    cast = build_cast()
    a_model_version()
    cache.clear()
    (tmp_path / "arm.jpg").write_bytes(jpeg())
    given = {
        "PATH": os.environ["PATH"],
        "PORTAL": str(live_server),
        "TOKEN": token(cast.ana),
        "DOCTOR": token(cast.ruth),
    }
    told: dict[str, int] = {}
    for command in commands():
        if case := cast.ana.cases.first():
            given["CASE"] = str(case.pk)
        typed = command.replace('"password": "…"', f'"password": "{PASSWORD}"')
        typed = typed.replace("$OTHER", str(cast.bo.public_id))
        printed = subprocess.run(
            ["bash", "-c", f"{typed} -w '\\n%{{http_code}}'"],
            env=given,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        told[command] = int(printed.splitlines()[-1])
        assert told[command] in {200, 201}, (command, printed)
    assert len(told) > 10, "the rule looks at nothing"
    assert cast.ana.cases.get().events.filter(kind="told_more").exists()
    assert Review.objects.get().advice.startswith("A harmless mole.")
    assert CaseImport.objects.get().case == cast.bo.cases.get()
    assert (tmp_path / "everything.zip").read_bytes().startswith(b"PK")


def test_the_guide_names_every_scope() -> None:
    words = GUIDE.read_text()
    for scope in Scope:
        assert f"| `{scope}` |" in words


def test_the_guide_explains_every_refusal_of_the_document() -> None:
    table = re.findall(r"^\| ((?:\d{3}(?:, )?)+) \|", GUIDE.read_text(), re.M)
    explained = {int(status) for row in table for status in row.split(", ")}
    document = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]  # spectacular says no types here
    told = {
        f"{method} {path}": {int(status) for status in operation["responses"]}
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if method in {"get", "post", "put", "patch", "delete"}
    }
    assert len(told) > 40, "the rule looks at nothing"
    assert {status for each in told.values() for status in each if status >= 400} <= explained
    with_a_body = [name for name in told if name.startswith(("post", "put"))]
    assert [name for name in with_a_body if 413 not in told[name]] == [], (
        "any body can be too large"
    )
