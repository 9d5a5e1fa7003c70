"""Counter-based randomness: every draw is a function of (seed, unit, corruption, severity) alone.

A unit is whatever is corrupted once: a sample's id, or the id of the image that samples share. Because
nothing is drawn from a running stream, order, batch size, worker count and subset cannot matter.
"""

from __future__ import annotations

import hashlib
import threading

import numpy as np

from corruptions.catalogue import get
from corruptions.errors import InvalidInputError

__all__ = ["borrowed_generator", "check_fields", "generator", "key", "uniform", "view_generator"]


def _digest(person: bytes, *fields: str) -> bytes:
    # Lengths before contents: ("a", "bc") and ("ab", "c") must not meet. Surrogates occur in file names.
    hashed = hashlib.blake2b(digest_size=16, person=person)
    for part in fields:
        data = part.encode("utf-8", "surrogatepass")
        hashed.update(len(data).to_bytes(8, "little"))
        hashed.update(data)
    return hashed.digest()


def _whole(value: int, what: str) -> str:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise InvalidInputError(f"{what} must be a whole number, got {value!r}; pass an int")
    return str(int(value))


def _string(value: str, what: str) -> str:
    if not isinstance(value, str):
        raise InvalidInputError(f"{what} must be a string, got {value!r}; pass str(...) of it")
    return value


def check_fields(seed: int, unit: str) -> None:
    """InvalidInputError unless these may seed a generator."""
    _whole(seed, "seed")
    _string(unit, "unit")


def key(seed: int, unit: str, corruption: str, severity: int) -> int:
    """A 128-bit key: blake2b over the four fields, each preceded by its length.

    Nested corruptions use severity 0. `seed` may be any integer, `unit` any string.
    """
    digest = _digest(
        b"corruptions",
        _whole(seed, "seed"),
        _string(unit, "unit"),
        _string(corruption, "corruption"),
        _whole(severity, "severity"),
    )
    return int.from_bytes(digest, "little")


def generator(seed: int, unit: str, corruption: str, severity: int) -> np.random.Generator:
    """A fresh generator for the four fields: Philox with `key(...)` as its key, counter 0."""
    return np.random.Generator(np.random.Philox(key=key(seed, unit, corruption, severity)))


def view_generator(seed: int, unit: str, corruption: str, severity: int) -> np.random.Generator:
    """The generator of one view: `generator(...)`, the severity left out where the corruption is nested."""
    return generator(seed, unit, corruption, 0 if get(corruption).nested else severity)


class _Spare:
    """A generator that starts again under another key: a microsecond, where making one costs ten."""

    def __init__(self) -> None:
        self.bits = np.random.Philox(key=0)
        self.generator = np.random.Generator(self.bits)
        self.key = np.zeros(2, np.uint64)
        zeros = np.zeros(4, np.uint64)
        self.start = {
            "bit_generator": "Philox",
            "state": {"counter": zeros, "key": self.key},
            "buffer": zeros,
            "buffer_pos": 4,
            "has_uint32": 0,
            "uinteger": 0,
        }

    def at(self, whole: int) -> np.random.Generator:
        """The generator at the start of this 128-bit key's stream."""
        self.key[0] = whole & 0xFFFFFFFFFFFFFFFF
        self.key[1] = whole >> 64
        self.bits.state = self.start  # type: ignore[assignment]
        return self.generator


_OF_THREAD = threading.local()


def borrowed_generator(seed: int, unit: str, corruption: str, severity: int) -> np.random.Generator:
    """The stream of `view_generator` in the thread's own generator: the next call sets it back, so it is
    for use at once and not for keeping."""
    spare: _Spare | None = getattr(_OF_THREAD, "spare", None)
    if spare is None:
        spare = _OF_THREAD.spare = _Spare()
    return spare.at(key(seed, unit, corruption, 0 if get(corruption).nested else severity))


def uniform(seed: int, unit: str, corruption: str) -> float:
    """One number in [0, 1), 53 bits, straight from the hash; apart from every generator's stream."""
    digest = _digest(
        b"uniform", _whole(seed, "seed"), _string(unit, "unit"), _string(corruption, "corruption")
    )
    return (int.from_bytes(digest[:8], "little") >> 11) * 2.0**-53
