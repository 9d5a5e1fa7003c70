"""Augmentation keeps what the questions ask about: the shape, whole, and its colour."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmsbench.training.architecture import build_processor, build_tokenizer
from dmsbench.training.pictures import MAX_SHIFT, augmented, to_pixel_values

BACKGROUND = (250, 251, 252)


def picture(top: int, left: int, height: int, width: int, colour: tuple[int, int, int]) -> Any:
    """A two-coloured right-angled shape without any symmetry on a plain ground."""
    pixels = np.full((64, 64, 3), BACKGROUND, np.uint8)
    region = pixels[top : top + height, left : left + width]
    region[:] = colour
    region[: height // 2, width // 2 :] = BACKGROUND
    region[0, 0] = (1, 2, 3)
    return pixels


boxes = st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(4, 24), st.integers(4, 24)).filter(
    # The documented limit: a shape touches at most one corner (the two-corner case is tested below).
    lambda box: not (box[0] == 0 and box[1] == 0)
)


@settings(deadline=None, max_examples=60)
@given(boxes, st.integers(0, 999))
def test_the_shape_is_whole_wherever_it_goes(box: tuple[int, int, int, int], seed: int) -> None:
    original = picture(*box, (200, 30, 40))
    changed = augmented(original[None], np.random.default_rng(seed))[0]
    assert changed.shape == original.shape and changed.dtype == np.uint8

    def shape(pixels: Any) -> Any:
        rows, columns = np.nonzero((pixels != BACKGROUND).any(axis=2))
        return pixels[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]

    whole = shape(original)
    turned = [np.rot90(flipped, k) for flipped in (whole, whole[:, ::-1]) for k in range(4)]
    assert any(np.array_equal(shape(changed), candidate) for candidate in turned)
    before, counts = np.unique(original.reshape(-1, 3), axis=0, return_counts=True)
    after, found = np.unique(changed.reshape(-1, 3), axis=0, return_counts=True)
    np.testing.assert_array_equal(before, after)
    np.testing.assert_array_equal(counts, found)


def test_a_picture_whose_corners_are_covered_is_never_torn() -> None:
    for seed in range(40):
        rng = np.random.default_rng(seed)
        full = rng.integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
        changed = augmented(full, rng)[0]
        turned = [np.rot90(flipped, k) for flipped in (full[0], full[0][:, ::-1]) for k in range(4)]
        assert any(np.array_equal(changed, candidate) for candidate in turned)
    wide = np.full((1, 64, 64, 3), BACKGROUND, np.uint8)
    wide[0, :10] = (200, 0, 0)  # two corners are shape
    changed = augmented(wide, np.random.default_rng(0))[0]
    assert (changed == (200, 0, 0)).all(axis=2).sum() == 640


def test_all_turns_and_shifts_occur_and_the_input_is_untouched() -> None:
    original = picture(28, 28, 6, 9, (10, 200, 30))
    many = np.repeat(original[None], 300, axis=0)
    before = many.copy()
    changed = augmented(many, np.random.default_rng(0))
    np.testing.assert_array_equal(many, before)
    assert len({one.tobytes() for one in changed}) > 250
    marks = np.array([np.argwhere((one == (1, 2, 3)).all(axis=2))[0] for one in changed])
    assert np.ptp(marks[:, 0]) > 2 * MAX_SHIFT and np.ptp(marks[:, 1]) > 2 * MAX_SHIFT
    again = augmented(many, np.random.default_rng(0))
    np.testing.assert_array_equal(changed, again)


def test_training_sees_what_the_processor_makes() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    processor = build_processor(build_tokenizer(["red"])).image_processor
    expected = processor(images=list(pixels), return_tensors="pt")["pixel_values"]
    torch.testing.assert_close(to_pixel_values(pixels), expected, atol=1e-6, rtol=0)
