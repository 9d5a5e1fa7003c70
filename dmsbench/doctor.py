"""Whether dmsbench has what it needs here: packages, checkpoints, data, a place for results; what mends it.

Every check looks and says; nothing is changed, and no model is run.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import struct
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from dmsbench.errors import DmsbenchError, StorageError
from dmsbench.places import Place, Remote

#: Modules whose name is not the package's.
MODULES: Mapping[str, str] = {
    "easy-vqa": "easy_vqa",
    "opencv-python-headless": "cv2",
    "pillow": "PIL",
    "pyyaml": "yaml",
}
#: Others that bring the very files of opencv-python-headless: which cv2 is used is chance.
OTHER_CV2 = ("opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless")
#: From this version on there is no pkg_resources, which imagecorruptions imports.
SETUPTOOLS_WITHOUT_PKG_RESOURCES = 82
#: Bytes below which a run is likely to stop: the largest suite's records, pictures of curves, and room.
LEAST_FREE = 200 * 2**20
_HEADER = 8
_GIB = 2**30


class State(str, Enum):
    """What a check found."""

    OK = "ok"
    MISSING = "missing"
    BROKEN = "broken"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Finding:
    """One line. ``needed``: without it dmsbench does not work; what is only missing beside it is no fault."""

    group: str
    name: str
    state: State
    found: str
    """What is there, or what is wrong."""
    mend: str = ""
    """The command that mends it; empty where nothing has to be."""
    needed: bool = True

    @property
    def fails(self) -> bool:
        return self.needed and self.state is not State.OK


def examine(out: Place, environment: Mapping[str, str] = os.environ) -> list[Finding]:
    """Every check, in the order of what hangs on what; ``out`` is the results folder to be."""
    return [
        *packages(),
        *traps(),
        *devices(),
        *extras(),
        *checkpoints(),
        *data(),
        *suites(),
        hub(environment),
        *(storage(out) if isinstance(out, Remote) else place(out)),
    ]


def importing(module: str) -> str | None:
    """Why a module cannot be imported, in one line; None where it can."""
    try:
        import_module(module)
    except (ImportError, OSError, RuntimeError, AttributeError, ValueError, TypeError) as error:
        reason = next(iter(str(error).strip().splitlines()), "")
        return f"{type(error).__name__}: {reason}"
    return None


def installed(distribution: str) -> str | None:
    """A package's version; None where it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def packages(requirements: Iterable[str] | None = None) -> Iterator[Finding]:
    """Python, dmsbench and all that it requires: there, new enough, and importable."""
    from packaging.requirements import Requirement

    from dmsbench import __version__

    yield Finding("packages", "dmsbench", State.OK, __version__)
    yield Finding("packages", "Python", State.OK, f"{platform.python_version()} ({platform.system()})")
    if requirements is None:
        try:
            requirements = metadata.requires("dmsbench") or ()
        except metadata.PackageNotFoundError:
            yield Finding(
                "packages",
                "requirements",
                State.MISSING,
                "dmsbench is not installed, so nobody says what it requires",
                "pip install -e .",
                needed=False,
            )
            return
    for requirement in map(Requirement, requirements):
        # An extra's requirements hold where the extra is asked for, and nowhere else.
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield _package(requirement.name, str(requirement.specifier), requirement.specifier.contains)


def _package(name: str, wanted: str, fits: Callable[..., bool]) -> Finding:
    mend = f"pip install -U '{name}{wanted}'"
    version = installed(name)
    if version is None:
        return Finding("packages", name, State.BROKEN, "not installed", mend)
    if not fits(version, prereleases=True):
        return Finding("packages", name, State.BROKEN, f"{version}, but {wanted} is needed", mend)
    trouble = importing(MODULES.get(name, name.replace("-", "_")))
    if trouble is not None:
        again = f"pip install --force-reinstall --no-deps '{name}=={version}'"
        return Finding("packages", name, State.BROKEN, f"{version} cannot be imported ({trouble})", again)
    return Finding("packages", name, State.OK, version)


