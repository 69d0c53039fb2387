"""What a doctor's search means: a patient's name, a case's reference, a body site."""

from __future__ import annotations

import re
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db.models import Func, Q, QuerySet, TextField, Value

from accounts.models import Role, User
from mlservice import registry
from mlservice.packs import available_packs
from mlservice.readers import pack_for_reader

# So many patients of a name are looked up one by one.
NAMESAKES = 200
LETTERS = 3  # fewer are looked for at the start of a word only: an index has no less
_REFERENCE = re.compile(r"[0-9a-f]{4,32}")
_BREAK = "[[:space:][:punct:]]"  # between words, to PostgreSQL; migration 0013 says the same


class Trigrams(Func):
    """Every three letters in a row, in capitals, with two spaces wherever a word ends."""

    function = "lentigo_trigrams"
    output_field = ArrayField(TextField())


class NameTrigrams(Trigrams):
    """Those of a column, each word beginning with two spaces: exactly what the index is made of."""

    template = "%(function)s('  ' || %(expressions)s)"


def sites() -> dict[str, str]:
    """Every body site there is by its name, in the reader's words."""
    found: dict[str, str] = {}
    for pack in available_packs():
        for site in pack_for_reader(pack).sites:
            found.setdefault(site.name, site.text)
    return found


def areas() -> dict[str, str]:
    """The disease areas cases are taken in, by name, in the reader's words; empty where it is one:
    then there is nothing to choose."""
    offered = registry.offered()
    return {name: pack_for_reader(name).title for name in offered} if len(offered) > 1 else {}


def matching(search: str) -> Q:
    """By the patient's name, by the start of the reference, or by the site as people call it."""
    words = search.casefold()
    found = _called(search)
    if named := _sites_called(words):
        found |= Q(site__in=named)
    reference = words.replace("-", "")
    if _REFERENCE.fullmatch(reference):
        found |= Q(pk__range=(UUID(reference.ljust(32, "0")), UUID(reference.ljust(32, "f"))))
    return found


def _sites_called(words: str) -> list[str]:
    starts = re.compile(rf"(?<!\w){re.escape(words)}")
    return [name for name, text in sites().items() if starts.search(text.casefold())]


def _called(search: str) -> Q:
    """Cases of the patients with this in their name.

    Few such patients are looked up first: an index then has their cases. Of many, the next cases
    in the list's order are soon found.
    """
    if not any(letter.isalnum() for letter in search):
        return Q(pk__in=[])
    some = list(_people_called(search).values_list("pk", flat=True)[: NAMESAKES + 1])
    if len(some) <= NAMESAKES:
        return Q(patient__in=some)
    named = Q(patient__name__icontains=search)
    return named if len(search) >= LETTERS else named & Q(patient__name__iregex=_starting(search))


def _people_called(search: str) -> QuerySet[User]:
    people = User.objects.filter(role=Role.PATIENT, name__icontains=search)
    looked_for = search if len(search) >= LETTERS else f"  {search}"
    return people.alias(letters=NameTrigrams("name")).filter(
        letters__contains=Trigrams(Value(looked_for))
    )


def _starting(search: str) -> str:
    """A word that begins so, as PostgreSQL's regular expression."""
    letters = re.sub(r"^[\W_]+", "", search)
    return f"(^|{_BREAK}){re.escape(letters)}"
