"""How an archive is refused: a code for programs and a sentence for whoever brought it."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

SENTENCES: Final[Mapping[str, str | Promise]] = {
    "archive_too_large": _("This archive is larger than we take."),
    "not_an_archive": _("This file is not an archive of a case, or it was cut."),
    "too_many_files": _("There are more files in this archive than a case has."),
    "strange_file": _("There is a file in this archive that belongs to no case: %(what)s."),
    "too_packed": _("A file in this archive is much larger than it says: %(what)s."),
    "archive_damaged": _("A file in this archive is damaged: %(what)s."),
    "missing_file": _("A file is missing from this archive: %(what)s."),
    "wrong_hash": _("A file in this archive was changed after it was written: %(what)s."),
    "other_version": _("This archive has a version that we do not read: %(what)s."),
    "unreadable_file": _("A file in this archive is not what it should be: %(what)s."),
    "other_pack": _("This case is of a disease area that we do not have: %(what)s."),
    "does_not_fit": _("This case says something that we have no place for: %(what)s."),
    "no_photos": _("There is no photo in this archive, so there is nothing to look at."),
    "here_already": _("This case is here already: it was written down by this very portal."),
    "came_before": _(
        "This case was brought here before, from another copy of it. That one stays as it is."
    ),
    "not_agreed": _(
        "The patient has not agreed that a doctor looks at their photos. They can on the website."
    ),
}
_STATUS: Final[Mapping[str, HTTPStatus]] = {
    "archive_too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "not_agreed": HTTPStatus.FORBIDDEN,
    "here_already": HTTPStatus.CONFLICT,
    "came_before": HTTPStatus.CONFLICT,
}
SHOWN: Final = 80  # characters of what an archive says, in a sentence of ours


class ArchiveRefusedError(Exception):
    """Nothing of it was kept. ``http`` is HTTP's status for it."""

    def __init__(self, code: str, what: object = "") -> None:
        self.code = code
        self.http = _STATUS.get(code, HTTPStatus.UNPROCESSABLE_ENTITY)
        self.sentence = str(SENTENCES[code]) % {"what": _printable(str(what))}
        super().__init__(self.sentence)


def _printable(words: str) -> str:
    """It is the sender's, and may be anything."""
    return "".join(c if c.isprintable() else "?" for c in words[:SHOWN])
