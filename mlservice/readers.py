"""A pack in the language of whoever reads the page, or of whom something is written to."""

from __future__ import annotations

from django.utils.translation import get_language

from mlservice.packs import Pack, load_pack


def pack_for_reader(name: str) -> Pack:
    """The pack ``name`` with its texts in the language that is active at this moment.

    Names, codes and rules are the same in every language, so what is stored is too.
    """
    return load_pack(name, get_language() or "")
