"""How large a run may be: what no machine finishes is refused with its size, before any work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmsbench.errors import SuiteError

if TYPE_CHECKING:
    from dmsbench.suite import Suite

#: Records of all models together. At a thousand a second these take 12 days.
MOST_RECORDS = 1_000_000_000
#: Of suites and of the command line.
LARGEST_SEED = 2**63 - 1


def check_size(suite: Suite, samples: int) -> None:
    """Raises SuiteError, with the counts, where so many samples would make more than ``MOST_RECORDS``."""
    conditions, models = len(suite.conditions), max(1, len(suite.models))
    records = samples * conditions * models
    if records > MOST_RECORDS:
        raise SuiteError(
            f"suite '{suite.name}': {samples:,} samples × {conditions:,} conditions × {models:,} models = "
            f"{records:,} records, more than {MOST_RECORDS:,}; ask for fewer, or cut it into several suites"
        )
