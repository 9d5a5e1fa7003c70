"""``dmsbench suite check``."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(help="Work with suite files.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def root() -> None:
    """Work with suite files."""


@app.command("check")
def check(file: Annotated[str, typer.Argument(help="A suite by name, or a suite file.")]) -> None:
    """Reads a suite and says what it asks for, or what is wrong with it.

    Example:  dmsbench suite check my-suite.yaml
    """
    from dmsbench.corruption_settings import in_words
    from dmsbench.data import check_split
    from dmsbench.models.spec import parse
    from dmsbench.suite import load_suite

    suite = load_suite(file)
    for model in suite.models:
        parse(model)
    check_split(suite.dataset.name, suite.dataset.split)
    made = suite.differing()
    limit = "all samples" if suite.limit is None else f"{suite.limit} samples"
    typer.echo(
        f"{suite.name}: {len(suite.conditions)} conditions of {len(suite.corruption_names)} corruptions, "
        f"{limit} of {suite.dataset.name}, models {', '.join(suite.models) or 'to be given'}: fine"
    )
    for name, settings in made.items():
        typer.echo(f"  {name}: {in_words(settings)}")
