"""The libraries that decide what is drawn, shown and answered."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib import metadata
from types import MappingProxyType

#: By the name under which each is installed.
NAMES = ("torch", "transformers", "tokenizers", "numpy", "opencv-python-headless", "pillow")


@functools.cache
def libraries() -> Mapping[str, str]:
    """Their versions, by name."""
    return MappingProxyType({name: metadata.version(name) for name in NAMES})
