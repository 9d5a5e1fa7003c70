"""``dmsbench export`` and ``dmsbench import``."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from dmsbench.cli import completion
from dmsbench.cli.options import AllowOutside, Data, Out, Quiet, data_named, parse_severities
from dmsbench.errors import DmsbenchError


class ExportFormat(str, Enum):
    """What other harnesses read."""

    JSONL = "jsonl"
    PARQUET = "parquet"
    VLMEVALKIT = "vlmevalkit-tsv"
    LMMS_EVAL = "lmms-eval"


def export(
    suite: Annotated[
        str,
        typer.Option("--suite", autocompletion=completion.suites, help="A suite by name, or a suite file."),
    ],
    to: Annotated[Path, typer.Option("--to", help="Folder to make.")],
    format_: Annotated[
        ExportFormat, typer.Option("--format", help="Who is to read it.")
    ] = ExportFormat.JSONL,
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
    severity: Annotated[
        str | None, typer.Option("--severity", help="Severities, such as 1,3,5 or 1-5.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Seed of all corruptions.")] = None,
    quiet: Quiet = False,
) -> None:
    """Writes a suite's corrupted samples, so that other harnesses ask exactly what dmsbench run asks.

    Pictures are PNG files of the very pixels, each once. Answers come back by dmsbench import. Examples:

      dmsbench export --suite vqa-corrupt --to corrupted

      dmsbench export --suite smoke --format lmms-eval --to task
    """
    from dmsbench.cli.output import messages, tell
    from dmsbench.exchange.export import export as write
    from dmsbench.runner.job import prepare
    from dmsbench.suite import load_suite

    if data is None and (images is not None or allow_outside):
        raise DmsbenchError("--images and --allow-outside belong to --data: give the question file too")
    asked = load_suite(suite)
    mine = data_named(data, images, allow_outside)
    loaded = asked.changed(
        seed=seed,
        limit=limit or None,
        severities=None if severity is None else parse_severities(severity),
        only=corruption or (),
        dataset=mine,
    )
    if limit == 0:
        loaded = loaded.model_copy(update={"limit": None})
    # Nothing is kept in a results folder: a place is only part of what a job is.
    done = write(prepare(loaded, Path("results")), to, format_.value)
    console = messages(quiet=quiet)
    tell(
        console,
        f"{done.folder}: {done.rows:,} rows, {done.pictures:,} pictures; answers come back by: "
        f"dmsbench import LOG --export {to} --name NAME",
    )
    if done.rows + done.lost < done.grid:
        tell(console, f"not asked, as in a run: {done.grid - done.rows - done.lost:,} rows")
    if done.lost:
        tell(
            console,
            f"not in the file: {done.lost:,} rows without a picture or text, which this format cannot hold; "
            "they will lack answers (dmsbench import --allow-missing)",
        )
    if done.apart:
        tell(
            console,
            f"in a task of their own, …_no_picture: {done.apart:,} rows, which not every model there can be "
            "asked; they may lack answers (dmsbench import --allow-missing)",
        )


def import_(
    logs: Annotated[
        list[Path],
        typer.Argument(metavar="LOG...", help="JSONL, JSON, TSV, CSV or XLSX files with an answer per row."),
    ],
    export_: Annotated[Path, typer.Option("--export", help="The folder that dmsbench export made.")],
    name: Annotated[str, typer.Option("--name", help="What the model is called in the run.")],
    out: Out = Path("results"),
    allow_missing: Annotated[
        bool,
        typer.Option("--allow-missing", help="Count rows without an answer as the model's errors."),
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Replace the records that the run holds of this model.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Makes records of answers that another harness collected on an export, for compare, report and gate.

    Reads lmms-eval's --log_samples files, VLMEvalKit's result files, and any table, JSON list or JSON lines
    with index and prediction. The suite's own score is computed; scores in a log are not used. Example:

      dmsbench import run/20261124_samples_dmsbench_smoke.jsonl --export task --name other
    """
    from dmsbench.cli.output import messages, tell
    from dmsbench.exchange.imports import import_logs

    done = import_logs(export_, logs, name, out, allow_missing=allow_missing, fresh=fresh)
    console = messages(quiet=quiet)
    tell(console, f"{done.folder.path}: {done.rows:,} records of {done.model}, {done.left_out:,} left out")
    if done.missing:
        tell(console, f"without an answer, counted as errors: {done.missing:,} records")
