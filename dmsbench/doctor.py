"""Whether an installation is whole: versions, devices, extras, what ships, and what mends what is not."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shutil
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from importlib import metadata
from pathlib import Path

from dmsbench import __version__
from dmsbench.errors import DmsbenchError

NEEDED = (
    "torch",
    "transformers",
    "tokenizers",
    "safetensors",
    "numpy",
    "pandas",
    "pyarrow",
    "pillow",
    "opencv-python-headless",
    "matplotlib",
    "plotly",
    "rich",
    "typer",
    "pydantic",
    "easy-vqa",
)
FREE = 1_000_000_000
"""Bytes of free disk below which a word is said."""


class State(str, Enum):
    """What a check found."""

    OK = "ok"
    MISSING = "missing"
    """Something that is not needed."""
    WARNING = "warning"
    BROKEN = "broken"
    """Something that is needed."""

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at."""

    name: str
    state: State
    found: str
    mend: str | None = None
    """The command, or one line of advice, that mends it."""


def examine(results: Path) -> tuple[Check, ...]:
    """Every check; ``results`` is where runs are to be written. Needs no network and loads no model."""
    parts: tuple[Callable[[], list[Check]], ...] = (
        versions,
        devices,
        extras,
        conflicts,
        offline,
        shipped,
        lambda: [writable(results), disk(results)],
    )
    return tuple(check for part in parts for check in part())


def is_fit(checks: tuple[Check, ...]) -> bool:
    """Whether nothing that is needed is broken."""
    return all(check.state is not State.BROKEN for check in checks)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def versions() -> list[Check]:
    """dmsbench, Python and every package that it needs."""
    found = [
        Check("dmsbench", State.OK, __version__),
        Check("python", State.OK, f"{platform.python_version()}, {platform.system()} {platform.machine()}"),
    ]
    for package in NEEDED:
        version = _version(package)
        if version is None:
            found.append(Check(package, State.BROKEN, "not installed", f"pip install {package}"))
        else:
            found.append(Check(package, State.OK, version))
    return found


def devices() -> list[Check]:
    """What models can run on."""
    if _version("torch") is None:
        return []
    try:
        import torch
    except (ImportError, OSError) as error:
        reason = str(error).splitlines()[0]
        return [
            Check("torch", State.BROKEN, f"does not import ({reason})", "pip install --force-reinstall torch")
        ]
    found = [Check("device cpu", State.OK, f"{torch.get_num_threads()} of {os.cpu_count()} threads")]
    for index in range(torch.cuda.device_count()):
        about = torch.cuda.get_device_properties(index)
        found.append(
            Check(f"device cuda:{index}", State.OK, f"{about.name}, {about.total_memory / 2**30:.0f} GiB")
        )
    if torch.backends.mps.is_available():
        found.append(Check("device mps", State.OK, "Apple GPU"))
    return found


def extras() -> list[Check]:
    """The reference packages that a suite may draw corruptions with."""
    import corruptions

    found = []
    for name in corruptions.backend_names():
        if name == corruptions.NATIVE:
            continue
        try:
            found.append(Check(f"backend {name}", State.OK, corruptions.backend_version(name)))
        except corruptions.CorruptionError as error:
            what, _, how = str(error).partition(": ")
            found.append(Check(f"backend {name}", State.MISSING, what, how or None))
    return found


def conflicts() -> list[Check]:
    """Packages that break one another."""
    found = []
    both = ("opencv-python", "opencv-python-headless")
    if all(_version(package) is not None for package in both):
        mend = "pip uninstall -y opencv-python opencv-python-headless && pip install opencv-python-headless"
        found.append(Check("opencv", State.WARNING, "two packages share one cv2 (opencv-python too)", mend))
    if _version("torchvision") is not None:
        try:
            importlib.import_module("torchvision")
        except (ImportError, RuntimeError, OSError, AttributeError) as error:
            reason = str(error).splitlines()[0]
            found.append(
                Check(
                    "torchvision",
                    State.BROKEN,
                    f"does not import ({reason}), and image processors with it",
                    "pip uninstall -y torchvision",
                )
            )
    return found


def offline() -> list[Check]:
    """Whether hub models may be asked for."""
    off = os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on")
    told = (
        "HF_HUB_OFFLINE is set: hub models come from the cache alone" if off else "hub models may be loaded"
    )
    return [Check("hub", State.OK, told)]


def shipped() -> list[Check]:
    """Checkpoints, data and suites that come with the package."""
    from dmsbench.data import load_dataset
    from dmsbench.suite import builtin_suites, load_suite

    again = "pip install --force-reinstall --no-deps dmsbench"
    found = []
    for folder in sorted((Path(__file__).parent / "models" / "weights").iterdir()):
        if folder.is_dir() and not folder.name.startswith(("_", ".")):
            reason = _broken_checkpoint(folder)
            state = State.OK if reason is None else State.BROKEN
            found.append(
                Check(f"checkpoint {folder.name}", state, reason or "whole", again if reason else None)
            )
    try:
        whole = load_dataset("easy_vqa", "test", None, None, level=1, count=None, task="vqa")
        found.append(Check("data easy_vqa", State.OK, f"{len(whole.samples):,} test questions"))
    except DmsbenchError as error:
        mend = "pip install --force-reinstall easy-vqa"
        found.append(Check("data easy_vqa", State.BROKEN, str(error), mend))
    for name in builtin_suites():
        try:
            suite = load_suite(name)
            found.append(Check(f"suite {name}", State.OK, f"{len(suite.conditions)} conditions"))
        except DmsbenchError as error:
            found.append(Check(f"suite {name}", State.BROKEN, str(error), again))
    return found


def _broken_checkpoint(folder: Path) -> str | None:
    """What is wrong with a checkpoint's files; weights are measured by their header, not loaded."""
    for name in ("config.json", "tokenizer.json"):
        try:
            json.loads((folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            return f"{name}: {error}"
    weights = folder / "model.safetensors"
    try:
        with weights.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
        size = (
            8
            + length
            + max(entry["data_offsets"][1] for key, entry in header.items() if key != "__metadata__")
        )
    except (OSError, ValueError, struct.error, KeyError, OverflowError, MemoryError) as error:
        return f"{weights.name}: {error}"
    return None if weights.stat().st_size == size else f"{weights.name}: cut off"


def writable(results: Path) -> Check:
    """Whether runs can be written: of a folder that is not there, its nearest parent."""
    where = results.resolve()
    while not where.exists() and where != where.parent:
        where = where.parent
    if where.is_dir() and os.access(where, os.W_OK | os.X_OK):
        return Check("results folder", State.OK, str(results))
    return Check("results folder", State.BROKEN, f"{results} cannot be written", "use another --out")


def disk(results: Path) -> Check:
    """Free space where runs are written."""
    where = results.resolve()
    while not where.exists() and where != where.parent:
        where = where.parent
    free = shutil.disk_usage(where).free
    told = f"{free / 1e9:.1f} GB free"
    return Check("disk", State.OK, told) if free >= FREE else Check("disk", State.WARNING, told, "make room")
