"""A share of a plan makes the very records that the whole plan makes of it, whatever was answered before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dmsbench.runner.cluster.shares import shares
from dmsbench.runner.plan import Plan, in_blocks
from dmsbench.runner.run import engine_of, load_arms, prepare
from dmsbench.suite import load_suite


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("model", ["baseline", "dms"])
def test_shares_in_any_order_make_the_same_bytes(model: str, tmp_path: Path) -> None:
    suite = load_suite("smoke").changed(limit=160, models=[model])

    def parts(name: str, *, seed: int | None) -> dict[str, bytes]:
        job = prepare(suite, tmp_path / name)
        arms, _ = load_arms(job, device="cpu")
        plan = Plan(in_blocks([s for block in job.plan.blocks for s in block.samples], 8), job.plan.images)
        engine = engine_of(job, arms, job.folder, batch_size=64)
        if seed is None:
            engine.run(plan)
        else:
            given = shares(plan, by_view=False)
            others = [share for share in given if share.after_clean]
            others = [others[at] for at in np.random.default_rng(seed).permutation(len(others))]
            for share in [*(share for share in given if not share.after_clean), *others]:
                holds = engine.holds(plan.blocks[share.blocks[0]])
                for _ in engine.pieces(share.of(plan, with_clean=share.after_clean and not holds)):
                    pass
        found = {path.name: path.read_bytes() for path in job.folder.path.rglob("*.parquet")}
        assert len(found) == len(plan.blocks) * len(plan.images)
        return found

    whole = parts("whole", seed=None)
    assert parts("shares", seed=1) == whole
