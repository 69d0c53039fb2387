"""The tests of Mozilla's HTTP Observatory: each gives a result's name, and each name its points.

Written anew from its published description (tests and scoring, as of 2025): a hundred points, less
what is deducted; whoever still has ninety gets the extra points, too. What cannot be known from
answers alone (whether a host is on the browsers' preload list) counts as "not".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from urllib.parse import urlsplit

EXTRA_FROM = 90
HALF_A_YEAR = 15_768_000
GRADES = (
    *((100, "A+"), (90, "A"), (85, "A-"), (80, "B+"), (70, "B"), (65, "B-"), (60, "C+")),
    *((50, "C"), (45, "C-"), (40, "D+"), (30, "D"), (25, "D-"), (0, "F")),
)
POINTS = {
    "csp: default-src none, nothing unsafe": 10,
    "csp: nothing unsafe": 5,
    "csp: unsafe styles": 0,
    "csp: pictures over http": -10,
    "csp: unsafe-eval": -10,
    "csp: code over http": -20,
    "csp: unsafe or from anywhere": -20,
    "csp: none": -25,
    "cookies: secure, httponly, samesite": 5,
    "cookies: none": 0,
    "cookies: secure, httponly": 0,
    "cookies: not secure, but hsts": -5,
    "cookies: session not secure, but hsts": -10,
    "cookies: not secure": -20,
    "cookies: samesite invalid": -20,
    "cookies: csrf without samesite": -20,
    "cookies: session for scripts": -30,
    "cookies: session not secure": -40,
    "cors: nobody, or without who they are": 0,
    "cors: everybody, as who they are": -50,
    "redirection: to https here": 0,
    "redirection: to https elsewhere": -5,
    "redirection: first to http": -10,
    "redirection: none": -20,
    "referrer: private": 5,
    "referrer: none": 0,
    "referrer: unsafe": -5,
    "referrer: invalid": -5,
    "hsts: half a year": 0,
    "hsts: shorter": -10,
    "hsts: none": -20,
    "hsts: invalid": -20,
    "scripts: elsewhere, with integrity": 5,
    "scripts: here, or none": 0,
    "scripts: elsewhere, without integrity": -5,
    "scripts: over http, with integrity": -20,
    "scripts: over http, without integrity": -50,
    "nosniff: set": 0,
    "nosniff: none": -5,
    "nosniff: invalid": -5,
    "frames: by the policy": 5,
    "frames: by x-frame-options": 0,
    "frames: anybody": -20,
    "frames: invalid": -20,
    "corp: same origin or site": 10,
    "corp: none": 0,
    "corp: cross-origin": 0,
    "corp: invalid": -5,
}
ANYWHERE = frozenset(
    {"*", "http:", "https:", "ftp:", "http://*", "http://*.*", "https://*", "https://*.*"}
)
INLINE = frozenset({"'unsafe-inline'", "data:"})
STRANGER = "https://stranger.example"  # whoever asks with this origin is nobody's friend
PRIVATE = frozenset(
    {"no-referrer", "same-origin", "strict-origin", "strict-origin-when-cross-origin"}
)
LEAKY = frozenset(
    {"origin", "origin-when-cross-origin", "unsafe-url", "no-referrer-when-downgrade"}
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a page: its answer over TLS, and where plain HTTP leads.

    ``headers`` have names in small letters; ``cookies`` are whole ``Set-Cookie`` lines; ``scripts``
    are pairs of an address and an integrity; ``plain`` is the ``Location`` for plain HTTP.
    """

    host: str
    headers: dict[str, str] = field(default_factory=dict)
    cookies: tuple[str, ...] = ()
    scripts: tuple[tuple[str, str], ...] = ()
    plain: str = ""


def directives(seen: Seen) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for part in seen.headers.get("content-security-policy", "").split(";"):
        name, *sources = part.split()[:1] + [word.lower() for word in part.split()[1:]] or [""]
        if name:
            found.setdefault(name.lower(), frozenset(sources))
    return found


def _over_http(sources: Iterable[str]) -> bool:
    return any(source.startswith(("http:", "ftp:")) for source in sources)


def _of(policy: dict[str, frozenset[str]], name: str) -> frozenset[str]:
    """A directive's sources, ``default-src``'s where it has none of its own."""
    sources = policy.get(name, policy.get("default-src", frozenset({"*"})))
    named = any(one.startswith(("'nonce-", "'sha")) for one in sources)
    return sources - {"'unsafe-inline'"} if named else sources


def policy(seen: Seen) -> str:
    told = directives(seen)
    if not told:
        return "csp: none"
    scripts, styles = _of(told, "script-src"), _of(told, "style-src")
    passive = _of(told, "img-src") | _of(told, "media-src")
    active = {one for name, all_ in told.items() if name not in PASSIVE for one in all_}
    found = (
        (scripts & (ANYWHERE | INLINE) or _of(told, "object-src") & ANYWHERE, ANYTHING_GOES),
        (_over_http(active), "csp: code over http"),
        ("'unsafe-eval'" in scripts | styles, "csp: unsafe-eval"),
        (_over_http(passive), "csp: pictures over http"),
        (styles & (ANYWHERE | INLINE), "csp: unsafe styles"),
        (told.get("default-src") == frozenset({"'none'"}), "csp: default-src none, nothing unsafe"),
    )
    return next((name for is_so, name in found if is_so), "csp: nothing unsafe")


