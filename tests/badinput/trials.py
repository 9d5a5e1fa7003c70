"""How much is tried, and what a message to a user has to be."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

from dmsbench.errors import LONGEST_MESSAGE

DEEP = bool(os.environ.get("DMSBENCH_DEEP"))


def trials(number: int) -> settings:
    """So many examples, the same ones each time; with DMSBENCH_DEEP=1 twenty times as many, new ones each."""
    return settings(
        max_examples=number * (20 if DEEP else 1),
        deadline=None,
        derandomize=not DEEP,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def check_message(message: str) -> None:
    """One line that can be shown and says something."""
    assert message.strip(), "an error that says nothing"
    assert len(message) <= LONGEST_MESSAGE + 40
    assert "\n" not in message
    assert "Traceback" not in message
