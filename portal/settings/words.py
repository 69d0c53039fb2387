"""Languages and clocks."""

from __future__ import annotations

from portal.settings.environment import BASE_DIR, SECURE, env

LANGUAGE_CODE = "en-gb"
# The languages the pages are written in, each as it calls itself (docs/languages.md): a library's
# sentences come in these and no others.
LANGUAGES = [("en-gb", "English"), ("es", "Español")]
LOCALE_PATHS = [BASE_DIR / "locale"]
# The choice of someone who is not logged in, until the browser is closed.
LANGUAGE_COOKIE_NAME = "__Host-language" if SECURE else "language"
LANGUAGE_COOKIE_SECURE, LANGUAGE_COOKIE_HTTPONLY = SECURE, True
TIME_ZONE = env.str("TIME_ZONE", default="Europe/London")
USE_I18N = True
USE_TZ = True
