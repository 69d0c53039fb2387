"""What a pack teaches, open to everybody: its conditions, and a lesson to go through step by step.

Here and not in the portal, because these are the words that stand beside a result: a case links to
them, from the same pack, by the rules of :mod:`diagnoses.presenting`. They are nobody's data.
"""

from __future__ import annotations

from http import HTTPStatus
from itertools import groupby
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.messages import get_messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_cache_control
from django.views.decorators.http import require_safe

from mlservice.packs import Lesson, Pack, PackError
from mlservice.readers import pack_for_reader

KEPT_FOR = 300  # seconds; long enough to carry a rush, short enough for a correction


@require_safe
def learn(request: HttpRequest) -> HttpResponse:
    """Everything there is to read."""
    pack = _pack(request)
    # Without the database: a page that anybody's cache may keep asks nobody.
    others = [pack_for_reader(name) for name in settings.PACKS if name != pack.name]
    others = others if len(settings.PACKS) > 1 else []
    return _page(request, "learn/list.html", pack, others=others, own=settings.PACK)


@require_safe
def condition(request: HttpRequest, slug: str) -> HttpResponse:
    """One condition, or what it means that none was named."""
    pack = _pack(request)
    found = next((each for each in pack.conditions if each.slug == slug), None)
    if found is None:
        raise Http404
    return _page(request, "learn/condition.html", pack, condition=found)


@require_safe
def lesson(request: HttpRequest) -> HttpResponse:
    """The lesson's contents: its parts, and the steps under each."""
    pack = _pack(request)
    parts = groupby(_lesson(pack).steps, key=lambda step: step.part)
    return _page(
        request, "learn/lesson.html", pack, parts=[(part, list(steps)) for part, steps in parts]
    )


@require_safe
def lesson_step(request: HttpRequest, slug: str) -> HttpResponse:
    """One step. A question comes as a plain form and answers on the same page."""
    pack = _pack(request)
    steps = _lesson(pack).steps
    at = next((i for i, step in enumerate(steps) if step.slug == slug), None)
    if at is None:
        raise Http404
    step = steps[at]
    reply = step.reply(request.GET.get("reply", ""))
    left_open = bool(step.replies) and "check" in request.GET and reply is None
    return _page(
        request,
        "learn/step.html",
        pack,
        status=HTTPStatus.UNPROCESSABLE_ENTITY if left_open else HTTPStatus.OK,
        step=step,
        number=at + 1,
        total=len(steps),
        previous=steps[at - 1] if at else None,
        next=steps[at + 1] if at + 1 < len(steps) else None,
        reply=reply,
        left_open=left_open,
    )


def _pack(request: HttpRequest) -> Pack:
    """The pack new cases are asked in; ``?pack=`` for the page of an older case's."""
    try:
        return pack_for_reader(request.GET.get("pack") or settings.PACK)
    except PackError as missing:
        raise Http404 from missing


def _lesson(pack: Pack) -> Lesson:
    if pack.lesson is None:
        raise Http404
    return pack.lesson


def _page(
    request: HttpRequest,
    template: str,
    pack: Pack,
    status: HTTPStatus = HTTPStatus.OK,
    **content: object,
) -> HttpResponse:
    """A page that anybody's cache may keep, unless it shows who is logged in or what they did."""
    other = {} if pack.name == settings.PACK else {"pack": pack.name}
    context = {"pack": pack, "lesson": pack.lesson, "query": urlencode(other), **content}
    response = render(request, template, context, status=status)
    if not request.user.is_authenticated and not len(get_messages(request)):
        patch_cache_control(response, public=True, max_age=KEPT_FOR)
    return response
