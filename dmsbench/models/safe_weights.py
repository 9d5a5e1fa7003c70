"""Weights are read from safetensors only: reading a pickle runs what whoever wrote it put into it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from dmsbench.errors import ModelError

#: How files with pickled weights end.
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
SAFE = ".safetensors"
#: What every call of ``from_pretrained`` is given.
ONLY_SAFE = {"use_safetensors": True}
_HOW = (
    "save it as safetensors where you trust it: in Python, "
    "AutoModelForImageTextToText.from_pretrained(FOLDER).save_pretrained(OTHER)"
)

# Asked for safetensors that a repository on the hub lacks, the library would ask a service to make them.
os.environ.setdefault("DISABLE_SAFETENSORS_CONVERSION", "1")


def check_weights(checkpoint: str | Path) -> None:
    """Raises ModelError for a checkpoint's folder whose weights are pickled; of a hub id nothing is known."""
    folder = Path(checkpoint)
    if not folder.is_dir():
        return
    named = _named_file(folder)
    if named is not None and not named.endswith((SAFE, f"{SAFE}.index.json")):
        raise ModelError(
            f"cannot load '{checkpoint}': its config.json takes weights from '{named}', which is no "
            f"safetensors file; {_HOW}"
        )
    names = sorted(path.name for path in folder.iterdir())
    adapters = [name for name in names if name.startswith("adapter_model")]
    for group in (adapters, [name for name in names if name not in adapters]):
        pickled = [name for name in group if name.endswith(PICKLED)]
        if pickled and not any(name.endswith(SAFE) for name in group):
            raise ModelError(
                f"cannot load '{checkpoint}': its weights are pickled ({pickled[0]}), and reading a pickle "
                f"can run any code, so they were not read; {_HOW}"
            )


def only_pickled(reason: str, checkpoint: str | Path) -> str:
    """The reason why a hub checkpoint did not load; where it is the lack of safetensors, what helps."""
    lacks = "use_safetensors" in reason or "does not appear to have a file named model.safetensors" in reason
    return f"'{checkpoint}' has no safetensors weights; {_HOW}" if lacks else reason


def _named_file(folder: Path) -> str | None:
    """The file of weights that a config names, None where it leaves that to the library."""
    try:
        settings: Any = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None  # loading says what is wrong with it
    named = settings.get("transformers_weights") if isinstance(settings, dict) else None
    return named if isinstance(named, str) else None
