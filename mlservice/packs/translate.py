"""The texts of a pack in another language, laid over the pack as it was written.

A folder called by the language, ``es``, holds texts and nothing else: what a key names, the rules,
codes and weights, stands once, in the pack itself. The texts stand under the same keys; an entry of
a list is a table called by its name. Each is asked for, none may be left over, and a text that
leaves places open, like ``{due}``, leaves the same ones open as the original.
"""

from __future__ import annotations

import re
from typing import Any

from mlservice.packs.table import Table

# What is stored, compared or followed, and the same in every language.
_NO_TEXT = frozenset(
    {"areas", "code", "codes", "drawing", "key", "kind", "label", "modality", "name", "picture"}
    | {"reviewed_by", "side", "sign", "site", "source", "sources", "tier", "tone", "url", "value"}
    | {"version", "weights", "when"}
)
# A checklist's name is not compared: people read it.
_TEXT_AFTER_ALL = frozenset({"points.name"})
# Words looked for in what doctors write, in whichever of the languages they write it.
_IN_EVERY_LANGUAGE = "mentions"
_CALLED_BY = ("name", "code", "value", "sign")


def translated(pack: Table, words: Table) -> Table:
    """The content of ``pack`` with its texts from ``words``; raises ``PackError``."""
    return pack.with_content(_table(pack.content, words, ""))


def _table(content: dict[str, Any], words: Table, where: str) -> dict[str, Any]:
    said = {}
    for key, value in content.items():
        path = f"{where}.{key}".lstrip(".")
        said[key] = _said(key, value, words, path) if _has_text(key, value, path) else value
    words.nothing_else()
    return said


def _said(key: str, value: Any, words: Table, path: str) -> Any:
    """The value of one key, which holds text, in the other language."""
    if isinstance(value, str):
        text = words.text(key)
        _same_places(key, value, text, words)
        return text
    if isinstance(value, dict):
        return _table(value, words.table(key), path)
    if isinstance(value[0], dict):
        inner = words.table(key)
        entries = [_entry(each, inner, path) for each in value]
        inner.nothing_else()
        return entries
    texts = list(words.texts(key))
    if key == _IN_EVERY_LANGUAGE:
        return [*texts, *value]
    if len(texts) != len(value):
        words.fail(key, f"must hold {len(value)} texts, as the original does")
    for original, text in zip(value, texts, strict=True):
        _same_places(key, original, text, words)
    return texts


def _entry(content: dict[str, Any], words: Table, path: str) -> dict[str, Any]:
    """One entry of a list. Where its ``text`` is all there is to say, that may stand for it."""
    name = next(str(content[key]) for key in _CALLED_BY if key in content)
    texts = [key for key, value in content.items() if _has_text(key, value, path)]
    if texts == ["text"] and isinstance(words.content.get(name), str):
        text = words.text(name)
        _same_places(name, content["text"], text, words)
        return content | {"text": text}
    return _table(content, words.table(name), f"{path}[{name}]")


def _has_text(key: str, value: Any, path: str) -> bool:
    """Whether there is something to translate under a key."""
    if key in _NO_TEXT and path not in _TEXT_AFTER_ALL:
        return False
    if isinstance(value, dict):
        return any(_has_text(k, each, f"{path}.{k}") for k, each in value.items())
    if isinstance(value, list):
        return any(_has_text(key, each, path) for each in value)
    return isinstance(value, str)


def _same_places(key: str, original: str, text: str, words: Table) -> None:
    needed, found = (set(re.findall(r"\{(\w*)\}", each)) for each in (original, text))
    if needed != found:
        shown = ", ".join(f"{{{name}}}" for name in sorted(needed)) or "nothing"
        words.fail(key, f"must leave the same places open as the original: {shown}")
