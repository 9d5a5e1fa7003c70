"""What Dynamic Modality Scheduling is worth on context-vqa-corrupt: seeds, regimes, rivals and controls.

    python -m benchmarks.scheduling OUT [--seeds 0 1 2 3 4] [--limit 200] [--jobs 2] [--summary FOLDER]

Per seed a checkpoint is trained on clean scenes, and from it another on corrupted ones (the corruptions that
schedulers are fitted on); each gets a scheduler with all signals and one with the paper's three, and runs the
suite beside static fusion, fixed points, rivals and controls, all of the same checkpoint. The clean ones also
run every fusion action, a scheduler fitted with the weight consistency loss and one on probes, and beside
them a checkpoint whose training lacked no modality. Seeds share stage 0 (a language model that reads
contexts), as checkpoints share a language model; vision tower, projector and all training with pictures are
their own. Everything is kept in OUT and a stopped experiment goes on. ``--summary`` writes the figures, and
every score, to a folder.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

SUITE = "context-vqa-corrupt"
REGIMES = ("clean", "augmented")
READER_STEPS, STEPS, AUGMENTED_STEPS, TOWER_STEPS = 4000, 1000, 400, 600
#: Samples of the training split that schedulers are fitted on.
FIT_LIMIT = 8000


#: What is fitted to every checkpoint, and what to the clean ones beside it: options of ``dmsbench fit``.
FITS = {"all": ("--signals", "all"), "paper": ("--signals", "paper")}
CLEAN_FITS = {"mwcl": ("--mwcl", "0.3", "--mwcl-attached"), "probe": ("--source", "probe")}
#: Trained as the clean ones, but never without a modality: what modality dropout does to static fusion.
UNDROPPED = "undropped"


@dataclass(frozen=True)
class Arm:
    """A checkpoint of one seed under one regime."""

    regime: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.regime}-{self.seed}"

    @property
    def fits(self) -> dict[str, tuple[str, ...]]:
        """The schedulers that it gets, each by its options."""
        return FITS | (CLEAN_FITS if self.regime == "clean" else {})


def models(checkpoint: Path, fits: Mapping[str, Path]) -> dict[str, str]:
    """The SPEC of everyone who is asked of one checkpoint; ``fits``: the folders of its schedulers."""
    own = f"scheduler={fits['all']}"
    options = {
        "static": "fusion=static",
        "image": "fusion=image",
        "w75": "fusion=fixed,weight=0.75",
        "w25": "fusion=fixed,weight=0.25",
        "text": "fusion=text",
        "dms": f"fusion=dms,{own}",
        "dms-paper": f"fusion=dms,scheduler={fits['paper']}",
        "rule": f"fusion=rule,{own}",
        "constant": f"fusion=constant,{own}",
        "permuted": f"fusion=permuted,{own}",
        "late-3": f"fusion=late,{own},points=all",
        "qmf": "fusion=qmf",
        "pdf": f"fusion=pdf,{own}",
        "tmc": "fusion=tmc",
    }
    if "mwcl" in fits:
        options |= {
            "dms-bias": f"fusion=dms,{own},mixing=bias",
            "dms-scale": f"fusion=dms,{own},mixing=scale",
            "dms-choice": f"fusion=dms,{own},mixing=choice",
            "dms-mwcl": f"fusion=dms,scheduler={fits['mwcl']}",
            "dms-probe": f"fusion=dms,scheduler={fits['probe']}",
        }
    return {name: f"{checkpoint},{how}" for name, how in options.items()}


def call(log: Path, *arguments: str) -> None:
    """A command of ours, its output kept; CalledProcessError where it fails."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        subprocess.run(
            [sys.executable, "-m", *arguments],
            check=True,
            stdout=file,
            stderr=file,
            env={**os.environ, "OMP_NUM_THREADS": "1", "CI": "true"},
        )


def trained(folder: Path) -> bool:
    return (folder / "training.json").is_file()


