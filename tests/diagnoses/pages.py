"""Filling in and reading the patient's pages, for the stories about them."""

from __future__ import annotations

import io
import re
import uuid
from typing import Any

from django.conf import settings
from django.test import Client
from django.urls import reverse

from accounts.models import User
from diagnoses.conversation import CHECK, Step, steps
from diagnoses.models import Case
from mlservice.packs import load_pack
from tests import cases

NEW = "/cases/new/"
Response = Any  # the test client adds url, context and json() at run time


def named(content: bytes, name: str = "photo.jpg") -> io.BytesIO:
    upload = io.BytesIO(content)
    upload.name = name
    return upload


def screen(key: str, step: str) -> str:
    return reverse("case_step", args=[key, step])


def every_step() -> tuple[Step, ...]:
    return steps(load_pack(settings.PACK))


def say(client: Client, key: str, step: str, query: str = "", **fields: Any) -> Response:
    """Answer one screen and press its button."""
    return client.post(screen(key, step) + query, fields)


def send(
    client: Client,
    *,
    photo: io.BytesIO | None = None,
    submit_key: str = "",
    about: Case | None = None,
    whom: User | None = None,
    **fields: Any,
) -> Response:
    """Answer every screen with a good photo, a site and ``fields``, and send; for ``whom``.

    Gives the first screen that says no, else the answer to the last one.
    """
    key = submit_key or str(uuid.uuid4())
    said = {"main_photo": photo or named(cases.jpeg()), "site": "back"} | fields
    query = f"?about={about.pk}" if about else f"?for={whom.pk}" if whom else ""
    response: Response = None
    for step in every_step():
        mine = {name: said[name] for name in step.fields if said.get(name) not in (None, "")}
        if mine or step.name == CHECK:
            response = say(client, key, step.name, query, **mine)
            if response.status_code != 302:
                return response
    return response


def errors_of(response: Response) -> dict[str, list[str]]:
    assert response.status_code == 422
    return dict(response.context["form"].errors)


def text_of(response: Response) -> str:
    """What can be read on the page."""
    assert response.status_code in {200, 422}, response.status_code
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def page(client: Client, case: Case, query: str = "") -> Response:
    return client.get(reverse("case", args=[case.pk]) + query)
