"""What ``benchmarks/scheduling_summary.py`` writes: JSON that any reader takes, for any number of seeds."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import scheduling_summary
from benchmarks.scheduling_summary import Spread


@pytest.mark.parametrize("n", [2, 10, 11, 25, 60])
def test_the_interval_over_seeds_is_students(n: int) -> None:
    from scipy import stats

    values = tuple(float(i % 7) for i in range(n))
    low, high = stats.t.interval(0.95, n - 1, loc=sum(values) / n, scale=stats.sem(values))
    found = Spread(values).as_dict()
    assert (found["low"], found["high"]) == pytest.approx((low, high), rel=2e-3)


def test_one_seed_has_no_interval_and_says_so() -> None:
    one = Spread((1.5,))
    assert one.told() == "+1.50 [n/a]"
    assert math.isnan(one.half)
    text = json.dumps(scheduling_summary.plain(one.as_dict()), allow_nan=False)
    assert json.loads(text) == {"mean": 1.5, "low": None, "high": None, "seeds": [1.5]}


def test_of_several_runs_the_newest_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Another --limit makes another run beside the first one."""

    class ReadError(Exception):
        pass

    def manifest() -> Any:
        raise ReadError

    newest, older = SimpleNamespace(manifest=manifest), SimpleNamespace()
    monkeypatch.setattr(scheduling_summary, "runs", lambda _: [newest, older])
    with pytest.raises(ReadError):
        scheduling_summary.read(tmp_path)
