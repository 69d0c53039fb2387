"""Reading cases as FHIR. What is not yours is 404, and what was read is written down."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar
from urllib.parse import urlencode
from uuid import UUID

from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import audit
from accounts.history import READ
from accounts.models import User
from diagnoses.api.views import user_of
from diagnoses.fhir.asking import asked, of_format
from diagnoses.fhir.capability import capability_statement
from diagnoses.fhir.forms import filled
from diagnoses.fhir.kinds import KINDS, Kind, one_of, whole
from diagnoses.fhir.library import Resource, checked
from diagnoses.fhir.problems import MEDIA_TYPE, outcome_response

LOOK = {"case": "case.viewed", "user": READ, "lesion": "lesion.viewed"}


class FhirRenderer(JSONRenderer):
    media_type = MEDIA_TYPE
    charset = "utf-8"


class PlainRenderer(FhirRenderer):
    """For who asks for JSON as such; it is the same, and is called by its name."""

    media_type = "application/json"


@extend_schema(exclude=True)  # FHIR describes itself: /api/fhir/metadata
class FhirView(APIView):
    """What all have in common: their form, and what a token must be good for."""

    scope = "fhir:read"
    renderer_classes = [FhirRenderer, PlainRenderer]
    metadata_class = None

    def get_exception_handler(self) -> Any:
        return outcome_response

    def answer(self, resource: Resource) -> Response:
        return Response(resource, content_type=f"{MEDIA_TYPE}; charset=utf-8")


class OneView(FhirView):
    kind: ClassVar[Any] = None

    def get(self, request: Request, key: object) -> Response:
        user = user_of(request)
        of_format(request.query_params.get("_format", "json"))
        found = one_of(self.kind, user, base_of(request), str(key))
        if found is None:
            raise NotFound
        resource, about = found
        look_at(user, [about])
        return self.answer(checked(resource))


class SearchView(FhirView):
    kind: ClassVar[Any] = None

    def get(self, request: Request) -> Response:
        user, kind = user_of(request), self.kind
        query = asked(request.query_params, kind.search)
        page = kind.page(user, base_of(request), query)
        look_at(user, [about for _, about in page.found])
        here = request.build_absolute_uri(request.path)
        links = [{"relation": "self", "url": _address(here, query.said)}]
        if page.next:
            following = _address(here, {**query.said, "_page": page.next})
            links.append({"relation": "next", "url": following})
        entries = [
            {**_entry(request, resource), "search": {"mode": "match"}} for resource, _ in page.found
        ]
        return self.answer(_bundle(type="searchset", link=links, entry=entries))


class BundleView(FhirView):
    """Everything of one case in one piece, to be kept elsewhere."""

    def get(self, request: Request, key: UUID) -> Response:
        user = user_of(request)
        of_format(request.query_params.get("_format", "json"))
        resources = whole(key, user, base_of(request))
        if resources is None:
            raise NotFound
        audit.record("case.exported", actor=user, about=f"case:{key}", where="fhir")
        entries = [_entry(request, resource) for resource in resources]
        return self.answer(_bundle(id=str(key), type="collection", entry=entries))


class MetadataView(FhirView):
    """Open to all, as the standard asks: nothing of anybody is in it."""

    permission_classes = [AllowAny]
    authentication_classes: list[Any] = []

    def get(self, request: Request) -> Response:
        of_format(request.query_params.get("_format", "json"))
        address = request.build_absolute_uri(reverse("api-fhir-metadata")).rpartition("/")[0]
        return self.answer(capability_statement(address))


class NowhereView(FhirView):
    """Every other address: a refusal like all the others, not a page."""

    permission_classes = [AllowAny]
    authentication_classes: list[Any] = []

    def initial(self, *_args: object, **_kwargs: object) -> None:
        raise NotFound


def base_of(request: Request) -> str:
    """The portal's address as the asker reached it."""
    return str(request.build_absolute_uri("/")).rstrip("/")


def look_at(user: User, abouts: Iterable[str]) -> None:
    """A line for each case, mark and person, in one statement."""
    with audit.together():
        for about in dict.fromkeys(filter(None, abouts)):
            audit.record(LOOK[about.partition(":")[0]], actor=user, about=about, where="fhir")


def address_of(kind: str, key: object) -> str:
    return reverse(f"api-fhir-{kind.lower()}", args=[key])


def _bundle(**fields: object) -> Resource:
    bundle = {"resourceType": "Bundle", **fields, "timestamp": timezone.now()}
    return checked(filled(bundle))


def _entry(request: Request, resource: Resource) -> Resource:
    path = address_of(resource["resourceType"], resource["id"])
    return {"fullUrl": request.build_absolute_uri(path), "resource": resource}


def _address(path: str, said: Any) -> str:
    return f"{path}?{urlencode(said)}" if said else path


def views_of(kind: Kind) -> tuple[Any, Any]:
    """For one resource, and for a search among them."""
    return OneView.as_view(kind=kind), SearchView.as_view(kind=kind)


ALL_VIEWS = {name: views_of(kind) for name, kind in KINDS.items()}
