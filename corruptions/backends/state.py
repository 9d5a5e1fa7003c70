"""Global generators, borrowed: seeded from an explicit generator for one call, then put back as they were."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np

__all__ = ["apart", "seeded"]

#: Two calls at once would draw from one another's streams.
_LOCK = threading.RLock()


@contextmanager
def seeded(rng: np.random.Generator) -> Iterator[int]:
    """Seeds `random` and `np.random` from draws of `rng`; restores both. Yields one more seed, of 32 bits.

    Other threads that use the global generators meanwhile are outside the lock's reach.
    """
    words: list[int] = rng.integers(0, 2**32, size=9, dtype=np.uint32).tolist()
    with _LOCK:
        standard, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002
        try:
            random.seed(sum(word << 32 * place for place, word in enumerate(words[:4])))
            np.random.seed(words[4:8])  # noqa: NPY002 - the package draws from nowhere else
            yield words[8]
        finally:
            np.random.set_state(legacy)  # noqa: NPY002
            random.setstate(standard)


def apart(function: Callable[[], Any]) -> Any:
    """The function's result, from a thread of its own: numba keeps one generator a thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()
