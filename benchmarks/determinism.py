"""Do batch size and order decide anything? Two runs of one seed, compared row by row.

    python -m benchmarks.determinism [--suite vqa-corrupt] [--limit 60]

The first run answers one row at a time, the second 64 at a time with samples and conditions reversed and
other blocks. Corrupted pictures and texts must be the same (their hashes); predictions may differ only
where rounding decides a tie between two tokens, which the recorded margin shows.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import pandas as pd

from dmsbench.runner.plan import Plan, by_image, in_blocks
from dmsbench.runner.run import Job, execute, load_arms, prepare
from dmsbench.suite import load_suite

KEYS = ["sample_id", "image_corruption", "image_severity", "text_corruption", "text_severity"]
#: Log-probabilities of the two runs differ by rounding; a margin below this can be decided by it.
TIE = 1e-3


def reversed_job(job: Job, out: Path) -> Job:
    """The same questions about the same views, from the last to the first."""
    samples = tuple(sample for block in job.plan.blocks for sample in block.samples)[::-1]
    plan = Plan(in_blocks(samples, 5), by_image(reversed(job.suite.conditions)))
    dataset = replace(job.dataset, samples=job.dataset.samples[::-1])
    return replace(job, dataset=dataset, plan=plan, folder=replace(job.folder, path=out))


def records(job: Job, batch_size: int) -> dict[str, pd.DataFrame]:
    """Runs a job; its records by model, in one order."""
    arms, entries = load_arms(job, device="cpu")
    execute(job, arms, entries, batch_size=batch_size)
    frames = {arm.name: job.folder.records(arm.name) for arm in arms}
    plain = {
        name: frame.astype(dict.fromkeys(frame.select_dtypes("category").columns, object))
        for name, frame in frames.items()
    }
    return {name: frame.sort_values(KEYS).reset_index(drop=True) for name, frame in plain.items()}


def main() -> int:
    """Runs both and prints what differs; exit code 1 where anything but ties does."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suite", default="vqa-corrupt")
    parser.add_argument("--limit", type=int, default=60)
    given = parser.parse_args()
    suite = load_suite(given.suite).changed(limit=given.limit)
    failed = False
    with tempfile.TemporaryDirectory() as out:
        job = prepare(suite, Path(out) / "single")
        singles = records(job, 1)
        batched = records(reversed_job(job, Path(out) / "reversed"), 64)
    for name, single in singles.items():
        batch = batched[name]
        assert single[KEYS].equals(batch[KEYS])
        hashes = (single[["image_hash", "text_hash"]] == batch[["image_hash", "text_hash"]]).all(axis=1)
        same = single["prediction"] == batch["prediction"]
        margins = single.loc[~same, "margin"]
        drift = (single["confidence"] - batch["confidence"]).abs().max()
        print(
            f"{name}: {len(single):,} rows; equal views {hashes.mean():.4%}; "
            f"equal predictions {same.mean():.4%}; "
            f"differing {int((~same).sum())}, their largest margin "
            f"{margins.max() if len(margins) else 0:.2e}; largest difference in confidence {drift:.1e}"
        )
        failed |= not hashes.all() or same.mean() < 0.999 or bool((margins > TIE).any())
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