def traps() -> Iterator[Finding]:
    """What other packages are known to break."""
    rivals = {name: version for name in OTHER_CV2 if (version := installed(name)) is not None}
    if rivals:
        names = " ".join(rivals)
        yield Finding(
            "traps",
            "opencv",
            State.BROKEN,
            f"{names} overwrites the cv2 of opencv-python-headless",
            f"pip uninstall -y {names} && pip install --force-reinstall --no-deps opencv-python-headless",
            needed=False,
        )
    else:
        yield Finding("traps", "opencv", State.OK, "one package brings cv2")
    torchvision = installed("torchvision")
    if torchvision is None:
        yield Finding(
            "traps", "torchvision", State.OK, "not installed; a few checkpoints' processors need it"
        )
    else:
        trouble = importing("torchvision")
        # transformers imports it wherever it is installed.
        yield Finding(
            "traps",
            "torchvision",
            State.OK if trouble is None else State.BROKEN,
            torchvision if trouble is None else f"{torchvision} cannot be imported ({trouble})",
            "" if trouble is None else "pip uninstall -y torchvision",
        )
    old, setuptools = installed("imagecorruptions"), installed("setuptools")
    if old is not None and (setuptools is None or _major(setuptools) >= SETUPTOOLS_WITHOUT_PKG_RESOURCES):
        yield Finding(
            "traps",
            "imagecorruptions",
            State.BROKEN,
            f"imagecorruptions {old} imports pkg_resources, which setuptools {setuptools or '(none)'} lacks",
            "pip uninstall -y imagecorruptions && pip install --no-deps imagecorruptions-imaug==1.1.5",
            needed=False,
        )


def _major(version: str) -> int:
    head = version.partition(".")[0]
    return int(head) if head.isdecimal() else 0


def devices() -> Iterator[Finding]:
    """What models can run on."""
    if importing("torch") is not None:
        return  # said among the packages
    import torch

    threads = f"{torch.get_num_threads()} threads of {os.cpu_count()} cores"
    yield Finding("devices", "cpu", State.OK, threads)
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        about = torch.cuda.get_device_properties(index)
        memory = f"{about.total_memory / _GIB:.0f} GiB"
        yield Finding("devices", f"cuda:{index}", State.OK, f"{about.name}, {memory}")
    if not torch.cuda.is_available():
        yield Finding("devices", "cuda", State.MISSING, "no CUDA device; models run on the CPU", needed=False)
    if torch.backends.mps.is_available():
        yield Finding(
            "devices", "mps", State.OK, f"{torch.mps.recommended_max_memory() / _GIB:.0f} GiB", needed=False
        )


def extras() -> Iterator[Finding]:
    """Reference packages, which only ``backend: NAME`` needs."""
    import corruptions

    for name in corruptions.backend_names():
        backend = corruptions.get_backend(name)
        if backend is None:
            continue
        try:
            version = backend.version
        except corruptions.MissingBackendError as error:
            found = str(error).removesuffix(f": {backend.install}")
            yield Finding("extras", name, State.MISSING, found, backend.install, needed=False)
            continue
        trouble = next((why for why in map(importing, backend.modules) if why is not None), None)
        if trouble is None:
            yield Finding("extras", name, State.OK, version, needed=False)
        else:
            found = f"{version} cannot be imported ({trouble})"
            yield Finding("extras", name, State.BROKEN, found, backend.install, needed=False)


def checkpoints() -> Iterator[Finding]:
    """Every checkpoint that ships: its files are there and are what they say."""
    from dmsbench.models.spec import CHECKPOINTS, checkpoint_folder

    for name in CHECKPOINTS:
        trouble = checkpoint_trouble(checkpoint_folder(name))
        state = State.OK if trouble is None else State.BROKEN
        yield Finding("checkpoints", name, state, trouble or "complete", _reinstall() if trouble else "")


def checkpoint_trouble(folder: Path) -> str | None:
    """What is wrong with a checkpoint's files, in one line; None where all are there and readable."""
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        if not (folder / name).is_file():
            return f"{folder / name} is missing"
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".json":
            try:
                json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                return f"{path} cannot be read ({error})"
        elif path.suffix == ".safetensors":
            try:
                check_safetensors(path)
            except (OSError, ValueError) as error:
                return f"{path}: {error}"
    return None


