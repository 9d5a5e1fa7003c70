"""Catalogue entries of what comes between: weather, masks, writing."""

from __future__ import annotations

from corruptions.entry import Corruption, Topic, Value
from corruptions.image.describe import image_entry

__all__ = ["ENTRIES"]

_PLAIN = "Filled plainly, as published: where pictures are of plain shapes, the filling may pass for one."


def _scene(
    name: str,
    family: str,
    parameter: str,
    values: tuple[Value, ...],
    source: str,
    doc: str,
    notes: str = "",
    falsifies: tuple[Topic, ...] = (),
) -> Corruption:
    return image_entry(
        name, family, parameter, values, source, doc, nested=True, notes=notes, falsifies=falsifies
    )


ENTRIES = (
    _scene(
        "rain",
        "weather",
        "area of the streaks (share of the picture)",
        (0.04, 0.08, 0.14, 0.24, 0.40),
        "this package; after albumentations' RandomRain",
        "Bright streaks in a direction drawn once, and less light; a higher severity adds streaks.",
    ),
    _scene(
        "shadow",
        "weather",
        "brightness lost in the shadow (share)",
        (0.25, 0.40, 0.55, 0.70, 0.85),
        "this package; after albumentations' RandomShadow",
        "A soft-edged band across the picture, at a place drawn once, gets darker.",
    ),
    _scene(
        "grid_mask",
        "occlusion",
        "share of the area covered",
        (0.10, 0.20, 0.32, 0.45, 0.60),
        "Chen et al., GridMask Data Augmentation, 2020 (2001.04086): zeros; severities by this package",
        "Covers the picture with a grid of black squares, which grow.",
        _PLAIN,
    ),
    _scene(
        "cutout_centre",
        "occlusion",
        "share of the area covered",
        (0.05, 0.12, 0.22, 0.35, 0.50),
        "DeVries & Taylor, Improved Regularization of Convolutional Neural Networks with Cutout, 2017 "
        "(1708.04552): the mean colour, zero after normalisation; place and severities by this package",
        "Covers the middle of the picture with its mean colour.",
        _PLAIN,
    ),
    _scene(
        "hide_patches",
        "occlusion",
        "share of the patches hidden, of 8 x 8",
        (0.10, 0.20, 0.35, 0.50, 0.70),
        "Singh & Lee, Hide-and-Seek, ICCV 2017 (1704.04232): the mean colour; severities by this package",
        "Hides patches of a grid behind the picture's mean colour; a higher severity hides more.",
        _PLAIN,
    ),
    _scene(
        "text_overlay",
        "overlay",
        "lines of text (count)",
        (1.0, 2.0, 3.0, 5.0, 8.0),
        "this package; after the typographic attacks of Goh et al., Multimodal Neurons in Artificial Neural "
        "Networks, Distill 2021, with text that means nothing",
        "Writes lines of filler text at places drawn once; a higher severity adds lines.",
        falsifies=("text",),
    ),
    _scene(
        "watermark",
        "overlay",
        "opacity (share)",
        (0.15, 0.30, 0.45, 0.65, 0.90),
        "this package; after Dekel et al., On the Effectiveness of Visible Watermarks, CVPR 2017",
        "Writes one word over the whole picture, ever more opaque.",
        falsifies=("text",),
    ),
)
