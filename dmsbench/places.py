"""Where runs lie: a folder of this machine, or a URL that fsspec knows (``s3://bucket/results``).

A local folder is a plain ``Path`` and never goes through fsspec. Of a URL nothing is asked for but what every
object store does: an object is put whole, read whole, and found by its key.
"""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, Union

from dmsbench.errors import DmsbenchError, StorageError, UnknownNameError

_URL = re.compile(r"(?P<protocol>[A-Za-z][A-Za-z0-9+.-]+)://(?P<rest>.*)", re.DOTALL)
_CHAINED = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+::.*://")
_PASSWORD = re.compile(r"(?<=://)([^/@:]*):[^/@]*@")
#: Protocols of fsspec that mean this machine's own folders.
_LOCAL = ("file", "local")
INSTALL = "pip install 'dmsbench[storage]'"
#: Characters of a reason that storage gives: some send whole pages.
_LONGEST_REASON = 300


@dataclass(frozen=True)
class Remote:
    """A place on storage behind a URL, with as much of ``Path`` as runs need.

    Every method raises StorageError, one line that names the place, for what the storage refuses; what is
    not there is told from what cannot be read.
    """

    url: str
    """Without a password: as it is shown and compared."""
    _at: Any = field(repr=False, compare=False)

    @classmethod
    def open(cls, text: str) -> Remote:
        """The place of a URL; raises DmsbenchError where nothing here speaks its protocol."""
        shown, protocol = without_password(text), text.partition("://")[0].lower()
        try:
            from upath import UPath
        except ImportError:
            raise DmsbenchError(f"{shown}: storage by URL needs universal_pathlib: {INSTALL}") from None
        from fsspec import available_protocols

        if protocol not in available_protocols():
            raise UnknownNameError("storage protocol", protocol, available_protocols())
        try:
            with warnings.catch_warnings():
                # Said of protocols whose paths have no class of their own; plain ones do.
                warnings.simplefilter("ignore", UserWarning)
                at = UPath(protocol + text[len(protocol) :])
                at.fs  # noqa: B018 - made here, where what is missing is told
        except ImportError as error:
            raise DmsbenchError(f"{shown}: {_missing(protocol, error)}") from None
        except Exception as error:
            raise StorageError(f"{shown}: cannot be reached ({_reason(error)})") from error
        return cls(without_password(str(at)).rstrip("/"), at)

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, key: str) -> Remote:
        return self._with(self._at / key)

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.url.rpartition("/")[2]

    @property
    def parent(self) -> Remote:
        """What the key is in."""
        return self._with(self._at.parent)

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of the URL, its protocol first."""
        protocol, _, rest = self.url.partition("://")
        return (f"{protocol}://", *rest.strip("/").split("/"))

    @property
    def spelt(self) -> str:
        """The URL with its password, to be opened again."""
        return str(self._at)

    @property
    def in_one_process(self) -> bool:
        """Whether no other process sees what is written here."""
        return self.url.startswith("memory://")

    def resolve(self) -> Remote:
        """Itself: keys have neither links nor a working directory."""
        return self

    def exists(self) -> bool:
        """Whether there is an object or a folder."""
        return self._info() is not None

    def is_file(self) -> bool:
        """Whether there is an object of this very key."""
        found = self._info()
        return found is not None and found.get("type") == "file"

    def is_dir(self) -> bool:
        """Whether objects lie below."""
        found = self._info()
        return found is not None and found.get("type") == "directory"

    def read_bytes(self) -> bytes:
        """The whole object; raises FileNotFoundError where there is none."""
        with self._told("read"):
            content: bytes = self._at.fs.cat_file(self._at.path)
        return content

    def write_bytes(self, content: bytes) -> None:
        """Puts the whole object: one request, or an upload that counts once it is complete."""
        fs, path = self._at.fs, self._at.path
        with self._told("written", absent=False):
            try:
                fs.pipe_file(path, content)
            except FileNotFoundError:
                # Some storage has real folders. A bucket that is not there is a slip, and is not made.
                root = "/" if path.startswith("/") else ""
                if not fs.exists(root + path.strip("/").split("/")[0]):
                    raise
                fs.makedirs(path.rpartition("/")[0], exist_ok=True)
                fs.pipe_file(path, content)

    def folders(self) -> list[Remote]:
        """The folders right below, by name; none where nothing is."""
        fs, path = self._at.fs, self._at.path
        fs.invalidate_cache()
        try:
            with self._told("listed"):
                found = fs.ls(path, detail=True)
        except FileNotFoundError:
            return []
        names = {entry["name"].rstrip("/") for entry in found if entry["type"] == "directory"}
        return [self / name.rpartition("/")[2] for name in sorted(names)]

    def changed_at(self) -> float:
        """When it was written, in seconds since 1970; 0 where the storage does not say."""
        with self._told("read"), contextlib.suppress(AttributeError, TypeError):
            return float(self._at.stat().st_mtime)
        return 0.0

    def remove_all(self) -> None:
        """Removes all objects below."""
        fs, path = self._at.fs, self._at.path
        fs.invalidate_cache()
        with contextlib.suppress(FileNotFoundError), self._told("deleted"):
            fs.rm(path, recursive=True)

    def _with(self, at: Any) -> Remote:
        return Remote(without_password(str(at)).rstrip("/"), at)

    def _info(self) -> dict[str, Any] | None:
        # Listings that were kept do not know what others have written since.
        self._at.fs.invalidate_cache()
        try:
            with self._told("read"):
                found: dict[str, Any] = self._at.fs.info(self._at.path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return found

    @contextlib.contextmanager
    def _told(self, done: str, *, absent: bool = True) -> Iterator[None]:
        """Makes one line of whatever the storage raises: each has errors of its own kind.

        ``absent``: what is not there is passed on as FileNotFoundError.
        """
        try:
            yield
        except (FileNotFoundError, NotADirectoryError) as error:
            if absent:
                raise
            raise StorageError(f"{self.url}: cannot be {done} ({_reason(error)})") from error
        except Exception as error:
            raise StorageError(f"{self.url}: cannot be {done} ({_reason(error)})") from error


#: A place here or there.
Place: TypeAlias = Union[Path, Remote]  # noqa: UP007 - evaluated where options are declared


def is_url(text: str) -> bool:
    """Whether a text names a place by a URL."""
    return _URL.match(text) is not None or _CHAINED.match(text) is not None


def place(text: str) -> Place:
    """The place that a text names: a path, or a URL; ``file://`` is a path too.

    Raises DmsbenchError for a URL of a protocol that nothing here speaks.
    """
    if _CHAINED.match(text):
        raise DmsbenchError(f"'{without_password(text)}': give a URL of one protocol, without '::'")
    found = _URL.match(text)
    if found is None:
        return Path(text)
    if found["protocol"].lower() in _LOCAL:
        return Path(found["rest"])
    if not found["rest"].strip("/"):
        raise DmsbenchError(f"'{text}': names no bucket or folder; give one, as in s3://bucket/results")
    return Remote.open(text)


def spelt(where: Place | str) -> str:
    """The text that ``place`` makes this place of, with a password where there is one: not to be shown."""
    return where.spelt if isinstance(where, Remote) else str(where)


def changed_at(where: Place) -> float:
    """When a file was written, in seconds since 1970."""
    return where.changed_at() if isinstance(where, Remote) else where.stat().st_mtime


def split_model(text: str) -> tuple[str, str | None]:
    """``PLACE:MODEL`` as its two halves; the colons of a URL's protocol and port part nothing."""
    head, colon, model = text.rpartition(":")
    if not colon or (is_url(text) and "/" in model):
        return text, None
    return head, model


def without_password(text: str) -> str:
    """A text as it may be shown: of a URL's name and password the name."""
    return _PASSWORD.sub(r"\1:***@", text)


def _reason(error: Exception) -> str:
    """What an error says, on one line, not the path that is named beside it anyway."""
    said = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    line = " ".join(without_password(said).split())
    return line if len(line) <= _LONGEST_REASON else f"{line[:_LONGEST_REASON]}…"


def _missing(protocol: str, error: ImportError) -> str:
    """Which package speaks a protocol, and how it is had."""
    from fsspec.registry import known_implementations

    package = known_implementations.get(protocol, {}).get("class", "").partition(".")[0]
    install = f": pip install {package}" if package not in ("", "fsspec") else ""
    return f"a package for '{protocol}' is missing ({_reason(error)}){install}"
