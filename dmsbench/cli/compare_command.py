"""``dmsbench compare``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dmsbench.cli.options import Out, Seed, TableFormat

if TYPE_CHECKING:
    from dmsbench.report.groups import Groups
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

    Intervals and tests are clustered by image; the tests of the corruptions are corrected after Holm. Then
    conditions together: by family of damage and, where a scheduler was fitted, by how near they are to what
    it was fitted on. Exit code 3 where the runs may not be compared. Examples:

      dmsbench compare baseline dms

      dmsbench compare results/vqa-corrupt/0123:mine dms --format json
    """
    from dmsbench.report.comparison import as_json, as_rows
    from dmsbench.report.groups import grouped
    from dmsbench.report.roles import fitted_on
    from dmsbench.runner.find import check_comparable, pair
    from dmsbench.scores.paired import compare_pairs
    from dmsbench.scores.pairing import pair_rows
    from dmsbench.scores.rows import read_rows
    from dmsbench.truth import told

    first, second = pair(a, b, out, suite)
    check_comparable(first, second)
    pairs = pair_rows(read_rows(first.records()), read_rows(second.records()))
    result = compare_pairs(pairs, seed=seed)
    fitted = {name for side in (first, second) for name in fitted_on(side.manifest["models"][side.model])}
    groups = grouped(pairs, fitted, seed=seed)
    truth = told(first.manifest)
    name = str(first.manifest["identity"]["suite"])
    score = str(first.manifest["identity"]["score"]).partition("|")[0]
    if format_ is TableFormat.JSON:
        typer.echo(as_json(result, name, first.model, second.model, truth, groups))
    elif format_ is TableFormat.TABLE:
        _print(result, groups, name, first.model, second.model, score, first.folder.path, truth)
    else:
        markdown = format_ is TableFormat.MARKDOWN
        typer.echo(
            as_rows(result, first.model, second.model, markdown=markdown, truth=truth, groups=groups),
            nl=False,
        )


def _print(
    result: Comparison,
    groups: Groups,
    suite: str,
    a: str,
    b: str,
    score: str,
    folder: Path,
    truth: Sequence[str],
) -> None:
    from rich.console import Console

    from dmsbench.report.comparison import verdict_line
    from dmsbench.report.groups import RELATION_NOTE
    from dmsbench.report.tables import comparison_table

    console = Console()
    console.print(comparison_table(result, a, b, groups))
    console.print(
        f"{suite}: {result.n_pairs:,} paired rows of {result.n_samples:,} samples, "
        f"{result.n_groups:,} images; {result.n_error_pairs:,} left out for errors; score {score}; {folder}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    for line in (*((RELATION_NOTE,) if groups.by_relation else ()), *truth):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    console.print(verdict_line(result, a, b), highlight=False, markup=False, soft_wrap=True, style="bold")
