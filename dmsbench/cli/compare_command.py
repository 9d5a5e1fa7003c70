"""``dmsbench compare``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dmsbench.cli import completion
from dmsbench.cli.options import Format, Out, Quiet, Seed, TableFormat, check_loudness

if TYPE_CHECKING:
    from dmsbench.places import Place
    from dmsbench.report.groups import Groups
    from dmsbench.scores import Comparison

#: Columns from which the table has room for curves.
WIDE = 100


def compare(
    a: Annotated[str, typer.Argument(help="A model's name, or FOLDER:MODEL.")],
    b: Annotated[str, typer.Argument(help="The other model.")],
    suite: Annotated[
        str | None,
        typer.Option(
            "--suite", autocompletion=completion.suites, help="Look among the runs of this suite only."
        ),
    ] = None,
    out: Out = Path("results"),
    format_: Format = None,
    seed: Seed = 0,
    quiet: Quiet = False,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", help="Which runs were found, what was paired, how long it took."),
    ] = False,
) -> None:
    """Compares two models, paired by sample: B minus A, per corruption and overall.

    Intervals and tests are clustered by image; the tests of the corruptions are corrected after Holm. Then
    conditions together: by family of damage and, where a scheduler was fitted, by how near they are to what
    it was fitted on. Exit code 3 where the runs may not be compared. Examples:

      dmsbench compare baseline dms

      dmsbench compare results/vqa-corrupt/0123:mine dms --format json
    """
    check_loudness(quiet=quiet, verbose=verbose)

    from dmsbench.cli.output import messages, tell
    from dmsbench.report.comparison import as_json, as_rows
    from dmsbench.report.groups import grouped
    from dmsbench.report.roles import fitted_on
    from dmsbench.runner.find import check_comparable, pair
    from dmsbench.scores.paired import compare_pairs
    from dmsbench.scores.pairing import pair_rows
    from dmsbench.scores.rows import COLUMNS, read_rows
    from dmsbench.truth import told

    began = time.monotonic()
    first, second = pair(a, b, out, suite)
    check_comparable(first, second)
    pairs = pair_rows(read_rows(first.records(COLUMNS)), read_rows(second.records(COLUMNS)))
    result = compare_pairs(pairs, seed=seed)
    fitted = {name for side in (first, second) for name in fitted_on(side.manifest["models"][side.model])}
    groups = grouped(pairs, fitted, seed=seed)
    truth = told(first.manifest)
    name = str(first.manifest["identity"]["suite"])
    score = str(first.manifest["identity"]["score"]).partition("|")[0]
    if verbose:
        tell(
            messages(),
            *(
                f"{letter}: {side.label}, suite {side.manifest['fingerprint']}, made by dmsbench "
                f"{side.manifest['dmsbench']} on {side.manifest['created']}"
                for letter, side in (("A", first), ("B", second))
            ),
            f"{result.n_pairs:,} pairs of {result.n_groups:,} images, {result.replicates:,} resamples, seed "
            f"{seed}: {time.monotonic() - began:.1f} s",
        )
    if format_ is TableFormat.JSON:
        typer.echo(as_json(result, name, first.model, second.model, truth, groups))
    elif format_ in (None, TableFormat.TABLE):
        if quiet and format_ is None:
            return
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
    folder: Place,
    truth: Sequence[str],
) -> None:
    from dmsbench.cli.output import tables, tell
    from dmsbench.report.comparison import verdict_line
    from dmsbench.report.groups import RELATION_NOTE
    from dmsbench.report.sparklines import can_show
    from dmsbench.report.tables import comparison_table

    console = tables()
    curves = console.width >= WIDE and can_show(console.encoding)
    console.print(comparison_table(result, a, b, groups, curves=curves))
    tell(
        console,
        f"{suite}: {result.n_pairs:,} paired rows of {result.n_samples:,} samples, "
        f"{result.n_groups:,} images; {result.n_error_pairs:,} left out for errors; score {score}; {folder}",
        *((RELATION_NOTE,) if groups.by_relation else ()),
        *truth,
    )
    tell(console, verdict_line(result, a, b), style="bold")
