"""Whatever the OpenAPI document allows, and whatever it forbids, is answered as it says.

Schemathesis makes the requests from the very document that is served, calls the WSGI application
in this process, and holds every check it has against each answer. The address of a case, a photo,
an answer is that of one that is there: without that nearly all would end at 404. Each request is
undone, so that each meets the same world.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from django.test import override_settings
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from rest_framework.throttling import ScopedRateThrottle
from schemathesis.config import SchemathesisConfig

from accounts.models import ApiToken, Scope
from portal.wsgi import application
from tests.cast import build_cast
from tests.matrix.world import World, build

pytestmark = pytest.mark.django_db
WELL_FORMED = r"[0-9a-fA-F-]{36}|[0-9]+"
ACCEPTED = ["2xx", "401", "403", "404", "409", "422", "429"]
# The defaults, but for two: 422 is the answer to a request whose form is right and which cannot be
# done all the same; and a picture, that is sent as a form, may be anything.
CONFIG: dict[str, Any] = {
    "checks": {"positive_data_acceptance": {"expected-statuses": ACCEPTED}},
    "operations": [
        {
            "include-path": path,
            "include-method": "POST",
            "checks": {"positive_data_acceptance": {"expected-statuses": [*ACCEPTED, "400"]}},
        }
        for path in ("/api/v1/cases", "/api/v1/cases/{id}/photos/", "/api/v1/cases/import/")
    ],
}
QUICK = hypothesis_settings(
    max_examples=4,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def world(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """Built once, in a transaction that is thrown away at the end."""
    pictures = tmp_path_factory.mktemp("media")
    endless = dict.fromkeys(ScopedRateThrottle.THROTTLE_RATES, "1000000/min")
    signals = (request_started, request_finished)
    with pytest.MonkeyPatch.context() as patch, django_db_blocker.unblock():
        patch.setattr(ScopedRateThrottle, "THROTTLE_RATES", endless)
        for signal in signals:  # as Django's own test client: the connection is this test's
            signal.disconnect(close_old_connections)
        with override_settings(MEDIA_ROOT=pictures, API_RATE=1_000_000), transaction.atomic():
            yield build(build_cast())
            transaction.set_rollback(True)
        for signal in signals:
            signal.connect(close_old_connections)


def document() -> Any:
    made = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]  # spectacular says no types here
    return json.loads(json.dumps(made))


api = schemathesis.openapi.from_dict(document(), config=SchemathesisConfig.from_dict(CONFIG))
api.app = application


def called(case: Any, world: World, who: str) -> None:
    person = world.people[who]
    assert person is not None
    things = world.things
    there = {"id": things["case"], "person": things["dee"], "reminder": things["visit"]}
    names = ("photo", "review", "number", "lesion", "share", "letter")
    there |= {name: things[name] for name in names} | {"opinion": things["asked"]}
    with transaction.atomic():
        token = ApiToken.objects.create(person, scopes=list(Scope))[1]
        for name, given in (case.path_parameters or {}).items():
            if name in there and re.fullmatch(WELL_FORMED, str(given)):
                case.path_parameters[name] = str(there[name])
        case.call_and_validate(headers={"Authorization": f"Token {token}"})
        transaction.set_rollback(True)


@api.parametrize()
@QUICK
def test_the_answers_are_as_the_document_says(case: Any, world: World) -> None:
    for who in ("ana", "ruth", "root"):
        called(case, world, who)


def test_the_document_that_was_tried_is_the_one_that_is_served(world: World) -> None:
    served = world.cast.client().get("/api/v1/schema/?format=json")
    assert served.json() == document()