def check_safetensors(path: Path) -> int:
    """The number of tensors that a file's header names; the file is as long as the header says.

    Raises ValueError for a file that is cut, longer or no safetensors, OSError where it cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(_HEADER)
        if len(start) < _HEADER:
            raise ValueError("too short for a header")
        (length,) = struct.unpack("<Q", start)
        if length > size - _HEADER:
            raise ValueError("cut in its header, or no safetensors")
        content: Any = json.loads(file.read(length))
    if not isinstance(content, dict):
        raise ValueError("its header is no mapping")
    tensors = [entry for name, entry in content.items() if name != "__metadata__"]
    try:
        end = max((int(entry["data_offsets"][1]) for entry in tensors), default=0)
    except (KeyError, TypeError, IndexError):
        raise ValueError("its header names no offsets") from None
    if _HEADER + length + end != size:
        raise ValueError(f"has {size:,} bytes, its header says {_HEADER + length + end:,}")
    return len(tensors)


def _reinstall() -> str:
    return (
        "pip install --force-reinstall --no-deps dmsbench, or in a checkout: git checkout -- dmsbench suites"
    )


def data() -> Iterator[Finding]:
    """Data sets that ship: easy-VQA is in its package; scenes are drawn when they are asked for."""
    from dmsbench.data import easy_vqa

    mend = "pip install --force-reinstall --no-deps easy-vqa"
    try:
        count = len(easy_vqa.load("test").samples)
    except (DmsbenchError, OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        yield Finding("data", "easy_vqa", State.BROKEN, f"cannot be read ({error})", mend)
    else:
        yield Finding("data", "easy_vqa", State.OK, f"{count:,} questions to test on")


def suites() -> Iterator[Finding]:
    """Every suite that ships can be read."""
    from dmsbench.suite import builtin_suites, load_suite, suite_folder

    names = builtin_suites()
    if not names:
        yield Finding("suites", "suites", State.BROKEN, f"none in {suite_folder()}", _reinstall())
    for name in names:
        try:
            suite = load_suite(name)
        except DmsbenchError as error:
            yield Finding("suites", name, State.BROKEN, str(error), _reinstall())
        else:
            yield Finding("suites", name, State.OK, f"{len(suite.conditions)} conditions")


def hub(environment: Mapping[str, str]) -> Finding:
    """Whether checkpoints of the hub are fetched; what ships never is."""
    on = ("1", "on", "yes", "true")
    names = [n for n in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE") if environment.get(n, "").lower() in on]
    text = (
        f"offline ({', '.join(names)}): only what is on this disk"
        if names
        else "hub ids are fetched when they are named; HF_HUB_OFFLINE=1 forbids it"
    )
    return Finding("hub", "hub", State.OK, text, needed=False)


def storage(out: Remote) -> Iterator[Finding]:
    """The storage behind a URL answers; nothing is written to try."""
    try:
        found = "holds runs, or other things" if out.exists() else "answers; nothing is there yet"
    except StorageError as error:
        yield Finding("results", str(out), State.BROKEN, str(error), "dmsbench run --out FOLDER")
        return
    yield Finding("results", str(out), State.OK, found)


def place(out: Path, least: int = LEAST_FREE) -> Iterator[Finding]:
    """The results folder can be written, or made, and has room."""
    there = next(path for path in (out.absolute(), *out.absolute().parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        found = f"{there} cannot be written ({error.strerror or error})"
        yield Finding("results", str(out), State.BROKEN, found, "dmsbench run --out FOLDER")
        return
    yield Finding("results", str(out), State.OK, "can be written" if out.is_dir() else "can be made")
    free = shutil.disk_usage(there).free
    text = f"{free / _GIB:.1f} GiB free"
    if free < least:
        text += f", {least / _GIB:.1f} GiB are needed"
        yield Finding("results", "disk", State.BROKEN, text, "dmsbench run --out FOLDER on another disk")
    else:
        yield Finding("results", "disk", State.OK, text)
