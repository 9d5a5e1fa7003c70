"""Options that several commands share."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

Out = Annotated[Path, typer.Option("--out", help="Results folder.", show_default=True)]
Seed = Annotated[int, typer.Option("--seed", help="Seed of the bootstrap and the permutation test.", min=0)]


class TableFormat(str, Enum):
    """How a table is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"
