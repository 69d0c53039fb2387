"""The scorer: what good headers are worth, and what each fault costs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.observatory.rules import POINTS, STRANGER, Seen, judged

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; frame-ancestors 'none'",
    "referrer-policy": "same-origin",
    "strict-transport-security": "max-age=31536000; includeSubDomains; preload",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-resource-policy": "same-origin",
}
GOOD = Seen(
    host="portal.example.org",
    headers=HEADERS,
    cookies=("__Host-session=1; HttpOnly; Path=/; SameSite=Lax; Secure",),
    scripts=(("/static/a.js", ""),),
    plain="https://portal.example.org/",
)


def with_(name: str, value: str) -> Seen:
    return replace(GOOD, headers={**HEADERS, name: value})


def without(name: str) -> Seen:
    return replace(GOOD, headers={key: value for key, value in HEADERS.items() if key != name})


def test_all_that_can_be_had_without_a_preload_list_or_scripts_from_elsewhere() -> None:
    verdict = judged(GOOD)
    assert (verdict.score, verdict.grade) == (135, "A+")


def test_a_site_that_says_nothing_has_hardly_a_point() -> None:
    bare = Seen(host="portal.example.org", cookies=("sessionid=1",))
    verdict = judged(bare)
    # Policy 25, cookie 40, redirection 20, HSTS 20, sniffing 5, frames 20: nothing is left.
    assert (verdict.score, verdict.grade) == (0, "F")


CSP = "content-security-policy"
OLD = "max-age=60"
OPEN = {
    "access-control-allow-origin": STRANGER,
    "access-control-allow-credentials": "true",
}


@pytest.mark.parametrize(
    ("seen", "result"),
    [
        (without(CSP), "csp: none"),
        (with_(CSP, "default-src 'self'"), "csp: nothing unsafe"),
        (with_(CSP, "default-src 'self' 'unsafe-inline'"), "csp: unsafe or from anywhere"),
        (with_(CSP, "img-src 'self'"), "csp: unsafe or from anywhere"),
        (with_(CSP, "default-src 'none'; script-src https:"), "csp: unsafe or from anywhere"),
        (with_(CSP, "default-src 'none'; script-src 'unsafe-eval'"), "csp: unsafe-eval"),
        (with_(CSP, "default-src 'none'; style-src 'unsafe-inline'"), "csp: unsafe styles"),
        (with_(CSP, "default-src 'none'; img-src http://a.example"), "csp: pictures over http"),
        (with_(CSP, "default-src 'none'; font-src http://a.example"), "csp: code over http"),
        (
            with_(CSP, "default-src 'none'; script-src 'nonce-1' 'unsafe-inline'"),
            "csp: default-src none, nothing unsafe",
        ),
        (without("strict-transport-security"), "hsts: none"),
        (with_("strict-transport-security", OLD), "hsts: shorter"),
        (with_("strict-transport-security", "yes"), "hsts: invalid"),
        (without("referrer-policy"), "referrer: none"),
        (with_("referrer-policy", "unsafe-url"), "referrer: unsafe"),
        (with_("referrer-policy", "secret"), "referrer: invalid"),
        (without("x-content-type-options"), "nosniff: none"),
        (with_("x-content-type-options", "sniff"), "nosniff: invalid"),
        (with_(CSP, "default-src 'none'"), "frames: by x-frame-options"),
        (
            replace(GOOD, headers={CSP: "frame-ancestors *", "x-frame-options": "no"}),
            "frames: invalid",
        ),
        (replace(GOOD, headers={}), "frames: anybody"),
        (without("cross-origin-resource-policy"), "corp: none"),
        (with_("cross-origin-resource-policy", "cross-origin"), "corp: cross-origin"),
        (with_("cross-origin-resource-policy", "mine"), "corp: invalid"),
        (with_("access-control-allow-origin", "*"), "cors: nobody, or without who they are"),
        (
            replace(GOOD, headers={**HEADERS, **OPEN}),
            "cors: everybody, as who they are",
        ),
        (replace(GOOD, plain=""), "redirection: none"),
        (replace(GOOD, plain="http://portal.example.org/a"), "redirection: first to http"),
        (replace(GOOD, plain="https://www.example.org/"), "redirection: to https elsewhere"),
        (replace(GOOD, cookies=()), "cookies: none"),
        (replace(GOOD, cookies=("a=1; Secure",)), "cookies: secure, httponly"),
        (replace(GOOD, cookies=("a=1",)), "cookies: not secure, but hsts"),
        (
            replace(GOOD, cookies=("sessionid=1; HttpOnly",)),
            "cookies: session not secure, but hsts",
        ),
        (replace(GOOD, cookies=("session=1; Secure",)), "cookies: session for scripts"),
        (replace(GOOD, cookies=("csrf=1; Secure",)), "cookies: csrf without samesite"),
        (replace(GOOD, cookies=("a=1; SameSite=None",)), "cookies: samesite invalid"),
        (replace(GOOD, headers={}, cookies=("a=1",)), "cookies: not secure"),
        (
            replace(GOOD, headers={}, cookies=("session=1; HttpOnly",)),
            "cookies: session not secure",
        ),
        (
            replace(GOOD, scripts=(("https://cdn.example/a.js", ""),)),
            "scripts: elsewhere, without integrity",
        ),
        (
            replace(GOOD, scripts=(("https://cdn.example/a.js", "sha384-x"),)),
            "scripts: elsewhere, with integrity",
        ),
        (
            replace(GOOD, scripts=(("http://cdn.example/a.js", ""), ("/a.js", ""))),
            "scripts: over http, without integrity",
        ),
        (
            replace(GOOD, scripts=(("http://cdn.example/a.js", "sha384-x"),)),
            "scripts: over http, with integrity",
        ),
    ],
)
def test_each_fault_has_its_name_and_its_price(seen: Seen, result: str) -> None:
    verdict = judged(seen)
    assert result in verdict.results
    assert verdict.results[result] == POINTS[result]
    if POINTS[result] < 0:
        assert verdict.score < judged(GOOD).score


def test_extra_points_are_for_who_has_ninety_without_them() -> None:
    # 15 points gone: 85, and none of the extra ones.
    seen = replace(with_("strict-transport-security", OLD), cookies=())
    seen = replace(
        seen, headers={k: v for k, v in seen.headers.items() if k != "x-content-type-options"}
    )
    assert judged(seen).score == 85
    assert judged(with_("strict-transport-security", OLD)).score == 90 + 35
