"""Catalogue entries of the corruptions of position.

Lengths are shares of the sides, so that one table fits all sizes.
"""

from __future__ import annotations

from corruptions.entry import Corruption, Topic, Value
from corruptions.image.describe import image_entry

__all__ = ["ENTRIES"]

_AUGMENT = "this package; after Cubuk et al., AutoAugment, CVPR 2019 (1805.09501)"
_FLIP = (
    "this package; after Shorten & Khoshgoftaar, A Survey on Image Data Augmentation for Deep Learning, "
    "J. Big Data 2019"
)
_WHOLE = "A flip has no degree: all severities are the same, the whole picture flipped."


def _geometry(
    name: str,
    parameter: str,
    values: tuple[Value, ...],
    source: str,
    doc: str,
    notes: str = "",
    falsifies: tuple[Topic, ...] = (),
) -> Corruption:
    return image_entry(
        name, "geometry", parameter, values, source, doc, nested=True, notes=notes, falsifies=falsifies
    )


ENTRIES = (
    _geometry(
        "rotate",
        "angle (degrees)",
        (4.0, 8.0, 16.0, 28.0, 45.0),
        _AUGMENT,
        "Turns the picture about its middle, to a side drawn once; edge pixels repeat.",
        falsifies=("position", "count"),
    ),
    _geometry(
        "shear",
        "slope (pixels per pixel)",
        (0.05, 0.10, 0.20, 0.35, 0.55),
        _AUGMENT,
        "Slants the picture along one axis, in a direction drawn once; edge pixels repeat.",
        falsifies=("position", "count"),
    ),
    _geometry(
        "scale",
        "magnification or reduction (factor)",
        (1.1, 1.2, 1.4, 1.8, 2.5),
        "this package; after imgaug's Affine(scale)",
        "Enlarges or reduces the picture about its middle, drawn once which; edge pixels repeat.",
        falsifies=("count", "size"),
    ),
    _geometry(
        "translate",
        "distance (share of the sides)",
        (0.04, 0.08, 0.16, 0.28, 0.45),
        _AUGMENT,
        "Moves the picture by whole pixels in a direction drawn once; edge pixels repeat.",
        falsifies=("position", "count"),
    ),
    _geometry(
        "perspective",
        "largest movement of a corner (share of the sides)",
        (0.04, 0.08, 0.12, 0.16, 0.22),
        "this package; after torchvision's RandomPerspective; projection as in Heckbert, Fundamentals of "
        "Texture Mapping and Image Warping, 1989",
        "Shows the picture at an angle drawn once; edge pixels repeat.",
        falsifies=("position", "size"),
    ),
    _geometry(
        "flip_h",
        "share of the picture flipped",
        (1.0, 1.0, 1.0, 1.0, 1.0),
        _FLIP,
        "Exchanges left and right.",
        _WHOLE,
        ("position", "text"),
    ),
    _geometry(
        "flip_v",
        "share of the picture flipped",
        (1.0, 1.0, 1.0, 1.0, 1.0),
        _FLIP,
        "Exchanges top and bottom.",
        _WHOLE,
        ("position", "text"),
    ),
    _geometry(
        "grid_distortion",
        "largest movement of a knot (share of a cell, five cells a side)",
        (0.08, 0.16, 0.24, 0.34, 0.45),
        "this package; after albumentations' GridDistortion, with knots that move in both directions",
        "Moves the knots of a grid and all between them; edge pixels repeat.",
    ),
    _geometry(
        "partial_crop",
        "side of the window (share of the sides)",
        (0.90, 0.80, 0.68, 0.55, 0.40),
        "this package; after Szegedy et al., Going Deeper with Convolutions, CVPR 2015 (1409.4842)",
        "Cuts a window out and enlarges it to the whole; a higher severity's lies within a lower one's.",
        falsifies=("position", "count", "size"),
    ),
)