PASSIVE = frozenset({"img-src", "media-src"})
ANYTHING_GOES = "csp: unsafe or from anywhere"


def cookies(seen: Seen) -> str:
    """The worst that is true of any."""
    if not seen.cookies:
        return "cookies: none"
    kept = hsts(seen) == "hsts: half a year"
    found = {name for line in seen.cookies for name in _faults(line, kept=kept)}
    if found:
        return min(sorted(found), key=POINTS.__getitem__)
    strict = all("samesite=" in line.lower() for line in seen.cookies)
    return "cookies: secure, httponly, samesite" if strict else "cookies: secure, httponly"


def _faults(line: str, *, kept: bool) -> Iterable[str]:
    [(name, cookie)] = SimpleCookie(line).items()
    session = any(word in name.lower() for word in ("sess", "login"))
    site = str(cookie["samesite"]).lower()
    but = ", but hsts" if kept else ""
    if not cookie["secure"]:
        yield f"cookies: session not secure{but}" if session else f"cookies: not secure{but}"
    if site not in {"", "lax", "strict", "none"} or (site == "none" and not cookie["secure"]):
        yield "cookies: samesite invalid"
    if "csrf" in name.lower() and not site:
        yield "cookies: csrf without samesite"
    if session and not cookie["httponly"]:
        yield "cookies: session for scripts"


def cors(seen: Seen) -> str:
    to = seen.headers.get("access-control-allow-origin", "")
    as_themselves = seen.headers.get("access-control-allow-credentials", "") == "true"
    if as_themselves and to in {"*", STRANGER}:
        return "cors: everybody, as who they are"
    return "cors: nobody, or without who they are"


def redirection(seen: Seen) -> str:
    to = urlsplit(seen.plain)
    if not seen.plain:
        return "redirection: none"
    if to.scheme != "https":
        return "redirection: first to http"
    return f"redirection: to https {'here' if to.hostname == seen.host else 'elsewhere'}"


def referrer(seen: Seen) -> str:
    if (told := seen.headers.get("referrer-policy")) is None:
        return "referrer: none"
    known = [one.strip().lower() for one in told.split(",")]
    last = next((one for one in reversed(known) if one in PRIVATE | LEAKY), "")
    if not last:
        return "referrer: invalid"
    return "referrer: private" if last in PRIVATE else "referrer: unsafe"


def hsts(seen: Seen) -> str:
    if (told := seen.headers.get("strict-transport-security")) is None:
        return "hsts: none"
    pairs = [part.strip().lower().partition("=") for part in told.split(";")]
    ages = [value.strip('"') for name, _, value in pairs if name == "max-age"]
    if len(ages) != 1 or not ages[0].isdigit():
        return "hsts: invalid"
    return "hsts: half a year" if int(ages[0]) >= HALF_A_YEAR else "hsts: shorter"


def scripts(seen: Seen) -> str:
    """The worst of them."""
    elsewhere = [
        (urlsplit(address), integrity)
        for address, integrity in seen.scripts
        if urlsplit(address).netloc not in {"", seen.host}
    ]
    if not elsewhere:
        return "scripts: here, or none"
    results = {
        f"scripts: {'over http' if to.scheme == 'http' else 'elsewhere'}, "
        f"{'with' if integrity else 'without'} integrity"
        for to, integrity in elsewhere
    }
    return min(results, key=POINTS.__getitem__)


def nosniff(seen: Seen) -> str:
    if (told := seen.headers.get("x-content-type-options")) is None:
        return "nosniff: none"
    return "nosniff: set" if told.strip().lower() == "nosniff" else "nosniff: invalid"


def frames(seen: Seen) -> str:
    ancestors = directives(seen).get("frame-ancestors")
    if ancestors is not None and not ancestors & ANYWHERE:
        return "frames: by the policy"
    if (told := seen.headers.get("x-frame-options")) is None:
        return "frames: anybody"
    good = told.strip().lower() in {"deny", "sameorigin"}
    return "frames: by x-frame-options" if good else "frames: invalid"


def corp(seen: Seen) -> str:
    told = seen.headers.get("cross-origin-resource-policy")
    known = {"same-origin": "same origin or site", "same-site": "same origin or site"}
    known |= {"cross-origin": "cross-origin"}
    return "corp: none" if told is None else f"corp: {known.get(told.strip().lower(), 'invalid')}"


TESTS: tuple[Callable[[Seen], str], ...] = (
    *(policy, cookies, cors, redirection, referrer, hsts, scripts, nosniff, frames, corp),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """``results`` by name of the result, with its points."""

    score: int
    grade: str
    results: dict[str, int]


def judged(seen: Seen) -> Verdict:
    results = {name: POINTS[name] for name in (test(seen) for test in TESTS)}
    score = 100 + sum(points for points in results.values() if points < 0)
    if score >= EXTRA_FROM:
        score += sum(points for points in results.values() if points > 0)
    score = max(0, score)
    grade = next(grade for least, grade in GRADES if score >= least)
    return Verdict(score, grade, results)
