"""How numbers and names are shown: scores in points (hundredths), one decimal; undefined is ``n/a``."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from dmsbench.plain_text import one_line

if TYPE_CHECKING:
    from dmsbench.scores import Estimate

UNDEFINED = "n/a"
DECIMALS = 6
"""Of numbers in CSV and JSON."""


def points(share: float) -> str:
    """A share in [0, 1] in points: ``96.3``; ``n/a`` for NaN."""
    return UNDEFINED if math.isnan(share) else f"{_rounded(share):.1f}"


def signed_points(share: float) -> str:
    """A difference in points with its sign: ``+0.70``, ``-1.25``, ``0.00``; ``n/a`` for NaN.

    Two decimals: an interval that ends just short of 0 must not read as if it held it.
    """
    if math.isnan(share):
        return UNDEFINED
    value = _rounded(share, 2)
    return f"{value:+.2f}" if value else "0.00"


def _rounded(share: float, decimals: int = 1) -> float:
    return round(100.0 * share, decimals) + 0.0  # no "-0.0"


def interval(low: float, high: float, *, signed: bool = False) -> str:
    """``[95.1, 97.4]`` in points; ``[n/a]`` where either end is undefined."""
    show = signed_points if signed else points
    return f"[{UNDEFINED}]" if math.isnan(low) or math.isnan(high) else f"[{show(low)}, {show(high)}]"


def with_interval(estimate: Estimate | None) -> str:
    """``96.3 [95.1, 97.4]`` in points; ``n/a`` where the value is undefined."""
    if estimate is None or math.isnan(estimate.value):
        return UNDEFINED
    return f"{points(estimate.value)} {interval(estimate.low, estimate.high)}"


def rate(share: float) -> str:
    """A rate in per cent; a rate above 0 never reads 0: ``0.0 %``, ``<0.1 %``, ``2.5 %``."""
    return "<0.1 %" if 0.0 < share < 0.0005 else f"{points(share)} %"


def p_value(p: float) -> str:
    """``0.031``, ``<0.001``; ``n/a`` for NaN."""
    if math.isnan(p):
        return UNDEFINED
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def percent(level: float) -> str:
    """A level as ``95 %``."""
    return f"{100.0 * level:g} %"


def number_or_none(value: float) -> float | None:
    """The number as JSON takes it: None where it is not finite."""
    return value if math.isfinite(value) else None


def plain(value: Any) -> Any:
    """What JSON can hold: numbers with ``DECIMALS`` decimals, None for NaN, tuples as lists."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, DECIMALS) + 0.0
    return value


def escaped(text: str) -> str:
    """Text that Markdown shows as it is, in a table cell too; underscores inside words need no escape."""
    found = re.sub(r"([\\`*\[\]<>|~])", r"\\\1", one_line(text))
    return re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", found)


def shortened(text: str, length: int) -> str:
    """``one_line`` of at most ``length`` characters, cut in the middle: ends tell names apart."""
    line = one_line(text)
    if len(line) <= length:
        return line
    tail = (length - 1) // 2
    return f"{line[: length - 1 - tail]}…{line[len(line) - tail :]}"


def in_catalogue_order(names: Iterable[str]) -> list[str]:
    """Corruption names, each once: images, texts, modalities, family by family; then the joint ones.

    Names that the catalogue does not hold come last, in the order given.
    """
    import corruptions

    rank = {name: i for i, name in enumerate(corruptions.names())}

    def key(name: str) -> tuple[int, list[int]]:
        parts = [rank.get(part, len(rank)) for part in name.split("+")]
        return (2 if len(rank) in parts else 1 if len(parts) > 1 else 0), parts

    return sorted(dict.fromkeys(names), key=key)
