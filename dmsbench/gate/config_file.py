"""Where a gate's configuration is read from: gate.toml, or ``[tool.dmsbench.gate]`` of pyproject.toml."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from dmsbench.errors import DmsbenchError, UnknownNameError
from dmsbench.gate.config import CheckSettings, GateConfig, Limits, ScoreSettings
from dmsbench.plain_files import read_text

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

GATE_FILE, PROJECT_FILE = "gate.toml", "pyproject.toml"
_TABLE = ("tool", "dmsbench", "gate")
_MOST_BYTES = 2**20


def load_config(path: Path | None = None, folder: Path = Path()) -> GateConfig:
    """The configuration of a file, or of the folder: its gate.toml, else the table of its pyproject.toml.

    A pyproject.toml has it in ``[tool.dmsbench.gate]``. Where the folder has none, the defaults hold.

    Raises DmsbenchError, naming file and key, for a file that cannot be read, is no TOML, lacks the table
    where it was named, or says what cannot be.
    """
    if path is not None:
        data = _read(path)
        table = _table(data) if path.name == PROJECT_FILE else data
        if table is None:
            raise DmsbenchError(f"{path}: it has no table [{'.'.join(_TABLE)}]")
        return _validated(table, str(path), path.name == PROJECT_FILE)
    own, project = folder / GATE_FILE, folder / PROJECT_FILE
    if own.is_file():
        return _validated(_read(own), str(own), in_project=False)
    if project.is_file():
        table = _table(_read(project))
        if table is not None:
            return _validated(table, str(project), in_project=True)
    return GateConfig()


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = tomllib.loads(read_text(path, _MOST_BYTES))
    except tomllib.TOMLDecodeError as error:
        raise DmsbenchError(f"{path}: not valid TOML: {error}") from None
    except RecursionError:
        raise DmsbenchError(f"{path}: nested too deeply") from None
    except ValueError as error:
        raise DmsbenchError(f"{path}: cannot be read ({error})") from None
    return found


def _table(data: Mapping[str, Any]) -> Any:
    found: Any = data
    for key in _TABLE:
        if not isinstance(found, Mapping) or key not in found:
            return None
        found = found[key]
    return found


def _validated(data: Any, where: str, in_project: bool) -> GateConfig:
    at = f"{'.'.join(_TABLE)}." if in_project else ""
    try:
        return GateConfig.model_validate(data).named(where)
    except ValidationError as error:
        raise DmsbenchError(f"{where}: {_complaint(error, at)}") from None


def _complaint(error: ValidationError, at: str) -> str:
    """The first fault, by its key."""
    first = error.errors()[0]
    location: Sequence[str | int] = first["loc"]
    key = at + ".".join(map(str, location))
    if first["type"] == "extra_forbidden":
        return f"{key}: {UnknownNameError('key', str(location[-1]), _keys(location[:-1]))}"
    message = first["msg"].removeprefix("Value error, ")
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    said = f", not {first['input']!r}" if isinstance(first["input"], str | int | float | bool) else ""
    return f"{key}: {message[0].lower()}{message[1:]}{said}{more}"


def _keys(location: Sequence[str | int]) -> list[str]:
    """The keys that there are at a place."""
    parts = [str(part) for part in location]
    block: type[BaseModel] = GateConfig
    if parts[:1] == ["score"]:
        block, parts = ScoreSettings, parts[2:]
    if parts:
        block = Limits if parts == ["limits"] else CheckSettings
    return list(block.model_fields)
