"""JSON has types: "yes" is no boolean, and 0 no text. DRF would make one of the other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rest_framework import serializers

KINDS: dict[type, tuple[type[serializers.Field[Any, Any, Any, Any]], ...]] = {
    bool: (serializers.BooleanField,),
    int: (serializers.IntegerField,),
    str: (serializers.CharField,),
}
IN_WORDS = {bool: "true or false", int: "a whole number", str: "a text"}


class StrictSerializer(serializers.Serializer[dict[str, Any]]):
    """Takes a value of JSON for what it is. Not for forms, where all is text."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        given = data if isinstance(data, dict) else {}
        wrong = {
            name: f"This must be {IN_WORDS[kind]}."
            for name, field in self.fields.items()
            for kind in _misfits(field, given.get(name))
        }
        if wrong:
            raise serializers.ValidationError(wrong)
        taken: dict[str, Any] = super().to_internal_value(data)
        return taken


def _misfits(field: Any, value: Any) -> Iterable[type]:
    """The type that ``value``, or something in it, should have and has not."""
    if value is None:
        return
    if isinstance(field, serializers.ListField) and isinstance(value, list):
        for each in value:
            yield from _misfits(field.child, each)
        return
    for kind, fields in KINDS.items():
        if isinstance(field, fields) and type(value) is not kind:
            yield kind
    if isinstance(field, serializers.ChoiceField) and type(value) not in map(type, field.choices):
        yield next((kind for kind in KINDS if kind in map(type, field.choices)), str)
