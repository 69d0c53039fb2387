"""The catalogues of the pages' words: collected from the code, kept in ``locale/``, compiled.

``python -m portal.words`` brings them up to date and says what is still to be translated. It needs
Babel, which comes with the development requirements; nothing that serves people does, because the
compiled catalogues are kept beside the others.

Django's own commands need GNU gettext on the machine. Babel reads Python itself; a template is
turned into something it can read by Django.
"""

from __future__ import annotations

import io
import re
import string
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.conf import settings
from django.utils.translation.template import templatize

from portal.settings import BASE_DIR, LANGUAGE_CODE, LANGUAGES

LOCALE = BASE_DIR / "locale"
ROOMS = ("accounts", "diagnoses", "mlservice", "notifications", "portal")
# The admin speaks English, whatever its templates call their words; so does the style guide.
ENGLISH = re.compile(r"(^|/)(admin|migrations|standin|machine)(/|_|\.)|styleguide")
CALLS = {
    "_": None,
    "_lazy": None,
    "gettext": None,
    "gettext_lazy": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
    "npgettext_lazy": ((1, "c"), 2, 3),
}
# A day without meaning, so that two people's catalogues differ in words only.
_NEVER = datetime(2026, 1, 1, tzinfo=UTC)


def catalogue_path(language: str) -> Path:
    """The words in one language, for people to read; its twin ``.mo`` is for the machine."""
    return LOCALE / language / "LC_MESSAGES" / "django.po"


def languages() -> list[str]:
    """Those that need a catalogue: all but the one that the code is written in."""
    return [code for code, _name in LANGUAGES if code != LANGUAGE_CODE]


def collected() -> Catalog:
    """Every sentence marked for translation, without a translation."""
    found = Catalog(fuzzy=False)
    for path in _sources():
        text = path.read_text(encoding="utf-8")
        if path.suffix != ".py":
            # A template's indentation is no Python; its words are on one line each.
            code = templatize(text, origin=str(path))
            text = "\n".join(line.strip() for line in code.splitlines())
        source = io.BytesIO(text.encode())
        for _line, words, _comments, context in extract("python", source, keywords=CALLS):
            found.add(words, context=context)
    return found


def _sources() -> Iterator[Path]:
    python = (path for room in ROOMS for path in (BASE_DIR / room).rglob("*.py"))
    templates = (BASE_DIR / "templates").rglob("*.*")
    for path in sorted([*python, *templates]):
        if not ENGLISH.search(path.relative_to(BASE_DIR).as_posix()):
            yield path


def kept(language: str) -> Catalog:
    """The catalogue as it is; an empty one for a new language."""
    path = catalogue_path(language)
    if not path.exists():
        return Catalog(locale=language)
    with path.open("rb") as file:
        return read_po(file, locale=language)


def renewed(language: str) -> Catalog:
    """The catalogue with every sentence there is and no other; nothing is guessed."""
    fresh = Catalog(
        locale=language,
        domain="django",
        project="Lentigo",
        header_comment=f"# Lentigo's words, {language}. Kept by: python -m portal.words",
        creation_date=_NEVER,
        revision_date=_NEVER,
        last_translator="Lentigo",
        language_team="Lentigo",
        fuzzy=False,
    )
    # As gettext's own tools have it; Babel knows a third form in some languages, for millions.
    fresh.mime_headers = [("Plural-Forms", "nplurals=2; plural=(n != 1);")]
    before = kept(language)
    for message in collected():
        if message.id:
            old = before.get(message.id, message.context)
            fresh.add(message.id, old.string if old else None, context=message.context)
    return fresh


def as_po(catalogue: Catalog) -> bytes:
    """One sentence after the other by the alphabet, so that two people's changes rarely touch."""
    written = io.BytesIO()
    write_po(written, catalogue, width=100, sort_output=True, no_location=True)
    # Which Babel wrote it is no word of ours.
    return re.sub(rb'"Generated-By: .*\n', b"", written.getvalue()).strip() + b"\n"


def as_mo(po: bytes) -> bytes:
    """What Django reads, made of what people read."""
    written = io.BytesIO()
    write_mo(written, read_po(io.BytesIO(po)))
    return written.getvalue()


def faults(catalogue: Catalog) -> Iterator[str]:
    """What is wrong with a catalogue, sentence by sentence."""
    for message in catalogue:
        if not message.id:
            continue
        said = _all(message.string)
        if message.fuzzy:
            yield f"is only guessed: {message.id}"
        elif not said or not all(said):
            yield f"is not translated: {message.id}"
        else:
            yield from _wrong_places(message, said)


def _wrong_places(message: Message, said: Iterable[str]) -> Iterator[str]:
    """What a sentence leaves open for a number or a name, its translation must leave open too."""
    originals = [_places(one) for one in _all(message.id)]
    for one in said:
        if _places(one) not in originals:
            yield f"{sorted(_places(one))} stand in {one!r}, but not so in {message.id!r}"


def _places(text: str) -> set[str]:
    percent = re.findall(r"%\(\w+\)[sd]", text)
    try:
        braces = [name for _, name, _, _ in string.Formatter().parse(text) if name]
    except ValueError:
        braces = []
    tags = re.findall(r"</?\w+[^>]*>", text)
    return {*percent, *braces, *tags}


def _all(words: object) -> list[str]:
    """A sentence, or its forms for one and for many."""
    if isinstance(words, str):
        return [words]
    return [str(word) for word in words] if isinstance(words, tuple | list) else []


def main() -> int:
    """Bring every catalogue up to date; 1 while something is still to be translated."""
    settings.configure()  # templatize asks it for a character set, and for nothing else
    wrong = 0
    for language in languages():
        path, catalogue = catalogue_path(language), renewed(language)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(as_po(catalogue))
        path.with_suffix(".mo").write_bytes(as_mo(path.read_bytes()))
        for fault in faults(catalogue):
            wrong += 1
            sys.stdout.write(f"{language}: {fault}\n")
        sys.stdout.write(f"{language}: {len(catalogue)} sentences\n")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
