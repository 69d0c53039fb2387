"""Pictures of patients: sealed, whole or not at all, and without a public address."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, NoReturn

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage, Storage, storages
from django.db.models.functions import Now
from django.utils.deconstruct import deconstructible
from django.utils.functional import cached_property

from accounts.sealed import SealError
from diagnoses.sealing import HEAD, BrokenFileError, Head, Opening, Sealing, clear_size
