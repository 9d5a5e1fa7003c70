"""``dmsbench reference save`` and ``dmsbench reference show``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dmsbench.cli import completion
from dmsbench.cli.options import Format, Out, Quiet, TableFormat

if TYPE_CHECKING:
    from dmsbench.gate import SavedReference

app = typer.Typer(help="Keep a model's scores as a reference.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def root() -> None:
    """Keep a model's scores as a reference: one small file beside the code, for dmsbench gate.

    Example:  dmsbench reference save baseline --to reference.parquet
    """


@app.command("save")
def save(
    run: Annotated[str, typer.Argument(help="FOLDER, FOLDER:MODEL or a model's name in --out.")],
    to: Annotated[Path, typer.Option("--to", help="File to write (.parquet), or a folder for it.")],
    score: Annotated[
        list[str] | None,
        typer.Option(
            "--score",
            autocompletion=completion.scores,
            help="Keep this score too, computed from the answers. Repeatable.",
        ),
    ] = None,
    with_predictions: Annotated[
        bool,
        typer.Option(
            "--with-predictions",
            help="Keep questions, right answers and predictions: lists of flipped answers need them.",
        ),
    ] = False,
    out: Out = Path("results"),
    quiet: Quiet = False,
) -> None:
    """Writes a model's ids, conditions, statuses and scores to one Parquet file, and what it was as JSON.

    A gate against the file finds what it finds against the run. Examples:

      dmsbench reference save baseline --to reference.parquet

      dmsbench reference save results/smoke/0123456789ab:mine --to references --with-predictions
    """
    from dmsbench.cli.output import tables, tell
    from dmsbench.gate import saved
    from dmsbench.runner.find import pair

    entrant = pair(run, run, out)[0]
    done = saved.save(entrant, to, scores=score or (), with_predictions=with_predictions)
    tell(
        tables(quiet=quiet),
        f"{done.reference.path}: {done.records:,} records of '{entrant.model}', {done.bytes:,} bytes",
    )


@app.command("show")
def show(
    file: Annotated[Path, typer.Argument(help="A file that dmsbench reference save made.")],
    format_: Format = None,
) -> None:
    """Says what a saved reference holds: which model, on which data, made when and by what.

    Reads and checks the whole file. Example:

      dmsbench reference show reference.parquet
    """
    from dmsbench.cli.output import emit, tables, tell
    from dmsbench.gate.saved import read
    from dmsbench.report.sheets import Sheet

    reference = read(file)
    found = _described(reference)
    if format_ in (None, TableFormat.TABLE):
        width = max(map(len, found))
        console = tables()
        tell(console, *(f"{name:<{width}}  {_words(value)}" for name, value in found.items()))
        return
    rows = tuple((name, _words(value)) for name, value in found.items())
    emit(format_, lambda: found, lambda: Sheet(("key", "value"), rows))


def _described(reference: SavedReference) -> dict[str, Any]:
    """The stable JSON of ``reference show``."""
    manifest = reference.manifest
    identity, entry = manifest["identity"], manifest["models"][reference.model]
    data = identity["dataset"]
    table = reference.table
    return {
        "model": reference.model,
        "spec": entry.get("spec"),
        "settings": entry.get("fingerprint"),
        "suite": identity["suite"],
        "run": manifest.get("fingerprint"),
        "task": identity["task"],
        "score": identity["score"],
        "further_scores": list(reference.scores),
        "predictions": reference.has_predictions,
        "dataset": f"{data.get('name')}/{data.get('split')}",
        "dataset_fingerprint": data.get("fingerprint"),
        "seed": identity.get("seed"),
        "conditions": len(identity.get("conditions", [])),
        "samples": len(table["sample_id"].unique()),
        "images": len(table["group"].unique()),
        "records": table.num_rows,
        "run_created": manifest.get("created"),
        "run_by": manifest.get("dmsbench"),
        "saved": reference.saved.get("created"),
        "saved_by": reference.saved.get("dmsbench"),
    }


def _words(value: object) -> str:
    from dmsbench.plain_text import one_line

    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(one_line, map(str, value))) or "none"
    return one_line(str(value))
