"""How image corruptions with one table for all sizes describe themselves to the catalogue."""

from __future__ import annotations

from corruptions.entry import DEFAULT_PROFILE, Corruption, Topic, Value

__all__ = ["image_entry"]


def image_entry(
    name: str,
    family: str,
    parameter: str,
    values: tuple[Value, ...],
    source: str,
    doc: str,
    *,
    nested: bool = False,
    notes: str = "",
    falsifies: tuple[Topic, ...] = (),
) -> Corruption:
    """The entry of an image corruption whose parameters do not depend on the picture's size."""
    return Corruption(
        name=name,
        kind="image",
        target="image",
        family=family,
        parameter=parameter,
        parameters={DEFAULT_PROFILE: values},
        source=source,
        doc=doc,
        nested=nested,
        notes=notes,
        falsifies=falsifies,
    )
