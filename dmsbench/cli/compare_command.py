"""``dmsbench compare``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dmsbench.cli.options import Out, Seed, TableFormat

if TYPE_CHECKING:
    from dmsbench.scores import Comparison


def compare(
    a: Annotated[str, typer.Argument(help="A model's name, or FOLDER:MODEL.")],
    b: Annotated[str, typer.Argument(help="The other model.")],
    suite: Annotated[
        str | None, typer.Option("--suite", help="Look among the runs of this suite only.")
    ] = None,
    out: Out = Path("results"),
    format_: Annotated[TableFormat, typer.Option("--format", help="How to print.")] = TableFormat.TABLE,
    seed: Seed = 0,
) -> None:
    """Compares two models, paired by sample: B minus A, per corruption and overall.

    Intervals and tests are clustered by image; the tests of the corruptions are corrected after Holm.
    Exit code 3 where the runs may not be compared. Examples:

      dmsbench compare baseline dms

      dmsbench compare results/vqa-corrupt/0123:mine dms --format json
    """
    from dmsbench.report.comparison import as_json, as_rows
    from dmsbench.runner.find import check_comparable, pair
    from dmsbench.scores import compare as compare_frames
    from dmsbench.truth import told

    first, second = pair(a, b, out, suite)
    check_comparable(first, second)
    result = compare_frames(first.records(), second.records(), seed=seed)
    truth = told(first.manifest)
    name = str(first.manifest["identity"]["suite"])
    if format_ is TableFormat.JSON:
        typer.echo(as_json(result, name, first.model, second.model, truth))
    elif format_ is TableFormat.TABLE:
        _print(result, name, first.model, second.model, first.folder.path, truth)
    else:
        typer.echo(
            as_rows(result, first.model, second.model, markdown=format_ is TableFormat.MARKDOWN, truth=truth),
            nl=False,
        )


def _print(result: Comparison, suite: str, a: str, b: str, folder: Any, truth: Sequence[str]) -> None:
    from rich.console import Console

    from dmsbench.report.comparison import verdict_line
    from dmsbench.report.tables import comparison_table

    console = Console()
    console.print(comparison_table(result, a, b))
    console.print(
        f"{suite}: {result.n_pairs:,} paired rows of {result.n_samples:,} samples, "
        f"{result.n_groups:,} images; {result.n_error_pairs:,} left out for errors; {folder}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    for line in truth:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    console.print(verdict_line(result, a, b), highlight=False, markup=False, soft_wrap=True, style="bold")
