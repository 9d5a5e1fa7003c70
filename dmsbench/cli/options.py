"""Options that several commands share."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dmsbench.cli import completion
from dmsbench.errors import DmsbenchError, UnknownNameError

if TYPE_CHECKING:
    from dmsbench.suite import DatasetConfig

#: CPU threads at most: of more the libraries below crash.
MOST_THREADS = 1024


class TableFormat(str, Enum):
    """How a table is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"


Out = Annotated[Path, typer.Option("--out", help="Results folder.", show_default=True)]
Seed = Annotated[int, typer.Option("--seed", help="Seed of the bootstrap and the permutation test.", min=0)]
#: None is a table that nobody asked for by name, which --quiet leaves out.
Format = Annotated[
    TableFormat | None, typer.Option("--format", help="How to print; by default a table.", show_default=False)
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Nothing but errors, and the data asked for by --format.")
]
Data = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="FILE|NAME",
        autocompletion=completion.public_data,
        help="Other data than the suite's: your own JSONL, Parquet, CSV or TSV file, tar files such as "
        "{00..07}.tar, a public data set (dmsbench list datasets), or hub:owner/name.",
    ),
]
#: Off: what it allows can do anything.
TrustRemoteCode = Annotated[
    bool,
    typer.Option(
        "--trust-remote-code",
        help="Run the Python code that a checkpoint brings, if it brings some. It can do all that you can.",
    ),
]

AllowOutside = Annotated[
    bool,
    typer.Option(
        "--allow-outside",
        help="Let local data name images outside of the image folder: absolute, by .. or by a symbolic link.",
    ),
]


def data_named(data: str | None, images: Path | None, allow_outside: bool) -> DatasetConfig | None:
    """The data that ``--data`` names: a file, tar files, a public data set, or ``hub:owner/name``.

    Raises DmsbenchError where it is none of these, or where options of files are given with another.
    """
    if data is None:
        return None
    from dmsbench.data.presets import PRESETS
    from dmsbench.suite import DatasetConfig
    from dmsbench.suite_blocks import hub_path

    _, hub, path = data.partition("hub:")
    given: dict[str, object]
    if Path(data).is_file() or "\0" in data:
        given = {"name": "local", "path": data}
    elif data in PRESETS:
        given = {"name": data}
    elif hub and data.startswith("hub:"):
        given = {"name": "hub", "path": hub_path(path, Path())}
    elif data.endswith(".tar"):
        given = {"name": "webdataset", "path": data}
    elif not Path(data).suffix and len(Path(data).parts) == 1:
        raise UnknownNameError("file or data set", data, PRESETS)
    else:
        given = {"name": "local", "path": data}
    if given["name"] != "local":
        if images is not None or allow_outside:
            raise DmsbenchError("--images and --allow-outside belong to a file of your own after --data")
        return DatasetConfig.model_validate(given)
    return DatasetConfig.model_validate({**given, "images": images, "allow_outside": allow_outside})


def parse_severities(text: str) -> tuple[int, ...]:
    """``1,3,5`` or ``1-5``; raises DmsbenchError for anything else."""
    found: list[int] = []
    for piece in text.split(","):
        low, dash, high = piece.strip().partition("-")
        if not dash:
            high = low
        if not ({low, high} <= set("12345") and low <= high):
            raise DmsbenchError(f"--severity '{text}': use numbers from 1 to 5, such as 1,3,5 or 1-5")
        found += range(int(low), int(high) + 1)
    return tuple(found)


def check_loudness(*, quiet: bool, verbose: bool) -> None:
    """Raises DmsbenchError where both are asked for."""
    if quiet and verbose:
        raise DmsbenchError("--quiet and --verbose: one of them")
