"""Data sets of the Hugging Face hub as Arrow files on this disk, fetched by the library ``datasets``.

What was fetched is noted in a file of its own beside the library's cache: which commit, which Arrow files. So
a data set that is there is opened without asking the hub, offline too, and of a configuration's splits only
the one that is asked for is fetched.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dmsbench.data.arrow_rows import digest_of
from dmsbench.data.names import one_line
from dmsbench.errors import DataError, UnknownNameError
from dmsbench.files import write_atomically

INSTALL = "pip install 'dmsbench[hub]'"
_UNREACHED = ("Couldn't reach", "Couldn't find cache", "is not cached in")
_COMMIT = re.compile(r"[0-9a-f]{40}")


class UnreachableHubError(DataError):
    """The hub cannot be asked, and what is wanted of it is not here."""


@dataclass(frozen=True, slots=True)
class Source:
    """A split of a data set: of a repository ``owner/name``, or of a folder on this disk."""

    path: str
    config: str | None
    split: str
    revision: str = "main"

    @property
    def is_folder(self) -> bool:
        """Whether it lies on this disk: a folder's path is absolute."""
        return Path(self.path).is_absolute()

    @property
    def where(self) -> str:
        """How messages name it."""
        config = f", config {self.config}" if self.config else ""
        return f"{self.path} ({self.split}{config})"


@dataclass(frozen=True, slots=True)
class Fetched:
    """The files of a split. ``commit``: what the revision was; empty of folders, or where it is not known."""

    files: tuple[str, ...]
    commit: str = ""
    licence: str = ""


def fetch(source: Source) -> Fetched:
    """The Arrow files of a split, fetched where they are not here yet.

    Raises DataError, saying what to do, without the library, for a data set, revision, configuration or split
    that does not exist or may not be read, and where the hub cannot be reached.
    """
    datasets = library()
    noted = _note_of(source)
    here = None if source.is_folder else _known(noted)
    if here is not None and (offline() or _COMMIT.fullmatch(source.revision)):
        return here
    try:
        with told(source):
            builder = _builder(source)
            commit = _commit(source, builder)
    except UnreachableHubError:
        if here is None:
            raise
        return here  # as it was when the hub was last asked; the manifest says which commit that is
    with told(source):
        if commit and not offline():
            known = _known(_note_of(source, commit))
            if known is not None:
                _write_note(noted, known)
                return known
        data = datasets.load_dataset(
            _address(source),
            source.config,
            split=source.split,
            revision=commit or None,
            data_files=_files_of_the_split(source, builder, commit),
            keep_in_memory=False,
            # The card counts all splits of the configuration, and this is one.
            verification_mode="no_checks",
        )
    arrow = tuple(entry["filename"] for entry in data.cache_files)
    found = Fetched(arrow, commit, one_line(data.info.license or ""))
    expected = (builder.info.splits or {}).get(source.split)
    if expected is not None and expected.num_examples not in (None, len(data)) and commit:
        raise DataError(
            f"{source.where}: {len(data):,} rows, and its card says {expected.num_examples:,}: fetch it "
            f"again (delete {Path(arrow[0]).parent if arrow else source.path})"
        )
    if commit:
        _write_note(noted, found)
        _write_note(_note_of(source, commit), found)
    return found


def library() -> Any:
    """The module ``datasets``; raises DataError, with the command that installs it, where it is missing."""
    try:
        import datasets
    except ImportError:
        raise DataError(
            f"data sets of the hub need the library 'datasets', which is not installed: {INSTALL}"
        ) from None
    # A progress bar belongs to whoever prints, and warnings about the cache to nobody.
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity_error()
    return datasets


def offline() -> bool:
    """Whether the environment forbids to ask the hub (HF_HUB_OFFLINE or HF_DATASETS_OFFLINE)."""
    from datasets import config

    return bool(config.HF_HUB_OFFLINE)


def cache_folder() -> Path:
    """Where notes and kept streams lie: beside the cache of ``datasets``, which HF_HOME moves."""
    from datasets import config

    return Path(config.HF_DATASETS_CACHE) / "dmsbench"


def picture_folders(source: Source) -> tuple[str, ...]:
    """Where the picture files may lie that rows name: the hub's caches, or the folder itself."""
    if source.is_folder:
        return (source.path,)
    from datasets import config
    from huggingface_hub import constants

    return (str(config.HF_DATASETS_CACHE), str(constants.HF_HUB_CACHE))


def stream(source: Source) -> tuple[Any, str]:
    """The split as an ``IterableDataset``, in its order, and the commit; raises DataError as ``fetch``."""
    with told(source):
        builder = _builder(source)
        return builder.as_streaming_dataset(split=source.split), _commit(source, builder)


