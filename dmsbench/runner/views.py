"""A block's images and texts as a view shows them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import corruptions
from dmsbench.data.base import Sample, SampleError, load_image
from dmsbench.grid import View
from dmsbench.models.base import Image


@dataclass(frozen=True, slots=True)
class ImageView:
    """What is shown of an image: its pixels, None where it is absent, or why there is nothing to show.

    ``hash`` identifies the content (16 hex digits, "absent", or empty on an error); ``changed`` says
    whether it differs from the clean image.
    """

    pixels: Image | None
    hash: str
    changed: bool
    error: str | None = None
    #: ``data_error`` where the clean image is at fault, else ``corruption_error``.
    status: str = "ok"


@dataclass(frozen=True, slots=True)
class TextView:
    """What is asked: question and context, and whether the text evidence is there at all.

    The evidence is the context where a sample has one, else the question; ``hash`` identifies it.
    """

    question: str
    context: str | None
    present: bool
    hash: str
    changed: bool
    error: str | None = None


ABSENT_HASH = "absent"


def content_hash(content: bytes) -> str:
    """16 hex digits that identify pixels or text."""
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def pixels_hash(pixels: Image) -> str:
    """Identifies an image's pixels and shape."""
    return content_hash(repr(pixels.shape).encode() + pixels.tobytes())


def text_hash(text: str) -> str:
    """Identifies a text."""
    return content_hash(text.encode("utf-8", "surrogatepass"))


class Views:
    """Makes views for one seed; clean images of the current block are kept, views are not.

    ``image_of`` gives a group's file; ``donors`` are all images of the data set that a mismatched sample
    may be shown, so that the choice does not depend on the limit.
    """

    def __init__(
        self, seed: int, donors: tuple[str, ...], image_of: Callable[[str], Path], profile: str = "auto"
    ) -> None:
        self.seed, self.image_of = seed, image_of
        self.profile = None if profile == "auto" else profile
        self._pool = donors
        self._donors: dict[str, str] | None = None
        self._clean: dict[str, ImageView] = {}

    def forget(self) -> None:
        """Drops the images of the block that is done."""
        self._clean.clear()

    def image(self, group: str, view: View) -> ImageView:
        """The image of a group under a view."""
        clean = self._clean_image(group)
        if view.is_clean or clean.error is not None:
            return clean
        entry = corruptions.get(view.corruption)
        if entry.kind == "modality":
            return self._modality_image(group, view, clean)
        assert clean.pixels is not None  # noqa: S101  an image without error has pixels
        try:
            pixels = corruptions.image_view(
                clean.pixels, view.corruption, view.severity, seed=self.seed, unit=group, profile=self.profile
            )
        except corruptions.CorruptionError as error:
            return ImageView(None, "", True, str(error), "corruption_error")
        found = pixels_hash(pixels)
        return ImageView(pixels, found, found != clean.hash)

    def text(self, sample: Sample, view: View) -> TextView:
        """The text of a sample under a view; a question beside a context is never corrupted."""
        evidence = sample.question if sample.context is None else sample.context
        clean = text_hash(evidence)
        if view.is_clean:
            return TextView(sample.question, sample.context, True, clean, False)
        if corruptions.get(view.corruption).kind == "modality":
            hit = corruptions.is_hit(self.seed, sample.id, view.corruption, view.severity)
            found = ABSENT_HASH if hit else clean
            return TextView(sample.question, sample.context, not hit, found, hit)
        try:
            changed = corruptions.text_view(
                evidence, view.corruption, view.severity, seed=self.seed, unit=sample.id
            )
        except corruptions.CorruptionError as error:
            return TextView(sample.question, sample.context, True, "", True, str(error))
        found = text_hash(changed)
        if sample.context is None:
            return TextView(changed, None, True, found, found != clean)
        return TextView(sample.question, changed, True, found, found != clean)

    def _clean_image(self, group: str) -> ImageView:
        known = self._clean.get(group)
        if known is None:
            try:
                pixels = load_image(self.image_of(group))
                known = ImageView(pixels, pixels_hash(pixels), False)
            except SampleError as error:
                known = ImageView(None, "", False, str(error), "data_error")
            self._clean[group] = known
        return known

    def _modality_image(self, group: str, view: View, clean: ImageView) -> ImageView:
        if not corruptions.is_hit(self.seed, group, view.corruption, view.severity):
            return clean
        if view.corruption == "drop_image":
            return ImageView(None, ABSENT_HASH, True)
        if self._donors is None:
            try:
                self._donors = corruptions.derangement(self.seed, self._pool)
            except corruptions.CorruptionError as error:
                return ImageView(None, "", True, str(error), "corruption_error")
        if group not in self._donors:
            return clean  # no sample of it can be asked, so nobody sees this view
        donor = self._clean_image(self._donors[group])
        if donor.error is not None:
            return ImageView(None, "", True, f"the other sample's image: {donor.error}", "corruption_error")
        return ImageView(donor.pixels, donor.hash, donor.hash != clean.hash)
