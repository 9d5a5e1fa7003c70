"""``dmsbench list``."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any

import typer

from dmsbench.cli.options import Format, TableFormat
from dmsbench.errors import DmsbenchError, UnknownNameError


class What(str, Enum):
    """What can be listed."""

    SUITES = "suites"
    MODELS = "models"
    DATASETS = "datasets"
    TASKS = "tasks"
    CORRUPTIONS = "corruptions"
    SCORES = "scores"


#: What packages offer beside models, which are listed with their checkpoints.
_OFFERED = (What.DATASETS, What.TASKS, What.CORRUPTIONS, What.SCORES)
#: Too long for a table; ``--json`` has them.
JSON_ONLY = ("parameter", "parameters", "source", "notes", "distances")
#: How a table names what a corruption's severity is measured by.
MEASURES = {"dissimilarity": "1−SSIM", "difference": "|diff|", "edits": "edits", "hit": "hit"}


def _topics(incomplete: str) -> list[str]:
    return [what.value for what in What if what.value.startswith(incomplete)]


def list_names(
    what: Annotated[
        str,
        typer.Argument(
            metavar="|".join(what.value for what in What), autocompletion=_topics, help="What to list."
        ),
    ],
    format_: Format = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    load: Annotated[
        bool,
        typer.Option(
            "--load",
            help="Import what other packages offer, to show all that they say of it. Not for models.",
        ),
    ] = False,
) -> None:
    """Lists suites, models, data sets, tasks, corruptions or scores; JSON says the most.

    JSON is a list of entries, each with a name; CSV and Markdown have what the table has. What other packages
    offer is listed with the package, and none of them is imported. Examples:

      dmsbench list models

      dmsbench list corruptions --json
    """
    from dmsbench.cli import list_foreign as foreign
    from dmsbench.cli.output import emit, tables
    from dmsbench.report.sheets import sheet_of

    try:
        topic = What(what)
    except ValueError:
        raise UnknownNameError("topic", what, (known.value for known in What)) from None
    if as_json and format_ not in (None, TableFormat.JSON):
        raise DmsbenchError(f"--json and --format {format_.value}: one of them")
    if load and topic not in _OFFERED:
        raise DmsbenchError(f"--load is of {', '.join(one.value for one in _OFFERED)}, not of {topic.value}")
    entries = [*_entries(topic), *(foreign.entries(topic.value, load=load) if topic in _OFFERED else ())]
    if as_json or format_ not in (None, TableFormat.TABLE):
        wanted = TableFormat.JSON if as_json or format_ is None else format_
        emit(wanted, lambda: entries, lambda: sheet_of(map(_shown, entries)))
        return
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    rows = [_shown(entry) for entry in entries]
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    columns = list(dict.fromkeys(column for row in rows for column in row))
    for column in columns:
        table.add_column(column, no_wrap=column in ("name", _DISTANCES), overflow="fold")
    for row in rows:
        table.add_row(*(row.get(column, "") for column in columns))
    tables().print(table)


_DISTANCES = "distance at severities 1-5"


def _shown(entry: dict[str, Any]) -> dict[str, str]:
    """An entry's cells in the table, by column."""
    cells = {key: _cell(value) for key, value in entry.items() if key not in (*JSON_ONLY, "flags")}
    if entry.get("distances"):
        import corruptions

        measure = corruptions.growth_measure(corruptions.get(entry["name"]))
        figures = [row[measure] for row in next(iter(entry["distances"].values()))]
        cells[_DISTANCES] = " ".join([f"{MEASURES[measure]:6}", *(_short(figure) for figure in figures)])
        cells["flags"] = "; ".join(
            ", ".join(flags) if i == 0 else f"{profile}: {', '.join(flags)}"
            for i, (profile, flags) in enumerate(entry["flags"].items())
            if flags
        )
    return cells


def _short(figure: float) -> str:
    """Three decimals: ``.035``, ``1.000``."""
    return f"{figure:.3f}".removeprefix("0")


def _cell(value: object) -> str:
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
        return _models()
    if what is What.DATASETS:
        from dmsbench.data import DATASETS

        return [{"name": name, "description": text} for name, text in DATASETS.items()]
    if what is What.TASKS:
        from dmsbench.score_names import SCORES
        from dmsbench.tasks.catalogue import DESCRIPTIONS

        return [
            {"name": name, "scores": list(SCORES[name]), "description": text}
            for name, text in DESCRIPTIONS.items()
        ]
    if what is What.CORRUPTIONS:
        import corruptions

        return [_corruption(entry.name) for entry in corruptions.catalogue()]
    from dmsbench.tasks.scorers import scorers

    return [
        {"name": one.name, "task": one.task, "signature": one.signature, "description": one.description}
        for one in scorers()
    ]


def _models() -> list[dict[str, Any]]:
    """Models to name as they are, and the types of checkpoints that a folder or hub id may hold."""
    from dmsbench.models.spec import API, BUILTIN, CHECKPOINTS, RETRIEVAL_TYPES, SCHEDULED_TYPES, STATIC_TYPES
    from dmsbench.plugins import MODELS, offered

    both, static = "static and dms", "static only"
    return [
        *({"name": name, "kind": "model", "specification": text} for name, text in BUILTIN.items()),
        *({"name": name, "kind": "checkpoint", "specification": text} for name, text in CHECKPOINTS.items()),
        *(
            {"name": name, "kind": "model type", "specification": text, "fusion": both}
            for name, text in SCHEDULED_TYPES.items()
        ),
        *(
            {"name": f"{name} for retrieval", "kind": "model type", "specification": text, "fusion": both}
            for name, text in RETRIEVAL_TYPES.items()
        ),
        *(
            {"name": one.name, "kind": "plug-in", "specification": f"{one.package} {one.version}"}
            for one in offered(MODELS).values()
        ),
        {"name": "endpoint:URL", "kind": "model behind an API", "specification": API, "fusion": static},
        {"name": "any other", "kind": "model type", "specification": STATIC_TYPES, "fusion": static},
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
        "distances": {
            profile: [distance.to_dict() for distance in corruptions.distances(name, profile)]
            for profile in entry.parameters
        },
        "flags": {profile: list(corruptions.flags(name, profile)) for profile in entry.parameters},
    }
