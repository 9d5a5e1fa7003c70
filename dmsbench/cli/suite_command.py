"""``dmsbench suite check``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dmsbench.cli import completion
from dmsbench.cli.options import Format, TableFormat

if TYPE_CHECKING:
    from dmsbench.runner.job import Job
    from dmsbench.suite import Suite

app = typer.Typer(help="Work with suite files.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def root() -> None:
    """Work with suite files.

    Example:  dmsbench suite check my-suite.yaml
    """


@app.command("check")
def check(
    file: Annotated[
        str, typer.Argument(autocompletion=completion.suites, help="A suite by name, or a suite file.")
    ],
    data_check: Annotated[
        bool,
        typer.Option("--data-check", help="Read the data too: how many samples, and which are left out."),
    ] = False,
    format_: Format = None,
) -> None:
    """Reads a suite and says what it asks for, or what is wrong with it (exit code 2).

    CSV and Markdown have a row a corruption. Examples:

      dmsbench suite check my-suite.yaml

      dmsbench suite check vqa-corrupt --data-check --format json
    """
    from dmsbench.cli.output import emit
    from dmsbench.data import check_split
    from dmsbench.models.spec import parse
    from dmsbench.plain_text import printable
    from dmsbench.report.sheets import sheet_of
    from dmsbench.size_limits import check_size
    from dmsbench.suite import load_suite

    suite = load_suite(file)
    for model in suite.models:
        parse(model)
    check_split(suite.dataset.name, suite.dataset.split)
    suite.differing()
    if suite.limit is not None and not data_check:
        check_size(suite, suite.limit)
    job = _prepared(suite) if data_check else None
    found = suite_dict(suite, job)
    if format_ in (None, TableFormat.TABLE):
        for line in _lines(suite, found):
            typer.echo(printable(line))
    else:
        emit(format_, lambda: found, lambda: sheet_of(found["corruptions"]))


def _prepared(suite: Suite) -> Job:
    from dmsbench.runner.job import prepare

    # The folder of its records is named by it, not made.
    return prepare(suite, Path())


def suite_dict(suite: Suite, job: Job | None) -> dict[str, Any]:
    """The stable JSON of ``suite check``.

    ``{name, task, score, dataset, samples, conditions, models, rows, families: {FAMILY: conditions},
    corruptions: [{name, family, severities, left_out}], settings, truth}``. ``samples`` and ``rows`` are
    null where the suite takes all samples and the data were not read, and at most so many where it has a
    limit; ``left_out`` (samples that a corruption would make the answer of wrong) is null, ``truth`` empty
    where the data were not read.
    """
    from dmsbench.families import by_family, condition_family

    samples = suite.limit if job is None else job.plan.samples
    lost = None if job is None else {one.corruption: one.samples for one in job.left_out}
    rows = None if samples is None else samples * len(suite.conditions) * len(suite.models)
    cells: dict[str, dict[str, Any]] = {}
    for condition in suite.conditions:
        if not condition.is_clean:
            name = condition.corruption
            fresh: dict[str, Any] = {"name": name, "family": condition_family(condition), "severities": []}
            severities = cells.setdefault(name, fresh)["severities"]
            if condition.severity not in severities:
                severities.append(condition.severity)
    return {
        "name": suite.name,
        "task": suite.task,
        "score": suite.score,
        "dataset": f"{suite.dataset.name}/{suite.dataset.split}",
        "samples": samples,
        "conditions": len(suite.conditions),
        "models": list(suite.models),
        "rows": rows,
        "families": {name: len(members) for name, members in by_family(suite.conditions).items()},
        "corruptions": [
            {**cell, "left_out": None if lost is None else lost.get(name, 0)} for name, cell in cells.items()
        ],
        "settings": suite.differing(),
        "truth": [] if job is None else job.truth_lines,
    }


def _lines(suite: Suite, found: dict[str, Any]) -> list[str]:
    from dmsbench.corruption_settings import in_words

    limit = "all samples" if suite.limit is None else f"{suite.limit} samples"
    lines = [
        f"{suite.name}: {len(suite.conditions)} conditions of {len(suite.corruption_names)} corruptions, "
        f"{limit} of {suite.dataset.name}, models {', '.join(suite.models) or 'to be given'}: fine"
    ]
    samples, models = found["samples"], len(suite.models)
    if samples is None:
        lines.append("  rows: as many as there are samples, see --data-check")
    elif models:
        lines.append(
            f"  rows: {samples:,} samples × {found['conditions']} conditions × {models} "
            f"model{'' if models == 1 else 's'} = {found['rows']:,}"
        )
    if found["families"]:
        families = ", ".join(f"{name} {count}" for name, count in found["families"].items())
        lines.append(f"  conditions by family: {families}")
    # With the data, truth says the settings too.
    told = found["truth"] or [f"{name}: {in_words(own)}" for name, own in found["settings"].items()]
    return [*lines, *(f"  {line}" for line in told)]
