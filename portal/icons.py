"""The line icons: one path each, on a 24 × 24 grid, drawn by us with a stroke of 1.75."""

from __future__ import annotations

from django.utils.html import format_html
from django.utils.safestring import SafeString

PATHS = {
    "alert": "M12 3.5 2.5 20h19L12 3.5Z M12 10v4.5 M12 17.2v.1",
    "arrow": "M4 12h16 M14 6l6 6-6 6",
    "back": "M15 5l-7 7 7 7",
    "beside": "M3.5 5h7.5v14H3.5z M13 5h7.5v14H13z",
    "calendar": "M4 6h16v14H4z M4 10.5h16 M8.5 3v5 M15.5 3v5",
    "camera": "M3.5 8h4l1.5-2.5h6L16.5 8h4v11.5h-17z M12 17a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7Z",
    "chart": "M4 4v16h16 M8.5 16v-4 M13 16V8 M17.5 16v-6",
    "check": "M5 12.5l4.5 4.5L19 7",
    "clock": "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Z M12 7v5.2l3.5 2",
    "close": "M6 6l12 12 M18 6 6 18",
    "down": "M6 9.5l6 6 6-6",
    "download": "M12 4v11.5 M7.5 11l4.5 4.5 4.5-4.5 M4.5 15v5h15v-5",
    "empty": "M4 14.5 6.5 5h11l2.5 9.5V20H4z M4 14.5h5l1.2 2.5h3.6l1.2-2.5h5",
    "expand": "M14 4h6v6 M20 4l-7 7 M10 20H4v-6 M4 20l7-7",
    "eye": "M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12Z "
    "M12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6Z",
    "file": "M6 3h8l4.5 4.5V21H6z M14 3v4.5h4.5 M9 12.5h6.5 M9 16h6.5",
    "fit": "M4 8.5V4h4.5 M15.5 4H20v4.5 M20 15.5V20h-4.5 M8.5 20H4v-4.5 M9 9h6v6H9z",
    "info": "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18Z M12 11v5.5 M12 7.6v.1",
    "layers": "M12 3.5 21 8.5 12 13.5 3 8.5z M3.5 12.7 12 17.4l8.5-4.7 M3.5 16.4 12 21l8.5-4.6",
    "light": "M12 16.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9Z M12 2v2.5 M12 19.5V22 M2 12h2.5 "
    "M19.5 12H22 M4.9 4.9l1.8 1.8 M17.3 17.3l1.8 1.8 M4.9 19.1l1.8-1.8 M17.3 6.7l1.8-1.8",
    "link": "M10 14a4 4 0 0 0 5.7 0l3.1-3.1a4 4 0 0 0-5.7-5.7L11.8 6.5 "
    "M14 10a4 4 0 0 0-5.7 0l-3.1 3.1a4 4 0 0 0 5.7 5.7l1.3-1.3",
    "lock": "M5.5 10.5h13V20h-13z M8.5 10.5V7.2a3.5 3.5 0 0 1 7 0v3.3",
    "message": "M4 5h16v11.5h-9L6.5 20v-3.5H4z M8 9.2h8 M8 12.5h5",
    "minus": "M5 12h14",
    "next": "M9 5l7 7-7 7",
    "person": "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8Z M4.5 20.5c.8-4 3.6-6 7.5-6s6.7 2 7.5 6",
    "phone": "M8 2.5h8v19H8z M11 18.5h2",
    "plus": "M12 5v14 M5 12h14",
    "print": "M7 9V3.5h10V9 M7 16.5H4V9h16v7.5h-3 M7 14h10v6.5H7z",
    "ruler": "M2.5 16 16 2.5 21.5 8 8 21.5z M6 12.5l2 2 M9 9.5l3 3 M12 6.5l2 2",
    "screen": "M3 5h18v11.5H3z M9 20.5h6 M12 16.5v4",
    "search": "M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14Z M16 16l4.5 4.5",
    "send": "M4 12 20.5 4 16 20.5l-4-6.5z M12 14l8.5-10",
    "turn_left": "M4.5 3.5V9H10 M4.9 9a8 8 0 1 1-.6 5.5",
    "turn_right": "M19.5 3.5V9H14 M19.1 9a8 8 0 1 0 .6 5.5",
    "undo": "M8.5 5 4.5 9l4 4 M4.5 9H14a5 5 0 0 1 0 10H9",
    "upload": "M12 15.5V4 M7.5 8.5 12 4l4.5 4.5 M4.5 15v5h15v-5",
}


def draw(name: str) -> SafeString:
    """The icon as inline SVG, silent to screen readers: a word always stands beside it."""
    return format_html(
        '<svg class="icon" viewBox="0 0 24 24" fill="none" stroke="currentColor" '
        'stroke-width="1.75" stroke-linecap="round" stroke-linejoin="round" '
        'aria-hidden="true" focusable="false"><path d="{}"/></svg>',
        PATHS[name],
    )
