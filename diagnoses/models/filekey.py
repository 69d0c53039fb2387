"""The key of each file that lies sealed in the private storage."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from accounts import sealed


class FileKey(models.Model):
    """A file's own key, wrapped by one of ``DATA_KEYS``.

    It lies here and not in the file: a new data key changes rows and no file, and a file whose row
    is gone can never be opened again, in no backup of the files either. ``id`` stands in the file's
    head, ``name`` is where the file belongs: one put in another's place is not opened.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=200)
    data_key = models.CharField(max_length=8)  # which of DATA_KEYS wrapped it
    wrapped = models.BinaryField()  # nonce, key and tag
    size = models.PositiveBigIntegerField(default=0)  # bytes of what is inside
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    # The first time the file was found changed, moved or cut; null again once it is found whole.
    refused_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["name"], name="file_key_of_file"),
            models.Index(fields=["data_key"], name="file_key_wrapped_by"),
            models.Index(
                fields=["refused_at"],
                condition=Q(refused_at__isnull=False),
                name="file_key_refused",
            ),
        ]

    def __str__(self) -> str:
        return f"key of file {self.pk}"

    def wrap(self, secret: bytes) -> None:
        """Keep ``secret``, under the first data key."""
        self.data_key, self.wrapped = sealed.seal_bytes(secret, context=self._context())

    def unwrap(self) -> bytes:
        """The file's key; raises :class:`accounts.sealed.SealError`."""
        return sealed.open_bytes(self.data_key, bytes(self.wrapped), context=self._context())

    def _context(self) -> str:
        """Neither this row's place nor its file's name can be given to another."""
        return f"file:{self.pk}:{self.name}"
