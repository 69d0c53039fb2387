"""What is installed, and what every request passes."""

from __future__ import annotations

from portal.settings.environment import BASE_DIR, env

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
    "allauth.mfa",
    "allauth.usersessions",
    "csp",
    "rest_framework",
    "knox",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]

MIDDLEWARE = [
    "portal.access.RequestLines",
    "portal.headers.Headers",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",  # below them: a drawing may hold a script, too
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "portal.middleware.BodiesHaveALimit",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "portal.middleware.PersonsLanguage",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.sessions.SessionLimits",
    "portal.gate.SecondFactorFirst",
    "diagnoses.api.rates.TellsTheRate",
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
