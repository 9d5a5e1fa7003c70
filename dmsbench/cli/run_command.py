"""``dmsbench run``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dmsbench.cli import completion
from dmsbench.cli.options import (
    MOST_THREADS,
    AllowOutside,
    Data,
    Format,
    Out,
    Quiet,
    TableFormat,
    TrustRemoteCode,
    check_loudness,
    data_named,
    parse_severities,
)
from dmsbench.cli.run_cluster import check_engine, run_on_cluster
from dmsbench.cli.run_local import run_here
from dmsbench.errors import DmsbenchError

if TYPE_CHECKING:
    from dmsbench.suite import DatasetConfig, Suite
    from dmsbench.tracking.trackers import Tracker

#: Rows a batch at most: what no machine's memory holds is a slip of the finger.
MOST_ROWS = 1_000_000
#: Worker processes at most.
MOST_WORKERS = 256
#: Workers of a cluster at most.
MOST_ACTORS = 10_000


class Engine(str, Enum):
    """Who does the work."""

    LOCAL = "local"
    RAY = "ray"


@dataclass(frozen=True, slots=True)
class How:
    """How a run is carried out; nothing of it decides what its records say, but for rounding."""

    out: Path
    device: str
    batch_size: str
    threads: int | None
    workers: str
    time_limit: float
    dry_run: bool
    fresh: bool
    retry_errors: bool
    verify_batch: bool
    trusts_code: bool
    engine: str
    address: str | None
    actors: int | None
    track: tuple[str, ...]
    format_: TableFormat | None
    quiet: bool
    verbose: bool


def run(
    suite: Annotated[
        str,
        typer.Option("--suite", autocompletion=completion.suites, help="A suite by name, or a suite file."),
    ],
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            autocompletion=completion.models,
            help="NAME[=SPEC]; a builtin name, a folder or a hub id, with options. Repeatable.",
        ),
    ] = None,
    data: Data = None,
    images: Annotated[
        Path | None,
        typer.Option("--images", help="Image folder of --data; by default the file's own folder."),
    ] = None,
    allow_outside: AllowOutside = False,
    limit: Annotated[int | None, typer.Option("--limit", min=0, help="Samples; 0 takes all of them.")] = None,
    corruption: Annotated[
        list[str] | None,
        typer.Option(
            "--corruption",
            autocompletion=completion.conditions,
            help="Keep this corruption; clean keeps none. Repeatable.",
        ),
    ] = None,
    include_false: Annotated[
        list[str] | None,
        typer.Option(
            "--include-false",
            autocompletion=completion.corruption_names,
            help="Apply this corruption to samples whose own answer it makes wrong, too. Repeatable.",
        ),
    ] = None,
    severity: Annotated[
        str | None, typer.Option("--severity", help="Severities, such as 1,3,5 or 1-5.")
    ] = None,
    score: Annotated[
        str | None,
        typer.Option(
            "--score",
            autocompletion=completion.scores,
            help="Another score than the suite's; see: dmsbench list scores",
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Seed of all corruptions.")] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    batch_size: Annotated[
        str, typer.Option("--batch-size", help="Rows a batch, or auto: what memory holds.")
    ] = "auto",
    threads: Annotated[
        int | None,
        typer.Option("--threads", min=1, max=MOST_THREADS, help="CPU threads; by default all cores."),
    ] = None,
    workers: Annotated[
        str,
        typer.Option(
            "--workers",
            help="Processes that corrupt pictures ahead of the models, or auto: none on a CPU, "
            "up to 8 beside an accelerator.",
        ),
    ] = "auto",
    time_limit: Annotated[
        float,
        typer.Option(
            "--time-limit",
            min=0,
            max=1e6,
            help="Seconds that a model may take over one batch before its rows count as errors; 0: no limit.",
        ),
    ] = 1800,
    trust_remote_code: TrustRemoteCode = False,
    out: Out = Path("results"),
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print what would be done and how long it may take; write nothing."),
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Compute these models' records anew instead of continuing.")
    ] = False,
    retry_errors: Annotated[
        bool,
        typer.Option("--retry-errors", help="Ask again where a model failed in an earlier run."),
    ] = False,
    verify_batch: Annotated[
        bool,
        typer.Option(
            "--verify-batch",
            help="Ask some rows again one by one, and say how far the batch size moves the answers.",
        ),
    ] = False,
    engine: Annotated[
        Engine, typer.Option("--engine", help="local: this process; ray: workers on one machine or many.")
    ] = Engine.LOCAL,
    address: Annotated[
        str | None,
        typer.Option(
            "--address",
            help="Of --engine ray: a cluster to join, HOST:PORT or auto; by default one is started here.",
        ),
    ] = None,
    actors: Annotated[
        int | None,
        typer.Option(
            "--actors",
            min=1,
            max=MOST_ACTORS,
            help="Of --engine ray: workers that hold the models; by default a GPU each, or what CPUs hold.",
        ),
    ] = None,
    track: Annotated[
        list[str] | None,
        typer.Option(
            "--track",
            help="Log the models in a tracker when the run is done: mlflow or wandb. Repeatable; a tracker "
            "that fails costs a line and no more.",
        ),
    ] = None,
    format_: Format = None,
    quiet: Quiet = False,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", help="Versions, device, what is loaded, and where the time goes."),
    ] = False,
) -> None:
    """Corrupts the data, asks the models, keeps every record.

    A run that was stopped (Ctrl-C finishes the piece in hand) continues where it was. Exit code 4 where a
    model fails on more rows than the suite allows, 130 where the run was stopped. Examples:

      dmsbench run --suite vqa-corrupt

      dmsbench run --suite vqa-corrupt --limit 0 --corruption occlusion --severity 1,3,5

      dmsbench run --suite vqa-corrupt --data mine.jsonl --model mine=./checkpoint

      dmsbench run --suite vqa-corrupt --data vqav2 --limit 500 --model mine=./checkpoint

      dmsbench run --suite caption-corrupt --data mine.jsonl --score cider_d --model mine=./checkpoint

      dmsbench run --suite smoke --dry-run --format json
    """
    from dmsbench.cli.output import warn
    from dmsbench.models.trust import trusting_code
    from dmsbench.suite import load_suite

    check_loudness(quiet=quiet, verbose=verbose)
    if images is not None and data is None:
        raise DmsbenchError("--images belongs to --data: give the question file too")
    asked = load_suite(suite)
    loaded = asked.changed(
        seed=seed,
        limit=limit or None,
        severities=None if severity is None else parse_severities(severity),
        only=corruption or (),
        models=model or (),
        include_false=include_false or (),
        dataset=_dataset(asked, data, images, allow_outside),
        score=score,
    )
    if limit == 0:
        loaded = loaded.model_copy(update={"limit": None})
    how = How(
        out,
        device,
        batch_size,
        threads,
        workers,
        time_limit,
        dry_run=dry_run,
        fresh=fresh,
        retry_errors=retry_errors,
        verify_batch=verify_batch,
        trusts_code=trust_remote_code,
        engine=engine.value,
        address=address,
        actors=actors,
        track=tuple(track or ()),
        format_=format_,
        quiet=quiet,
        verbose=verbose,
    )
    with trusting_code(trust_remote_code, warn):
        code = _run(loaded, how)
    raise typer.Exit(code)


def _dataset(
    suite: Suite, data: str | None, images: Path | None, allow_outside: bool
) -> DatasetConfig | None:
    """The data that the command line asks for; None: the suite's as they are."""
    if data is not None:
        return data_named(data, images, allow_outside)
    if not allow_outside:
        return None
    if suite.dataset.name != "local":
        raise DmsbenchError(
            f"--allow-outside is of local data, and those of '{suite.name}' are not: give --data"
        )
    return suite.dataset.model_copy(update={"allow_outside": True})


