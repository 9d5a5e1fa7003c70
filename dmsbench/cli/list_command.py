"""``dmsbench list``."""

from __future__ import annotations

import json
from enum import Enum
from typing import Annotated, Any

import typer


class What(str, Enum):
    """What can be listed."""

    SUITES = "suites"
    MODELS = "models"
    DATASETS = "datasets"
    CORRUPTIONS = "corruptions"
    SCORES = "scores"


#: Too long for a table; ``--json`` has them.
JSON_ONLY = ("parameters", "source", "notes")


def list_names(
    what: Annotated[What, typer.Argument(help="What to list.")],
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """Lists suites, models, data sets, corruptions or scores; ``--json`` says the most.

    Example:  dmsbench list corruptions --json
    """
    entries = _entries(what)
    if as_json:
        typer.echo(json.dumps(entries, indent=1, ensure_ascii=False))
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    columns = [key for key in entries[0] if key not in JSON_ONLY]
    table = Table(box=SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, no_wrap=column == "name")
    for entry in entries:
        table.add_row(*(_shown(entry[column]) for column in columns))
    Console().print(table)


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _entries(what: What) -> list[dict[str, Any]]:
    if what is What.SUITES:
        from dmsbench.suite import builtin_suites, load_suite

        suites = [load_suite(name) for name in builtin_suites()]
        return [
            {"name": suite.name, "conditions": len(suite.conditions), "description": suite.description}
            for suite in suites
        ]
    if what is What.MODELS:
        from dmsbench.models.spec import BUILTIN, CHECKPOINTS

        models = [{"name": name, "specification": spec} for name, spec in BUILTIN.items()]
        return models + [{"name": name, "specification": text} for name, text in CHECKPOINTS.items()]
    if what is What.DATASETS:
        from dmsbench.data import DATASETS

        return [{"name": name, "description": text} for name, text in DATASETS.items()]
    if what is What.CORRUPTIONS:
        import corruptions

        return [_corruption(entry.name) for entry in corruptions.catalogue()]
    from dmsbench.tasks.vqa import EXACT_MATCH_SIGNATURE

    return [
        {
            "name": "exact_match",
            "signature": EXACT_MATCH_SIGNATURE,
            "description": "1 where the answer equals a reference after normalisation, else 0",
        }
    ]


def _corruption(name: str) -> dict[str, Any]:
    import corruptions

    entry = corruptions.get(name)
    return {
        "name": entry.name,
        "kind": entry.kind,
        "family": entry.family,
        "parameter": entry.parameter,
        "falsifies": list(entry.falsifies),
        "parameters": {profile: list(values) for profile, values in entry.parameters.items()},
        "source": entry.source,
        "notes": entry.notes,
    }
