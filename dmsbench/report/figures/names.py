"""Names of files for anything that has a name: safe on every file system, never the same for two."""

from __future__ import annotations

import hashlib
import re

VERSUS = "-vs-"
_LONGEST = 48
_HASH = 8


def slug(name: str) -> str:
    """A part of a file name: lower-case letters, digits, ``_``, ``+`` and ``-``.

    A name that is no such part gets a short hash, so that different names stay different where letters do
    not (``A b`` and ``a-b``). A name that looks as if it had one gets one too, or it could be taken for
    another's. No part holds the word ``vs`` between dashes: ``pair`` needs it.
    """
    words = re.sub(r"[^a-z0-9_+]+", "-", name.lower()).split("-")
    found = "-".join(word for word in words if word not in ("", "vs"))[:_LONGEST].strip("-")
    if found == name and not re.search(rf"-[0-9a-f]{{{_HASH}}}$", name):
        return found
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH]
    return f"{found or 'model'}-{digest}"


def pair(a: str, b: str) -> str:
    """The part of a file name that two models have together."""
    return f"{slug(a)}{VERSUS}{slug(b)}"
