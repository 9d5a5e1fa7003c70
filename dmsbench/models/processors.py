"""Processors of checkpoints that take videos too, without that side: it needs torchvision."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import transformers
from transformers import AutoProcessor, ProcessorMixin
from transformers.models.auto import processing_auto

_VIDEO = "video_processor"
#: What the library says where it cannot have one.
_LACKING = ("torchvision", "video processor")


def load_processor(checkpoint: str | Path, revision: str, kind: str, trusted: bool) -> Any:
    """The checkpoint's processor; where its side for videos cannot be had, without it.

    Raises what the library raises.
    """
    # Pillow's arithmetic everywhere: with torchvision installed the default would be another.
    given = {"revision": revision, "backend": "pil", "trust_remote_code": trusted}
    try:
        return AutoProcessor.from_pretrained(checkpoint, **given)
    except (ImportError, OSError, ValueError) as error:
        stock = None if trusted else _stock(checkpoint, revision, kind)
        # A checkpoint may bring no settings for videos either.
        if stock is None or not any(words in str(error).lower() for words in _LACKING):
            raise
        try:
            return without_videos(stock).from_pretrained(checkpoint, **given)
        except (TypeError, ValueError, ImportError, OSError):
            raise error from None


def without_videos(stock: type[Any]) -> type[Any]:
    """A processor class like ``stock`` that has no processor for videos; those are never shown here."""

    def attributes(_cls: type[Any]) -> list[str]:
        return [name for name in stock.get_attributes() if name != _VIDEO]

    return type(stock.__name__, (stock,), {"get_attributes": classmethod(attributes)})


def _stock(checkpoint: str | Path, revision: str, kind: str) -> type[Any] | None:
    """The class of a checkpoint's processor; None where the library has none of that name for videos."""
    found, _ = ProcessorMixin.get_processor_dict(checkpoint, revision=revision)
    name = found.get("processor_class") or cast(Any, processing_auto).PROCESSOR_MAPPING_NAMES.get(kind)
    stock: Any = getattr(transformers, str(name), None)
    return stock if isinstance(stock, type) and _VIDEO in cast(Any, stock).get_attributes() else None