class Experiment:
    """The steps of one checkpoint, each done once."""

    def __init__(self, out: Path, limit: int) -> None:
        self.out, self.limit = out, limit

    def reader(self) -> None:
        folder = self.out / "reader"
        if not trained(folder):
            steps = ("--reading-steps", str(READER_STEPS))
            call(self.out / "logs/reader.log", "dmsbench.training", "reader", str(folder), *steps)

    def train(self, arm: Arm) -> None:
        folder = self.checkpoint(arm)
        if trained(folder):
            return
        start = self.out / "reader"
        if arm.regime == "augmented":
            start = self.checkpoint(Arm("clean", arm.seed))
        how = ("--regime", "clean" if arm.regime == UNDROPPED else arm.regime)
        if arm.regime == UNDROPPED:
            how += ("--absent-share", "0")
        steps = AUGMENTED_STEPS if arm.regime == "augmented" else STEPS
        options = ("--seed", str(arm.seed), "--from", str(start), *how)
        lengths = ("--steps", str(steps), "--tower-steps", str(TOWER_STEPS))
        call(self.log(arm), "dmsbench.training", "scenes", str(folder), *options, *lengths)

    def fit(self, arm: Arm) -> None:
        for name, options in arm.fits.items():
            folder = self.scheduler(arm, name)
            if (folder / "fit.json").is_file():
                continue
            if name == "paper":
                # The same evidence: only what the scheduler may look at differs.
                evidence = self.scheduler(arm, "all") / "evidence"
                shutil.copytree(evidence, folder / "evidence", dirs_exist_ok=True)
            given = ("--suite", SUITE, "--limit", str(FIT_LIMIT), "--out", str(folder), *options)
            call(self.log(arm), "dmsbench", "fit", f"{arm.name}={self.checkpoint(arm)}", *given)

    def run(self, arm: Arm) -> None:
        asked = models(self.checkpoint(arm), {name: self.scheduler(arm, name) for name in arm.fits})
        if arm.regime == "clean":
            asked[UNDROPPED] = f"{self.checkpoint(Arm(UNDROPPED, arm.seed))},fusion=static"
        named = [part for name, spec in asked.items() for part in ("--model", f"{name}={spec}")]
        options = ("--suite", SUITE, "--limit", str(self.limit), "--out", str(self.results(arm)))
        call(self.log(arm), "dmsbench", "run", *options, *named)

    def whole(self, arm: Arm) -> None:
        self.train(arm)
        if arm.regime == "clean":
            self.train(Arm(UNDROPPED, arm.seed))
        self.fit(arm)
        self.run(arm)

    def checkpoint(self, arm: Arm) -> Path:
        return self.out / "checkpoints" / arm.name

    def scheduler(self, arm: Arm, fit: str) -> Path:
        return self.out / "schedulers" / f"{arm.name}-{fit}"

    def results(self, arm: Arm) -> Path:
        return self.out / "results" / arm.name

    def log(self, arm: Arm) -> Path:
        return self.out / "logs" / f"{arm.name}.log"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=range(5))
    parser.add_argument("--regimes", nargs="+", choices=REGIMES, default=REGIMES)
    parser.add_argument("--limit", type=int, default=200, help="questions of the test split")
    parser.add_argument("--jobs", type=int, default=2, help="seeds at a time, one thread each")
    parser.add_argument("--summary", type=Path, help="folder for the figures")
    given = parser.parse_args(arguments)
    experiment = Experiment(given.out, given.limit)
    experiment.reader()

    def whole(arm: Arm) -> None:
        experiment.whole(arm)
        print(f"done: {arm.name}", flush=True)

    arms = [Arm(regime, number) for regime in given.regimes for number in given.seeds]
    for regime in REGIMES:  # the augmented checkpoints start from the clean ones
        with ThreadPoolExecutor(given.jobs) as pool:
            list(pool.map(whole, [arm for arm in arms if arm.regime == regime]))
    if given.summary:
        from benchmarks.scheduling_summary import summarise

        summarise({(arm.regime, arm.seed): experiment.results(arm) for arm in arms}, given.summary)


if __name__ == "__main__":
    main()
