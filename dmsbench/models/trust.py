"""Code that a checkpoint brings: never run unless asked for, then named, warned of and hashed.

A checkpoint may name Python files of its own (``auto_map``) that build its config, model or processor. They
can do whatever the user can. Without ``trusting_code`` such a checkpoint is refused before anything of it is
run, also where stock classes could load it: which code gave the answers must not hang on a default.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from dmsbench.errors import ModelError

#: Where a checkpoint can name code of its own.
_FILES = (
    "config.json",
    "processor_config.json",
    "preprocessor_config.json",
    "video_preprocessor_config.json",
    "feature_extractor_config.json",
    "tokenizer_config.json",
)
#: What the library calls the package into which it copies such code.
_PACKAGE = "transformers_modules"

#: Who is told of code that will be run; None: none may be.
_warn: ContextVar[Callable[[str], None] | None] = ContextVar("dmsbench_trusted_code", default=None)


@contextlib.contextmanager
def trusting_code(allowed: bool, warn: Callable[[str], None]) -> Iterator[None]:
    """Within, checkpoints may run code that they bring, where ``allowed``; ``warn`` is told of each."""
    before = _warn.set(warn if allowed else None)
    try:
        yield
    finally:
        _warn.reset(before)


def may_run_code(checkpoint: str | Path, revision: str) -> bool:
    """Whether the checkpoint brings code that the user has allowed to run; False where it brings none.

    Raises ModelError where it brings code and none is allowed. Nothing of it is run in here.
    """
    code = own_code(checkpoint, revision)
    if not code:
        return False
    warn = _warn.get()
    if warn is None:
        raise ModelError(
            f"cannot load '{checkpoint}': it brings code of its own ({', '.join(code)}), which can do all "
            "that you can and was not run; read it, then allow it by --trust-remote-code"
        )
    warn(
        f"warning: '{checkpoint}' runs code of its own ({', '.join(code)}), as --trust-remote-code allows; "
        "it can do all that you can"
    )
    return True


def own_code(checkpoint: str | Path, revision: str) -> tuple[str, ...]:
    """The Python files that a checkpoint names as its code, sorted: ``modeling_mine.py``.

    Code of another repository is named with it (``owner/other: modeling_mine.py``).
    """
    found: set[str] = set()
    for name in _FILES:
        settings = _read(checkpoint, name, revision)
        if isinstance(settings, dict):
            found |= set(_named(settings))
    return tuple(sorted(found))


def hash_code(*loaded: Any) -> str | None:
    """A hash (32 hex digits) of the files whose code these objects are made of; None for stock classes."""
    parts = [
        getattr(one, name, None) for one in loaded for name in ("config", "tokenizer", "image_processor")
    ]
    packages = {
        type(one).__module__.rpartition(".")[0]
        for one in (*loaded, *parts)
        if type(one).__module__.partition(".")[0] == _PACKAGE
    }
    if not packages:
        return None
    files = [
        Path(module.__file__)
        for name, module in list(sys.modules.items())
        if name.rpartition(".")[0] in packages and module.__file__
    ]
    digest = hashlib.blake2b(digest_size=16)
    # By the name of the file: the package is named after the folder that the checkpoint lies in.
    for name, content in sorted((path.name, path.read_bytes()) for path in files):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _named(settings: dict[str, Any]) -> Iterator[str]:
    """The files of every ``auto_map``, of nested parts too."""
    for key, value in settings.items():
        if key == "auto_map":
            for reference in _strings(value):
                repository, _, name = reference.rpartition("--")
                file = f"{name.partition('.')[0]}.py"
                yield f"{repository}: {file}" if repository else file
        elif isinstance(value, dict):
            yield from _named(value)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def _read(checkpoint: str | Path, name: str, revision: str) -> Any:
    """A JSON file of a checkpoint; None where it has none or it cannot be read, as loading then says."""
    folder = Path(checkpoint)
    if folder.is_dir():
        path: str | Path | None = folder / name
    else:
        from transformers.utils.hub import cached_file

        try:
            path = cached_file(
                str(checkpoint),
                name,
                revision=revision,
                _raise_exceptions_for_gated_repo=False,
                _raise_exceptions_for_missing_entries=False,
                _raise_exceptions_for_connection_errors=False,
            )
        except (OSError, ValueError):
            return None
    if path is None:
        return None
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
