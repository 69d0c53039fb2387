"""What stops a command: always a sentence that names the file, column or class at fault."""

from __future__ import annotations


class TrainingError(Exception):
    """The command cannot go on; the message says why and names the culprit."""


class LeakError(TrainingError):
    """Something that belongs to one part of the split was found in another."""
