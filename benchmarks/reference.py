"""Makes results/reference anew: the runs of the shipped suites, and what is kept of each.

    python -m benchmarks.reference OUT [--suite vqa-corrupt …] [--limit N] [--runs FOLDER]

OUT receives a folder for each suite and, of all suites, LEADERBOARD.md; give results/reference to replace
what is committed. The records stay in FOLDER, by default results: a run that is there already is read back.
``--limit`` is to try this out: its figures are no reference. The experiment over seeds (``experiment/``)
takes hours, and ``benchmarks.scheduling`` makes it.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from dmsbench.runner.find import runs
from dmsbench.runner.store import RunFolder

#: Of a run's folder. Its page, some megabytes, is not kept.
PLAIN = ("curves.png", "curves.svg", "leaderboard.csv", "leaderboard.json", "leaderboard.md")
SCHEDULED = (*PLAIN, "scheduling.json", "scheduling.md", "weights.png", "weights.svg")


@dataclass(frozen=True)
class Reference:
    """A run, the two models that are compared in it, and the folder that what is kept of it goes to."""

    folder: str
    suite: str
    pair: tuple[str, str] = ("baseline", "dms")
    models: tuple[str, ...] = ()
    kept: tuple[str, ...] = SCHEDULED
    #: Whether the scores of the two are kept too, for our own gate.
    gated: bool = False
    #: Whether its records stand on LEADERBOARD.md.
    ranked: bool = True


def references() -> tuple[Reference, ...]:
    """All that is committed, but for the experiment over seeds."""
    scheduler = files("dmsbench") / "models" / "weights" / "tiny-blip2-scenes" / "scheduler"
    fusions = {"image": "", "text": "", "constant": f",scheduler={scheduler}"}
    blip2 = Reference(
        folder="context-vqa-corrupt/blip2",
        suite="context-vqa-corrupt",
        pair=("baseline-blip2", "dms-blip2"),
        models=(
            "baseline-blip2",
            "dms-blip2",
            *(f"{name}=tiny-blip2-scenes,fusion={name}{more}" for name, more in fusions.items()),
        ),
        kept=("leaderboard.json", "leaderboard.md", "scheduling.json", "scheduling.md", "weights.png"),
        ranked=False,
    )
    scheduled = ("context-vqa-corrupt", "caption-corrupt", "retrieval-corrupt")
    return (
        Reference("vqa-corrupt", "vqa-corrupt", kept=PLAIN, gated=True),
        Reference("smoke", "smoke", kept=(), gated=True, ranked=False),
        *(Reference(suite, suite) for suite in scheduled),
        blip2,
    )


def made(reference: Reference, out: Path, results: Path, limit: int | None) -> RunFolder:
    """Runs one, and copies what is kept of it; the folder with its records."""
    own = results if reference.ranked else results / reference.folder.replace("/", "-")
    models = [part for model in reference.models for part in ("--model", model)]
    size = [] if limit is None else ["--limit", str(limit)]
    dmsbench("run", "--suite", reference.suite, "--out", str(own), *models, *size)
    folder = runs(own, reference.suite)[0]
    target = out / reference.folder
    target.mkdir(parents=True, exist_ok=True)
    for name in reference.kept:
        shutil.copy(folder.path / name, target / name)
    for model in reference.pair if reference.gated else ():
        saved = str(target / f"{model}.parquet")
        dmsbench("reference", "save", f"{folder.path}:{model}", "--to", saved, "--quiet")
    if not reference.kept:
        return folder
    for kind, ending in (("json", "json"), ("markdown", "md")):
        pair = [f"{folder.path}:{model}" for model in reference.pair]
        text = dmsbench("compare", *pair, "--format", kind, "--quiet")
        (target / f"comparison.{ending}").write_text(text, encoding="utf-8")
    return folder


def dmsbench(*arguments: str) -> str:
    """What a command prints; its messages are shown. Raises CalledProcessError where it fails."""
    command = [sys.executable, "-m", "dmsbench", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> int:
    """Makes those that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    known = sorted({reference.suite for reference in references()})
    parser.add_argument("--suite", action="append", choices=known, help="may be given several times")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--runs", type=Path, default=Path("results"))
    given = parser.parse_args()
    wanted = [one for one in references() if not given.suite or one.suite in given.suite]
    folders = {one: made(one, given.out, given.runs, given.limit) for one in wanted}
    print(f"{given.out}: {', '.join(one.folder for one in wanted)}")
    if len(wanted) == len(references()):  # of some suites it would forget the others
        ranked = sorted(str(folder.path) for one, folder in folders.items() if one.ranked)
        board = dmsbench("leaderboard", *ranked, "--by-suite", "--format", "markdown")
        (given.out / "LEADERBOARD.md").write_text(board, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
