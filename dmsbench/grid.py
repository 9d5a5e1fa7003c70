"""Views and conditions: the grid that a suite spans."""

from __future__ import annotations

from dataclasses import dataclass

CLEAN_NAME = "clean"


@dataclass(frozen=True, slots=True, order=True)
class View:
    """A sample's image or text under one corruption at one severity (0 is clean)."""

    corruption: str = CLEAN_NAME
    severity: int = 0

    def __post_init__(self) -> None:
        if (self.corruption == CLEAN_NAME) != (self.severity == 0):
            raise ValueError(f"severity 0 and the name 'clean' belong together, not {self}")

    @property
    def is_clean(self) -> bool:
        return self.severity == 0

    def __str__(self) -> str:
        return CLEAN_NAME if self.is_clean else f"{self.corruption}@{self.severity}"


CLEAN = View()


@dataclass(frozen=True, slots=True, order=True)
class Condition:
    """One cell of the grid: an image view and a text view."""

    image: View = CLEAN
    text: View = CLEAN

    @property
    def is_clean(self) -> bool:
        return self.image.is_clean and self.text.is_clean

    @property
    def corruption(self) -> str:
        """What is corrupted, by name: ``clean``, ``fog``, ``ocr``, or ``fog+ocr`` where both sides are."""
        names = [view.corruption for view in (self.image, self.text) if not view.is_clean]
        return "+".join(names) or CLEAN_NAME

    @property
    def severity(self) -> int:
        """The larger of the two severities; joint cells keep both in their views."""
        return max(self.image.severity, self.text.severity)

    def __str__(self) -> str:
        views = [str(view) for view in (self.image, self.text) if not view.is_clean]
        return "+".join(views) or CLEAN_NAME
