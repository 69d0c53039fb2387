"""Who may open which of these pages.

A version scores every clinic's cases. So an admin of one clinic sees what serves their patients,
its card and its numbers, and an admin of no clinic decides: for anyone else there are no buttons
to press, and no addresses behind them.
"""

from __future__ import annotations

from functools import wraps
from typing import ParamSpec

from django.http import Http404, HttpRequest, HttpResponseBase

from accounts.access import View, admin_required, person
from mlservice.deciding import may_decide

P = ParamSpec("P")


def decider_required(view: View[P]) -> View[P]:
    """Admins of no clinic."""

    @wraps(view)
    def decides(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not may_decide(person(request)):
            raise Http404
        return view(request, *args, **kwargs)

    return admin_required(decides)
