"""Sealed files in a bucket that speaks S3. Imported only where ``PHOTO_STORAGE`` says so.

What goes wrong on the way comes as an ``OSError``, like the troubles of a disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import IO, Any

from boto3.exceptions import Boto3Error
from boto3.s3.transfer import S3TransferRetriesExceededError, TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.core.files.base import File
from django.utils.deconstruct import deconstructible
from storages.backends.s3 import S3Storage

# Whoever waits for a picture does not wait for a bucket that is silent.
CONNECT, READ, TRIES = 3, 5, 2  # seconds, seconds, tries


class BucketError(OSError):
    """The bucket did not do what was asked; the message names no key and no file."""


@contextmanager
def _as_of_a_disk() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in ("404", "NoSuchKey"):
            raise FileNotFoundError("There is no such file in the bucket.") from error
        raise BucketError(f"The bucket refused ({code}).") from error
    except (BotoCoreError, Boto3Error, S3TransferRetriesExceededError) as error:
        raise BucketError(f"The bucket did not answer ({type(error).__name__}).") from error


@deconstructible
class Bucket(S3Storage):  # type: ignore[misc]  # it ships no types
    """Whole or not at all by itself: an upload is seen once it is complete."""

    def __init__(self, **options: Any) -> None:
        fixed = {"file_overwrite": True, "default_acl": None, "querystring_auth": True}
        ways = {
            "client_config": Config(
                connect_timeout=CONNECT, read_timeout=READ, retries={"total_max_attempts": TRIES}
            ),
            "transfer_config": TransferConfig(num_download_attempts=TRIES),
        }
        super().__init__(**options, **fixed, **ways)

    def _open(self, name: str, mode: str = "rb") -> Any:
        with _as_of_a_disk():
            file = super()._open(name, mode)
            if "r" in mode:
                file.file  # noqa: B018 - fetched now, so that a trouble is met here
            return file

    def _save(self, name: str, content: File[bytes]) -> str:
        with _as_of_a_disk():
            return str(super()._save(name, content))

    def exists(self, name: str) -> bool:
        with _as_of_a_disk():
            return bool(super().exists(name))

    def delete(self, name: str) -> None:
        with _as_of_a_disk():
            super().delete(name)

    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        with _as_of_a_disk():
            folders, files = super().listdir(path)
            return list(folders), list(files)

    def size(self, name: str) -> int:
        with _as_of_a_disk():
            return int(super().size(name))

    def get_modified_time(self, name: str) -> datetime:
        with _as_of_a_disk():
            at: datetime = super().get_modified_time(name)
            return at

    @contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        with _as_of_a_disk():  # the body, too: each piece is sent when it is full
            file = self._open(name, "wb")
            try:
                yield file
            except BaseException:
                begun = file._multipart  # noqa: SLF001 - closing it would complete it
                if begun is not None:
                    with suppress(ClientError, BotoCoreError):
                        begun.abort()
                raise
            file.close()

    def rename(self, old: str, new: str) -> None:
        """A copy made by the bucket itself, then the old one goes."""
        with _as_of_a_disk():
            source = {"Bucket": self.bucket_name, "Key": self._normalize_name(old)}
            self.bucket.Object(self._normalize_name(new)).copy(source)
            self.bucket.Object(self._normalize_name(old)).delete()
