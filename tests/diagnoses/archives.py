"""Archives of cases for the stories about them: as they are written, and as forged."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from accounts.models import User
from diagnoses.models import Case

IMPORT = "/api/v1/cases/import/"
Files = dict[str, bytes]


def taken(client: Any, case: Case) -> bytes:
    """The whole archive over the API."""
    answer = client.get(f"/api/v1/cases/{case.pk}/archive")
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"] == "application/zip"
    content = b"".join(answer.streaming_content)
    assert len(content) == int(answer["Content-Length"])
    return content


def files_of(content: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        assert file.testzip() is None
        return {name: file.read(name) for name in file.namelist()}


def told(files: Files, name: str = "case.json") -> Any:
    return json.loads(files[name])


def changed(files: Files, **fields: Any) -> Files:
    """With other words in case.json, and a manifest that says so."""
    return listed(files | {"case.json": json.dumps(told(files) | fields).encode()})


def listed(files: Files, **fields: Any) -> Files:
    """With a manifest that is right about every file, and says ``fields`` besides."""
    manifest = told(files, "manifest.json") | fields
    manifest["files"] = [
        {"name": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in files.items()
        if name != "manifest.json"
    ]
    return files | {"manifest.json": json.dumps(manifest).encode()}


def packed(files: Files, how: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", how) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return buffer.getvalue()


def brought(api: APIClient, content: bytes, patient: User | str) -> Any:
    whose = patient.public_id if isinstance(patient, User) else patient
    form = {"archive": SimpleUploadedFile("case.zip", content), "patient": str(whose)}
    return api.post(IMPORT, form, format="multipart")
