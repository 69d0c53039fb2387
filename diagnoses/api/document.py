"""The OpenAPI document: what is true of every address is said here once."""

from __future__ import annotations

from typing import Any

from drf_spectacular.openapi import AutoSchema
from rest_framework.permissions import AllowAny

from diagnoses.api.problems import MEDIA_TYPE, ProblemSerializer
from diagnoses.api.scopes import needed

# Not logged in; without the scope; another kind of answer is wanted; too often.
ALWAYS = (401, 403, 406, 429)
# The body cannot be read; is larger than any that is meant; or is of a kind that is not.
WITH_A_BODY = (400, 413, 415)


def any_of(result: dict[str, Any], **_more: Any) -> dict[str, Any]:
    """What a doctor of the clinic is told of a case holds all that one elsewhere is told, so an
    answer may fit several of the forms that it can have."""
    for name in ("Case", "CaseLine"):
        schema = result["components"]["schemas"][name]
        if forms := schema.pop("oneOf", None):
            schema["anyOf"] = forms
    return result


class Document(AutoSchema):
    """With the scope that an operation needs, and the refusals that any may meet."""

    def get_operation(self, *args: Any, **kwargs: Any) -> Any:
        operation = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        for status in self._refusals():
            problem = self._get_response_for_code(  # type: ignore[no-untyped-call]  # spectacular says no types here
                ProblemSerializer, str(status), [MEDIA_TYPE]
            )
            operation["responses"].setdefault(str(status), problem)
        operation["responses"] = dict(sorted(operation["responses"].items()))
        if scope := self._scope():
            said = operation.get("description", "")
            operation["description"] = f"{said}\n\nScope: `{scope}`.".strip()
        return operation

    def _refusals(self) -> tuple[int, ...]:
        body = WITH_A_BODY if self.method in {"POST", "PUT", "PATCH"} else ()
        return (406, 429, *body) if self._is_open() else (*ALWAYS, *body)

    def _is_open(self) -> bool:
        return any(isinstance(one, AllowAny) for one in self.view.get_permissions())

    def _scope(self) -> str:
        return needed(self.view, self.method) if hasattr(self.view, "scope") else ""
