"""Filling in and reading the patient's pages, for the stories about them."""

from __future__ import annotations

import io
import re
import uuid
from typing import Any

from django.test import Client
from django.urls import reverse

from diagnoses.models import Case
from tests import cases

NEW = "/cases/new/"
Response = Any  # the test client adds url, context and json() at run time


def named(content: bytes, name: str = "photo.jpg") -> io.BytesIO:
    upload = io.BytesIO(content)
    upload.name = name
    return upload


def send(client: Client, *, photo: io.BytesIO | None = None, **fields: Any) -> Response:
    """Fill in the form with a good photo and a site, but for ``fields``, and press the button."""
    form = {"submit_key": str(uuid.uuid4()), "site": "back"}
    return client.post(NEW, form | {"main_photo": photo or named(cases.jpeg())} | fields)


def errors_of(response: Response) -> dict[str, list[str]]:
    assert response.status_code == 422
    return dict(response.context["form"].errors)


def text_of(response: Response) -> str:
    """What can be read on the page."""
    assert response.status_code in {200, 422}, response.status_code
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def page(client: Client, case: Case, query: str = "") -> Response:
    return client.get(reverse("case", args=[case.pk]) + query)
