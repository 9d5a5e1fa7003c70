"""A block's images and texts as a view shows them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

import corruptions
from dmsbench.corruption_settings import Applied, plain
from dmsbench.data.base import Dataset, Drawn, Sample, SampleError, load_image
from dmsbench.grid import CLEAN, View

#: Pixels, uint8 H×W×3; as of ``models.base``, which brings torch along.
Image = npt.NDArray[np.uint8]


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

#: For a row that nothing is asked of: no corruption is computed.
NOT_SHOWN = ImageView(None, "", False)


def content_hash(content: bytes) -> str:
    """16 hex digits that identify pixels or text."""
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def pixels_hash(pixels: Image) -> str:
    """Identifies an image's pixels and shape."""
    return content_hash(repr(pixels.shape).encode() + pixels.tobytes())


def text_hash(text: str) -> str:
    """Identifies a text."""
    return content_hash(text.encode("utf-8", "surrogatepass"))


def clean_image(image: Path | Drawn) -> ImageView:
    """An image as it is, or why it cannot be read."""
    try:
        pixels = load_image(image)
    except SampleError as error:
        return ImageView(None, "", False, str(error), "data_error")
    return ImageView(pixels, pixels_hash(pixels), False)


def corrupted_image(clean: ImageView, seed: int, group: str, view: View, how: Applied) -> ImageView:
    """An image under a view that needs nothing but it; one that cannot be read stays what it is."""
    if view.is_clean or clean.error is not None:
        return clean
    try:
        pixels = corruptions.image_view(
            _pixels(clean),
            view.corruption,
            view.severity,
            seed=seed,
            unit=group,
            profile=how.profile,
            backend=how.backend,
        )
    except corruptions.CorruptionError as error:
        return ImageView(None, "", True, str(error), "corruption_error")
    return _seen(pixels, clean)


def _nothing(_group: str, _view: View) -> ImageView | None:
    return None


class Views:
    """Makes views of a data set for one seed; clean images of the current block are kept, views are not.

    Whom a mismatched sample is shown comes from the whole data set, so that it does not depend on a limit.
    """

    def __init__(
        self,
        seed: int,
        dataset: Dataset,
        profile: str = "auto",
        applied: Mapping[str, Applied] | None = None,
    ) -> None:
        self.seed, self.dataset = seed, dataset
        self._plain, self._applied = plain(profile), applied or {}
        self._exchanges: dict[tuple[str, str | None], Mapping[str, str]] = {}
        self._evidence: dict[str | None, dict[str, str]] = {}
        self._clean: dict[str, ImageView] = {}
        #: Gives a view that was made elsewhere, or None; see ``ahead``.
        self.ready: Callable[[str, View], ImageView | None] = _nothing

    def forget(self) -> None:
        """Drops the images of the block that is done."""
        self._clean.clear()

    def how(self, view: View) -> Applied:
        """How the suite makes a view."""
        return self._applied.get(view.corruption, self._plain)

    @staticmethod
    def is_made_alone(view: View) -> bool:
        """Whether a view of an image needs that image and nothing else of the data."""
        return view.is_clean or corruptions.get(view.corruption).kind == "image"

    def image(self, group: str, view: View) -> ImageView:
        """The image of a group under a view."""
        if not view.is_clean:
            made = self.ready(group, view)
            if made is not None:
                return made
        clean = self._clean_image(group)
        if not self.is_made_alone(view) and clean.error is None:
            return self._modality_image(group, view, clean)
        return corrupted_image(clean, self.seed, group, view, self.how(view))

    def text(self, sample: Sample, view: View) -> TextView:
        """The text of a sample under a view; a question beside a context is never corrupted.

        An item of retrieval without a title has no text, whatever the view.
        """
        if _untitled(sample):
            return TextView(sample.question, None, False, ABSENT_HASH, False)
        clean = text_hash(sample.evidence)
        if view.is_clean:
            return TextView(sample.question, sample.context, True, clean, False)
        try:
            changed = self._corrupted_text(sample, view)
        except corruptions.CorruptionError as error:
            return TextView(sample.question, sample.context, True, "", True, str(error))
        if changed is None:
            return TextView(sample.question, sample.context, False, ABSENT_HASH, True)
        found = text_hash(changed)
        if sample.context is None:
            return TextView(changed, None, True, found, found != clean)
        return TextView(sample.question, changed, True, found, found != clean)

    def _corrupted_text(self, sample: Sample, view: View) -> str | None:
        """The evidence under a corruption, None where it is dropped."""
        name, severity = view.corruption, view.severity
        if corruptions.get(name).kind != "modality":
            how = self.how(view)
            return corruptions.text_view(
                sample.evidence,
                name,
                severity,
                seed=self.seed,
                unit=sample.id,
                protect=how.protect,
                backend=how.backend,
            )
        if not corruptions.is_hit(self.seed, sample.id, name, severity):
            return sample.evidence
        if name == "drop_text":
            return None
        if name == "mask_text":
            return corruptions.masked_text(sample.evidence)
        # Of retrieval titles are exchanged for titles and captions for captions.
        among = sample.direction
        if among not in self._evidence:
            self._evidence[among] = {
                other.id: other.evidence
                for other in self.dataset.samples
                if other.fault is None and other.direction == among and not _untitled(other)
            }
        evidence = self._evidence[among]
        if sample.id not in evidence:
            return sample.evidence
        return evidence[self._exchange(name, tuple(evidence), among)[sample.id]]

    def _exchange(
        self, corruption: str, units: tuple[str, ...], among: str | None = None
    ) -> Mapping[str, str]:
        """Who is shown whose under a mismatch, worked out once for those ``among`` whom it is done."""
        if (corruption, among) not in self._exchanges:
            self._exchanges[corruption, among] = corruptions.derangement(self.seed, units, corruption)
        return self._exchanges[corruption, among]

    def _clean_image(self, group: str) -> ImageView:
        known = self._clean.get(group)
        if known is None:
            known = self.ready(group, CLEAN) or clean_image(self.dataset.image_of(group))
            self._clean[group] = known
        return known

    def _modality_image(self, group: str, view: View, clean: ImageView) -> ImageView:
        name = view.corruption
        if not corruptions.is_hit(self.seed, group, name, view.severity):
            return clean
        if name == "drop_image":
            return ImageView(None, ABSENT_HASH, True)
        try:
            if corruptions.get(name).family == "blank":
                rng = corruptions.view_generator(self.seed, group, name, view.severity)
                return _seen(corruptions.blank_image(_pixels(clean), name, rng), clean)
            donors = self._exchange(name, self.dataset.donors)
        except corruptions.CorruptionError as error:
            return ImageView(None, "", True, str(error), "corruption_error")
        if group not in donors:
            return clean  # no sample of it can be asked, so nobody sees this view
        donor = self._clean_image(donors[group])
        if donor.error is not None:
            return ImageView(None, "", True, f"the other sample's image: {donor.error}", "corruption_error")
        return ImageView(donor.pixels, donor.hash, donor.hash != clean.hash)


def _untitled(sample: Sample) -> bool:
    return sample.direction == "image_to_text" and sample.context is None


def _pixels(view: ImageView) -> Image:
    if view.pixels is None:
        raise ValueError("an absent image has no pixels")
    return view.pixels


def _seen(pixels: Image, clean: ImageView) -> ImageView:
    found = pixels_hash(pixels)
    return ImageView(pixels, found, found != clean.hash)
