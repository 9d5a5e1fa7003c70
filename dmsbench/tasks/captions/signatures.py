"""What stands beside a score: everything that it depends on."""

from __future__ import annotations

#: Of the scores in this package; raised where any rule changes that no other part of a signature names.
VERSION = 1


def signed(metric: str, references: int | None, **settings: str) -> str:
    """``metric|setting:value|…|refs:N|v1``; ``refs:var`` where ``references`` is None.

    Raises ValueError for fewer than one reference.
    """
    if references is not None and references < 1:
        raise ValueError(f"a score needs at least one reference, not {references}")
    parts = [f"{name}:{value}" for name, value in settings.items()]
    return "|".join([metric, *parts, f"refs:{'var' if references is None else references}", f"v{VERSION}"])
