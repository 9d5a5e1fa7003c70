"""How long to wait before a server is asked again."""

from __future__ import annotations

import math
import random
import re
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

#: Seconds: the first wait at most, and the longest of those that the server does not ask for.
FIRST, LONGEST = 0.5, 60.0
#: Seconds from which on a number is a time of the clock: in 2001, and more than thirty years to wait.
_CLOCK = 1e9
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+")


def backoff(attempt: int, chance: random.Random) -> float:
    """Seconds before attempt ``attempt`` + 1, doubling from ``FIRST``.

    Between half and the whole of it, by chance: clients that failed together must not come back together.
    """
    return float(min(LONGEST, FIRST * 2.0 ** min(attempt, 30)) * chance.uniform(0.5, 1.0))


def asked_to_wait(status: int, headers: Mapping[str, str]) -> float:
    """Seconds that a reply asks its client to wait, 0 where it asks for none.

    ``Retry-After`` (RFC 9110: seconds or a date) and ``retry-after-ms``; ``x-ratelimit-reset-*`` where
    the budget that it belongs to is spent: seconds, a duration such as ``1m30s``, a date, or the seconds or
    milliseconds since 1970. Headers that cannot be read ask for nothing.
    """
    found = [0.0]
    if status == 429 or status >= 500:
        found.append(_seconds(headers.get("retry-after-ms"), 0.001))
        found.append(_after(headers.get("retry-after")))
    for budget in ("requests", "tokens"):
        if headers.get(f"x-ratelimit-remaining-{budget}", "").strip() == "0":
            found.append(_after(headers.get(f"x-ratelimit-reset-{budget}")))
    return max(found)


def _after(text: str | None) -> float:
    if text is None:
        return 0.0
    text = text.strip()
    if _DURATION.fullmatch(text):
        return sum(float(n) * _UNITS[unit] for n, unit in re.findall(r"([\d.]+)(ms|s|m|h|d)", text))
    seconds = _seconds(text, 1.0)
    if seconds >= _CLOCK:
        then = seconds if seconds < 1000 * _CLOCK else seconds / 1000
        return max(0.0, then - time.time())
    if seconds or not text:
        return seconds
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            # Before Python 3.11 no Z stands for the offset.
            found = read(re.sub(r"(?<=\d)Z$", "+00:00", text))
            return max(
                0.0, (found if found.tzinfo else found.replace(tzinfo=timezone.utc)).timestamp() - time.time()
            )
        except (TypeError, ValueError, OverflowError, IndexError):
            continue
    return 0.0


def _seconds(text: str | None, unit: float) -> float:
    try:
        value = float(text or 0) * unit
    except ValueError:
        return 0.0
    return value if 0 < value < math.inf else 0.0
