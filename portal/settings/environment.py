"""What the environment says, and who we are by it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from environ import Env
from environ.fileaware_mapping import FileAwareMapping

BASE_DIR = Path(__file__).resolve().parent.parent.parent


class FilesWithoutLineEnd(FileAwareMapping):  # type: ignore[misc]  # environ ships no types
    """Editors end files with a newline; no password or address of ours does."""

    def __getitem__(self, key: str) -> str:
        value: str = super().__getitem__(key)
        return value.rstrip("\r\n")


env = Env()
env.ENVIRON = FilesWithoutLineEnd()

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="")
if not SECRET_KEY and DEBUG:
    SECRET_KEY = "only-for-development-and-tests-never-for-people-0123456789"  # noqa: S105 - refused unless DEBUG
LEARNING_KEY = env.str("LEARNING_KEY", default="")
# The chain of the audit trail is made with this key, and its seals go into that file, too.
AUDIT_KEY = env.str("AUDIT_KEY", default="")
AUDIT_SEALS = env.str("AUDIT_SEALS", default="")
# Seal what the database must not show, second factors among it: 32 bytes each, in base64, the first
# one seals and all open.
DATA_KEYS = env.list("DATA_KEYS", default=[])
PUBLIC_URL = env.str("PUBLIC_URL", default="http://localhost:8000").rstrip("/")
SECURE = PUBLIC_URL.startswith("https://")
ALLOWED_HOSTS = env.list(
    "ALLOWED_HOSTS", default=[urlsplit(PUBLIC_URL).hostname, "localhost", "127.0.0.1"]
)
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[PUBLIC_URL])
# Whether one proxy of ours stands in front. Only then do its headers say who is asking, and how:
# believed without one, a made-up X-Forwarded-For would walk around every limit on tries; not
# believed with one, everyone would share the proxy's.
BEHIND_PROXY = env.bool("BEHIND_PROXY", default=False)
