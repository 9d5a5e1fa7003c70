"""Catalogue entries of the image corruptions.

The numbers are the published severity tables. Pixel units make a severity depend on the size of the
picture, so there are two profiles: `imagenet224` (ImageNet-C) and `tiny64` (Tiny-ImageNet-C). Beside them
stands the profile `calibrated`, of tables whose distances from clean grow evenly.
"""

from __future__ import annotations

from corruptions.entry import DEFAULT_PROFILE, Corruption, Value
from corruptions.image.calibrated import LARGE, SMALL
from corruptions.image.profiles import CALIBRATED64, CALIBRATED224, IMAGENET224, TINY64

__all__ = ["ENTRIES", "published"]

_IMAGENET_C = (
    "Hendrycks & Dietterich, Benchmarking Neural Network Robustness to Common Corruptions and "
    "Perturbations, ICLR 2019 (arXiv 1903.12261): ImageNet-C and Tiny-ImageNet-C tables"
)


def published(
    name: str,
    family: str,
    parameter: str,
    large: tuple[Value, ...],
    small: tuple[Value, ...],
    doc: str,
    notes: str = "",
    *,
    version: int = 1,
) -> Corruption:
    """An entry of ImageNet-C, with its tables for large and for small pictures and the calibrated ones."""
    return Corruption(
        name=name,
        kind="image",
        target="image",
        family=family,
        parameter=parameter,
        parameters={
            IMAGENET224: large,
            TINY64: small,
            CALIBRATED224: LARGE[name],
            CALIBRATED64: SMALL[name],
        },
        source=_IMAGENET_C,
        doc=doc,
        version=version,
        notes=notes,
    )


_CONTRAST = (0.4, 0.3, 0.2, 0.1, 0.05)

ENTRIES = (
    published(
        "gaussian_noise",
        "noise",
        "standard deviation (share of full scale)",
        (0.08, 0.12, 0.18, 0.26, 0.38),
        (0.04, 0.08, 0.12, 0.15, 0.18),
        "Adds independent normal noise to every channel value.",
        version=2,
    ),
    published(
        "shot_noise",
        "noise",
        "photons at full scale (count)",
        (60.0, 25.0, 12.0, 5.0, 3.0),
        (250.0, 100.0, 50.0, 30.0, 15.0),
        "Replaces every channel value by a Poisson count of photons.",
    ),
    published(
        "impulse_noise",
        "noise",
        "share of channel values hit",
        (0.03, 0.06, 0.09, 0.17, 0.27),
        (0.01, 0.02, 0.05, 0.08, 0.14),
        "Sets channel values to 0 or 255, each with equal chance.",
        version=2,
    ),
    published(
        "gaussian_blur",
        "blur",
        "standard deviation (pixels)",
        (1.0, 2.0, 3.0, 4.0, 6.0),
        (0.5, 0.75, 1.0, 1.25, 1.5),
        "Convolves with a normal density.",
    ),
    published(
        "defocus_blur",
        "blur",
        "disk radius, edge smoothing (pixels)",
        ((3.0, 0.1), (4.0, 0.5), (6.0, 0.5), (8.0, 0.5), (10.0, 0.5)),
        ((0.5, 0.6), (1.0, 0.1), (1.5, 0.1), (2.5, 0.01), (3.0, 0.1)),
        "Convolves with the disk of a lens out of focus.",
        version=2,
    ),
    published(
        "motion_blur",
        "blur",
        "trail radius, trail standard deviation (pixels)",
        ((10.0, 3.0), (15.0, 5.0), (15.0, 8.0), (15.0, 12.0), (20.0, 15.0)),
        ((10.0, 1.0), (10.0, 1.5), (10.0, 2.0), (10.0, 2.5), (12.0, 3.0)),
        "Smears along one direction drawn between -45 and 45 degrees, as imagecorruptions does.",
    ),
    published(
        "jpeg_compression",
        "digital",
        "JPEG quality (0-100)",
        (25.0, 18.0, 15.0, 10.0, 7.0),
        (65.0, 58.0, 50.0, 40.0, 25.0),
        "Compresses and decompresses as JPEG with 4:2:0 chroma.",
    ),
    published(
        "contrast",
        "digital",
        "remaining contrast (share)",
        _CONTRAST,
        _CONTRAST,
        "Pulls every channel value towards the channel's mean.",
    ),
    published(
        "pixelate",
        "digital",
        "side of the reduced picture (share)",
        (0.6, 0.5, 0.4, 0.3, 0.25),
        (0.9, 0.8, 0.7, 0.6, 0.5),
        "Averages down to a smaller picture and enlarges it by nearest neighbour.",
    ),
    Corruption(
        name="occlusion",
        kind="image",
        target="image",
        family="occlusion",
        parameter="share of the area covered",
        parameters={DEFAULT_PROFILE: (0.10, 0.20, 0.35, 0.50, 0.65)},
        source="this package; after Zhong et al., Random Erasing, AAAI 2020 (1708.04896)",
        doc="Covers the picture with rectangles of random pixels at random places.",
        nested=True,
    ),
)