def _builder(source: Source) -> Any:
    datasets = library()
    builder = datasets.load_dataset_builder(
        _address(source), source.config, revision=None if source.is_folder else source.revision
    )
    splits = list(builder.config.data_files or builder.info.splits or ())
    if splits and source.split not in splits:
        raise DataError(f"{source.path}: {UnknownNameError('split', source.split, splits)}")
    return builder


def _address(source: Source) -> str:
    # A folder of the same name below the working folder is not meant.
    return source.path if source.is_folder else f"hf://datasets/{source.path}"


def _commit(source: Source, builder: Any) -> str:
    """The commit that was found, empty where that cannot be told; raises DataError where it is another."""
    if source.is_folder:
        return ""
    found = re.search(r"@([0-9a-f]{40})", str(builder.base_path or ""))
    commit = found[1] if found else str(builder.hash or "")
    commit = commit if _COMMIT.fullmatch(commit) else ""
    if _COMMIT.fullmatch(source.revision) and commit != source.revision:
        raise DataError(
            f"{source.where}: the hub cannot be asked, and here lies another revision than "
            f"{source.revision}: go online once"
        )
    return commit


def _files_of_the_split(source: Source, builder: Any, commit: str) -> dict[str, list[str]] | None:
    """The split's own files, relative to the repository; None: all of the configuration have to be taken."""
    files = [str(file) for file in (builder.config.data_files or {}).get(source.split, ())]
    begin = f"hf://datasets/{source.path}@{commit}/"
    if source.is_folder or not commit or not files or not all(file.startswith(begin) for file in files):
        return None
    return {source.split: [file.removeprefix(begin) for file in files]}


@contextlib.contextmanager
def told(source: Source) -> Iterator[None]:
    """Turns what the library raises into one line that says what to do."""
    import pyarrow as pa

    try:
        yield
    except DataError:
        raise
    except (OSError, ValueError, RuntimeError, LookupError, pa.ArrowException) as error:
        unreached = offline() or isinstance(error, ConnectionError) or any(map(str(error).count, _UNREACHED))
        if unreached and not source.is_folder:
            switched = " (HF_HUB_OFFLINE or HF_DATASETS_OFFLINE is set)" if offline() else ""
            raise UnreachableHubError(
                f"{source.where}: the hub cannot be asked{switched}, and it is not in the cache: run once "
                "online with the same HF_HOME, or name a copy on this disk by dataset.path"
            ) from None
        raise DataError(f"{source.where}: {_why(source, error)}") from None
    except library().exceptions.DatasetsError as error:
        raise DataError(f"{source.where}: {_why(source, error)}") from None


def _why(source: Source, error: BaseException) -> str:
    said = one_line(str(error.__cause__ or error))
    if "gated" in str(error):
        return f"its owners want to be asked first: accept its terms at {_page(source)}, then hf auth login"
    if "scripts are no longer supported" in str(error):
        return "it is a Python script, which is never run; use a mirror of it in Parquet"
    config = re.search(r"BuilderConfig '?(\S+?)'? not found\. Available: \[(.*)\]", str(error))
    if config:
        return str(UnknownNameError("config", str(source.config), re.findall(r"'([^']+)'", config[2])))
    if "Config name is missing" in str(error):
        several = re.search(r"available configs: \[(.*?)\]", str(error))
        names = ", ".join(re.findall(r"'([^']+)'", several[1])) if several else said
        return f"it has several configurations: name one by dataset.config: {one_line(names)}"
    if "Revision" in str(error) and "doesn't exist" in str(error):
        return f"no revision '{source.revision}': see {_page(source)}"
    if "doesn't exist on the Hub" in str(error):
        return "no such data set on the hub, or a private one: check the name, or run hf auth login"
    return said or type(error).__name__


def _page(source: Source) -> str:
    return f"huggingface.co/datasets/{source.path}"


def _note_of(source: Source, commit: str = "") -> Path:
    """Where it is noted what a revision of a split was."""
    named = digest_of(source.path, source.config, source.split, commit or source.revision)
    return cache_folder() / f"{named}.json"


def _known(note: Path) -> Fetched | None:
    """What is noted, where all its files are still there."""
    try:
        held = json.loads(note.read_text(encoding="utf-8"))
        found = Fetched(tuple(map(str, held["files"])), str(held["commit"]), str(held["licence"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if found.files and all(Path(file).is_file() for file in found.files) else None


def _write_note(note: Path, found: Fetched) -> None:
    write_atomically(note, json.dumps(asdict(found), indent=1).encode())
