"""A gate as a badge: one SVG file that fetches nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from dmsbench.plain_text import one_line
from dmsbench.report.formats import shortened, signed_points
from dmsbench.report.gate.words import verdict

if TYPE_CHECKING:
    from dmsbench.gate import Gated

_LABEL = "robustness"
#: Dark enough that white letters on them have a contrast of 4.5 to 1 at least.
_GREEN, _RED, _GREY = "#2a7a2a", "#b3261e", "#4a4a4a"
#: Of 11 px letters on average; texts are stretched to fit.
_LETTER, _ROOM, _HEIGHT = 6.6, 12, 20


def gate_badge(gated: Gated) -> str:
    """The SVG, newline at the end. Its accessible name is the verdict."""
    result = gated.result
    overall = result.comparison.overall
    if not result.passed:
        n = len(result.failures)
        message, colour = f"failed: {n} check{'' if n == 1 else 's'}", _RED
    else:
        change = "" if overall is None else f" ({signed_points(overall.difference)} points)"
        message, colour = f"passed{change}", _GREEN
    left, right = (_width(text) for text in (_LABEL, message))
    title = escape(shortened(one_line(verdict(gated)), 400))
    text = "\n".join(
        f'<text x="{x:.0f}" y="14" text-anchor="middle" textLength="{width - _ROOM:.0f}">'
        f"{escape(words)}</text>"
        for words, x, width in ((_LABEL, left / 2, left), (message, left + right / 2, right))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="{_HEIGHT}" role="img" '
        f'aria-labelledby="title">\n<title id="title">{title}</title>\n'
        f'<rect width="{left}" height="{_HEIGHT}" fill="{_GREY}"/>\n'
        f'<rect x="{left}" width="{right}" height="{_HEIGHT}" fill="{colour}"/>\n'
        '<g fill="#ffffff" font-family="Verdana, DejaVu Sans, sans-serif" font-size="11">\n'
        f"{text}\n</g>\n</svg>\n"
    )


def _width(text: str) -> int:
    return round(len(text) * _LETTER) + _ROOM