def _run(suite: Suite, how: How) -> int:
    from dmsbench.models.spec import parse

    _number_or_auto("--batch-size", how.batch_size, 1, MOST_ROWS)
    _number_or_auto("--workers", how.workers, 0, MOST_WORKERS)
    if not suite.models:
        raise DmsbenchError(f"suite '{suite.name}' names no models: give --model NAME=SPEC")
    for text in suite.models:
        parse(text)  # a misspelt model must not cost the seconds that importing torch takes
    suite.differing()  # nor a missing backend
    check_engine(how)
    trackers: tuple[Tracker, ...] = ()
    if how.track:
        from dmsbench.tracking.trackers import usable

        trackers = usable(how.track)  # nor a missing extra a run
    if how.engine == Engine.RAY:
        return run_on_cluster(suite, how, trackers)

    return run_here(suite, how, trackers)


def _number_or_auto(option: str, text: str, least: int, most: int) -> None:
    """Raises DmsbenchError unless it is ``auto`` or a number in these bounds."""
    # Of more digits than that no number has to be made.
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(most)) else -1
    if text != "auto" and not least <= number <= most:
        shown = text if len(text) <= 40 else f"{text[:40]}…"
        raise DmsbenchError(f"{option} '{shown}': use a number from {least} to {most:,}, or auto")
