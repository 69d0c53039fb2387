"""Who someone is, and how they log in."""

from __future__ import annotations

from datetime import timedelta

from portal.settings.environment import BEHIND_PROXY, SECURE, env

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.backend.AccountBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
_VALIDATION = "django.contrib.auth.password_validation."
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": _VALIDATION + "UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ["name", "email"]},
    },
    {"NAME": _VALIDATION + "MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": _VALIDATION + "CommonPasswordValidator"},
    {"NAME": _VALIDATION + "NumericPasswordValidator"},
]
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_FORMS = {"signup": "accounts.forms.SignupForm"}
ACCOUNT_EMAIL_VERIFICATION = "optional"
ACCOUNT_LOGOUT_ON_GET = False
# Who finds a browser open must not add an address of their own and have a new password sent there.
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_RATE_LIMITS = {"signup": "5/m/ip", "signup_code": "30/m/ip"}
ALLAUTH_TRUSTED_PROXY_COUNT = int(BEHIND_PROXY)
# How long the law has your clinics keep records. Pages say it; no picture is purged before.
RECORD_RETENTION_YEARS = env.int("RECORD_RETENTION_YEARS", default=10)
# The second factor: who must have one is decided in accounts/second_factor.py.
MFA_ADAPTER = "accounts.factor_adapter.FactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_FORMS = {
    "authenticate": "accounts.factor_adapter.CodeForm",
    "reauthenticate": "accounts.factor_adapter.CodeAgainForm",
}
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_TOTP_TOLERANCE = 1  # clocks differ; no code is good twice all the same
# An invitation is the proof for staff; of patients nobody is made to confirm their address.
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not SECURE  # http://localhost, of the demo and the tests
# How long somebody stays logged in without a click, and at most: accounts/sessions.py.
SESSION_IDLE_STAFF = timedelta(minutes=env.int("SESSION_IDLE_STAFF_MINUTES", default=30))
SESSION_IDLE_PATIENT = timedelta(days=env.int("SESSION_IDLE_PATIENT_DAYS", default=14))
SESSION_LIMIT_STAFF = timedelta(hours=env.int("SESSION_LIMIT_STAFF_HOURS", default=12))
SESSION_LIMIT_PATIENT = timedelta(days=env.int("SESSION_LIMIT_PATIENT_DAYS", default=30))
USERSESSIONS_ADAPTER = "accounts.sessions.SessionsAdapter"
SESSION_COOKIE_AGE = int(max(SESSION_LIMIT_STAFF, SESSION_LIMIT_PATIENT).total_seconds())
# Of a new password or factor the owner is told by e-mail: it may not have been them.
ACCOUNT_EMAIL_NOTIFICATIONS = True
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_LOGOUT_REDIRECT_URL = "home"
