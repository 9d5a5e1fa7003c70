"""Names that become part of a path: of suites, models and parts, whoever wrote the file they stand in."""

from __future__ import annotations

import re

#: Bytes of a name in UTF-8: room for an ending below what file systems take (255).
LONGEST = 200
#: Separators of any system, what Windows forbids in names, and what a model's specification is written with.
_FORBIDDEN = frozenset('/\\:*?"<>|=,')
#: Windows takes these for devices, whatever ending they have.
_DEVICES = frozenset(["con", "prn", "aux", "nul", "conin$", "conout$"]).union(
    f"{port}{number}" for port in ("com", "lpt") for number in "0123456789¹²³"
)
_KEY = re.compile(r"[0-9a-f]{8,128}")
RULE = "use letters, digits, '.', '-' and '_'"


def why_unsafe(name: object) -> str | None:
    """Why a name cannot be that of a file or folder on every system, in words; None for one that can.

    Letters of all scripts may stand in it, and spaces within: nobody's folder is to be renamed.
    """
    if not isinstance(name, str) or not name:
        return "it is empty"
    if len(name.encode("utf-8", "surrogatepass")) > LONGEST:
        return f"it is too long (over {LONGEST} bytes)"
    if ".." in name or name.startswith("."):
        return "it begins with a dot" if name.startswith(".") else "it has '..' in it"
    if name.endswith((".", " ")) or name.startswith(" "):
        return "it begins or ends with a space, or ends with a dot"
    forbidden = next((c for c in name if c in _FORBIDDEN), None)
    if forbidden is not None:
        return f"it has '{forbidden}' in it"
    if not name.isprintable():
        return "it has a character in it that cannot be printed"
    if name.partition(".")[0].rstrip(" ").lower() in _DEVICES:
        return "it is a device on Windows"
    return None


def shown(name: object, most: int = 40) -> str:
    """A name as an error's one line can quote it: printable, and no longer than it helps."""
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(name)[: most + 1])
    return text if len(text) <= most else f"{text[:most]}…"


def is_key(text: object) -> bool:
    """Whether a text can be the key of a part: lower hex digits and nothing else."""
    return isinstance(text, str) and _KEY.fullmatch(text) is not None
