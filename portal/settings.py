"""One settings module for every way to run. The environment chooses; no code branches on it.

``docs/configuration.md`` lists every variable. Each may come from a file, as secrets should:
where ``SECRET_KEY_FILE`` names one, it is read instead of ``SECRET_KEY``, and so for all of them.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from csp.constants import NONE, SELF
from environ import Env
from environ.fileaware_mapping import FileAwareMapping

from portal import discretion, schedule

BASE_DIR = Path(__file__).resolve().parent.parent


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

# --- Rooms ---------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "portal.apps.PortalConfig",
    "diagnoses.apps.DiagnosesConfig",
    "notifications.apps.NotificationsConfig",
    "mlservice.apps.MlserviceConfig",
    "accounts.apps.AccountsConfig",
    "accounts.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",  # an index of vectors names its operators
    "django.forms",
    "allauth",
    "allauth.account",
    "csp",
    "rest_framework",
    "knox",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]

MIDDLEWARE = [
    "portal.access.RequestLines",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "portal.middleware.PersonsLanguage",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "portal.middleware.PersonalPagesAreNotCached",
]

ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.context.portal",
            ],
            "builtins": ["portal.templatetags.lentigo"],
        },
    }
]

FORM_RENDERER = "portal.renderer.DesignRenderer"
CSRF_FAILURE_VIEW = "portal.views.csrf_failure"
# The demo shows its logins and the style guide; nothing else knows that it is one.
DEMO = env.bool("DEMO", default=False)
# [{"who": "A patient", "email": "…", "password": "…"}, …]
DEMO_LOGINS = env.json("DEMO_LOGINS", default=[]) if DEMO else []

# --- Data ----------------------------------------------------------------------------------------
_DATABASE = env.db_url("DATABASE_URL", default="postgresql://localhost/lentigo")
DATABASES = {
    "default": {
        **_DATABASE,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            # A process stopped in the middle of a transaction would keep its row locks for ever,
            # and whoever skips locked rows would never see them again.
            # And an index of what is near looks on until it has found enough that may be shown.
            "options": "-c idle_in_transaction_session_timeout="
            f"{env.int('DATABASE_IDLE_SECONDS', default=10)}s -c hnsw.iterative_scan=strict_order",
            **_DATABASE.get("OPTIONS", {}),  # what follows the "?" in the address
            "pool": {
                "min_size": 1,
                "max_size": env.int("DATABASE_POOL", default=10),
                # Who waits longer is told to come again, and every one who waits has the pool try
                # anew: left to itself it would wait ever longer before it asks a database that is
                # back by now.
                "timeout": 5,
                "reconnect_timeout": 2,
            },
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# The cache holds rate limits. It lives in Postgres, so that a dead Redis costs nothing but latency.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "portal_cache",
    }
}
DATA_DIR = Path(env.str("DATA_DIR", default=str(BASE_DIR / ".lentigo")))
MEDIA_ROOT = Path(env.str("MEDIA_ROOT", default=str(DATA_DIR / "media")))
STORAGES = {
    "default": {"BACKEND": "diagnoses.storage.PrivateStorage"},
    "staticfiles": {"BACKEND": "portal.statics.PublishedFiles"},
}
STATIC_URL = "/static/"
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(DATA_DIR / "static")))
STATICFILES_DIRS = [BASE_DIR / "portal" / "static"]
WHITENOISE_USE_FINDERS = DEBUG
FILE_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

# --- People --------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.backend.AccountBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}", **options}
    for name, options in [
        ("UserAttributeSimilarityValidator", {}),
        ("MinimumLengthValidator", {"OPTIONS": {"min_length": 10}}),
        ("CommonPasswordValidator", {}),
        ("NumericPasswordValidator", {}),
    ]
]
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_FORMS = {"signup": "accounts.forms.SignupForm"}
ACCOUNT_EMAIL_VERIFICATION = "optional"
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_PREVENT_ENUMERATION = True
ALLAUTH_TRUSTED_PROXY_COUNT = int(BEHIND_PROXY)
# How long the law has your clinics keep records. Pages say it; nothing deletes by it.
RECORD_RETENTION_YEARS = env.int("RECORD_RETENTION_YEARS", default=10)
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_LOGOUT_REDIRECT_URL = "home"

# --- The API -------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "knox.auth.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "diagnoses.api.problems.problem_response",
    "NUM_PROXIES": int(BEHIND_PROXY),
    "DEFAULT_THROTTLE_RATES": {"login": "10/min", "submit": "120/min", "talk": "60/min"},
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
REST_KNOX = {"TOKEN_TTL": timedelta(days=30), "TOKEN_LIMIT_PER_USER": 20}
SPECTACULAR_SETTINGS = {
    "TITLE": "Lentigo",
    "DESCRIPTION": "Submit a photo of a skin lesion, follow its case, read the signed answer.",
    "VERSION": "1.0.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "defaultModelsExpandDepth": 0},
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

# --- Work ----------------------------------------------------------------------------------------
REDIS_URL = env.str("REDIS_URL", default="redis://localhost:6379/0")
CELERY_BROKER_URL = REDIS_URL
CELERY_RESULT_BACKEND = None  # the row is the truth
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "io"
CELERY_TASK_ROUTES = {"diagnoses.score_due": {"queue": "inference"}}
CELERY_TASK_SERIALIZER = "json"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A wake-up that cannot leave within a second is dropped; the sweep finds the row.
CELERY_TASK_PUBLISH_RETRY = False
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_connect_timeout": 1, "socket_timeout": 5}
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "beat-schedule")
CELERY_BEAT_SCHEDULE = schedule.EVERY
# cpu: LiteRT. gpu: TensorFlow, which the machine must have.
MODEL_DEVICE = env.str("MODEL_DEVICE", default="cpu")
# How long a claimed batch may take before another worker may have it, and how often it is tried.
SCORING_LEASE = timedelta(seconds=env.int("SCORING_LEASE_SECONDS", default=20))
SCORING_ATTEMPTS = 3
# Of a web process's threads, as many may be kept waiting for the computer (diagnoses/hearing.py).
REQUESTS_THAT_WAIT = env.int("WEB_THREADS", default=8) // 2
# A worker that stands still this long ends itself: its rows come back, and it starts anew.
SCORING_HANG = timedelta(seconds=env.int("SCORING_HANG_SECONDS", default=20))
# Where a test or a benchmark wants a process to die; see diagnoses/failpoints.py.
FAILPOINT = env.str("FAILPOINT", default="")
UNDO_SIGNATURE = timedelta(seconds=10)
# The disease area new cases are asked in; the ones there are, are the folders of mlservice/packs.
PACK = env.str("PACK", default="skin")
PACKS = env.list("PACKS", default=[PACK])  # whose shipped model is activated: docs/packs.md
# Whether patients are reminded of anything; each can stop it for themselves.
REMINDERS = env.bool("REMINDERS", default=True)

# --- Messages ------------------------------------------------------------------------------------
TWILIO_ACCOUNT_SID = env.str("TWILIO_ACCOUNT_SID", default="")
TWILIO_AUTH_TOKEN = env.str("TWILIO_AUTH_TOKEN", default="")
TWILIO_WHATSAPP_FROM = env.str("TWILIO_WHATSAPP_FROM", default="")
# For text messages: a number in E.164, or a messaging service ("MG…"). Empty sends none.
TWILIO_SMS_FROM = env.str("TWILIO_SMS_FROM", default="")
# Messages a second that a sender may send, over all workers together; 0 sets no limit of ours.
TWILIO_WHATSAPP_RATE = env.float("TWILIO_WHATSAPP_RATE", default=80.0)
TWILIO_SMS_RATE = env.float("TWILIO_SMS_RATE", default=1.0)
# From when to when phones are left in peace, by their clocks; empty is never.
QUIET_HOURS = env.str("QUIET_HOURS", default="21-8")
# Empty means Twilio's own servers; the demo and the tests put their local stand-in here.
TWILIO_API_BASE = env.str("TWILIO_API_BASE", default="")
TWILIO_CONTENT_SIDS = env.json("TWILIO_CONTENT_SIDS", default={})  # approved template per message
# All waits of messages times this, where somebody measures: notifications/waits.py.
MESSAGE_WAITS = env.float("MESSAGE_WAITS", default=1.0)
EMAIL_CONFIG = env.email_url("EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Lentigo <no-reply@localhost>")
PHONE_REGION = env.str("PHONE_REGION", default="GB")

# --- Locks ---------------------------------------------------------------------------------------
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "blob:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "manifest-src": [SELF],
    }
}
SECURE_SSL_REDIRECT = SECURE and env.bool("SSL_REDIRECT", default=True)
# Asked from inside the machine, past the proxy that speaks TLS.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^health/", r"^metrics$"]
SECURE_HSTS_SECONDS = 31_536_000 if SECURE else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SECURE
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_PROXY else None
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE
SESSION_COOKIE_NAME = "__Host-session" if SECURE else "session"
CSRF_COOKIE_NAME = "__Host-csrf" if SECURE else "csrf"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"

# --- Words ---------------------------------------------------------------------------------------
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

# --- What is said to who operates it -------------------------------------------------------------
# Who knows it may read /metrics; empty, nobody may.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
# Which revision this is, where there is no repository to ask: the images are built with it.
COMMIT = env.str("COMMIT", default="")
# json for machines, an object each; text for people. Either names nobody.
LOG_FORMAT = env.str("LOG_FORMAT", default="text" if DEBUG else "json")
LOGGING = discretion.logging_as(LOG_FORMAT, env.str("LOG_LEVEL", default="INFO"))
