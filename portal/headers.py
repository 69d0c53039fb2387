"""What every answer tells the browser, beside what Django's and django-csp's middlewares say."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_cache_control

# The pages with the camera that has a ring and a ghost; cases/camera.js opens it.
CAMERA = frozenset({"case_step", "case_photo"})
OURS = ("fullscreen", "publickey-credentials-create", "publickey-credentials-get")
# Those that browsers know and no page of ours has a use for. A name that a browser does not know
# is a warning in its console, so the list is not longer than that.
NOBODYS = (
    *("accelerometer", "browsing-topics", "clipboard-read", "clipboard-write", "compute-pressure"),
    *("display-capture", "encrypted-media", "gamepad", "geolocation", "gyroscope", "hid"),
    *("idle-detection", "identity-credentials-get", "local-fonts", "magnetometer", "microphone"),
    *("midi", "payment", "picture-in-picture", "screen-wake-lock", "serial", "storage-access"),
    *("usb", "window-management", "xr-spatial-tracking"),
)


def permissions(*, camera: bool) -> str:
    """The ``Permissions-Policy``: what is used is ours alone, and everything else is off."""
    own = (*OURS, "camera") if camera else OURS
    off = NOBODYS if camera else (*NOBODYS, "camera")
    return ", ".join([*(f"{name}=(self)" for name in own), *(f"{name}=()" for name in off)])


WITHOUT_CAMERA, WITH_CAMERA = permissions(camera=False), permissions(camera=True)


class Headers:
    """No other site embeds anything of ours, no page has a sensor it does not use, and no cache
    keeps what its view has not called public, the browser's own and its back button included.

    Among the first of all middlewares, so that files, refusals and errors have them, too.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        found = request.resolver_match
        camera = found is not None and found.view_name in CAMERA
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        response.headers.setdefault("Permissions-Policy", WITH_CAMERA if camera else WITHOUT_CAMERA)
        if "public" not in response.headers.get("Cache-Control", ""):
            patch_cache_control(response, private=True, no_store=True)
        return response
