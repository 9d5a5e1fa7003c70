"""Catalogue entries of resampling, lens and storage."""

from __future__ import annotations

from corruptions.entry import Corruption, Value
from corruptions.image.describe import image_entry

__all__ = ["ENTRIES"]

_REDUCED = (1.5, 2.0, 3.0, 4.0, 6.0)
_DOWNSCALE = "this package; after albumentations' Downscale"


def _resampled(name: str, doc: str, values: tuple[Value, ...] = _REDUCED) -> Corruption:
    return image_entry(name, "resample", "reduction (factor per side)", values, _DOWNSCALE, doc)


ENTRIES = (
    _resampled(
        "downsample",
        "Keeps one pixel in so many, without averaging, and repeats it: aliasing.",
        (1.25, 2.0, 3.0, 4.0, 6.0),
    ),
    _resampled("upsample_nearest", "Averages down and enlarges by nearest neighbour."),
    _resampled("upsample_bilinear", "Averages down and enlarges bilinearly."),
    _resampled("upsample_bicubic", "Averages down and enlarges bicubically."),
    image_entry(
        "median_blur",
        "blur",
        "half the window (share of the shorter side)",
        (0.016, 0.032, 0.048, 0.064, 0.080),
        "this package; after albumentations' MedianBlur",
        "Takes the median of a square around every pixel, at least 3 x 3.",
        notes="Severities fall together on pictures with a shorter side under 57 pixels, and from "
        "1,977 on, where the window stops at 255 pixels.",
    ),
    image_entry(
        "lens_blur",
        "blur",
        "radius of the aperture (share of the shorter side)",
        (0.012, 0.018, 0.027, 0.040, 0.060),
        "this package; after Potmesil & Chakravarty, A Lens and Aperture Camera Model for Synthetic Image "
        "Generation, SIGGRAPH 1981",
        "Spreads light over the hexagon of an aperture with six blades.",
        notes="Severity 1 changes nothing where the shorter side is under about 40 pixels.",
    ),
    image_entry(
        "ringing",
        "lens",
        "waves kept (share of the side's pixels, of at most 128)",
        (0.50, 0.36, 0.26, 0.18, 0.12),
        "this package; after the sinc filter of Wang et al., Real-ESRGAN, ICCVW 2021 (2107.10833)",
        "Keeps the lowest waves only: overshoot and echoes along sharp borders.",
    ),
    image_entry(
        "chromatic_aberration",
        "lens",
        "magnification of red, reduction of blue (share)",
        (0.01, 0.02, 0.035, 0.055, 0.08),
        "this package; the lateral kind, undone by Kang, Automatic Removal of Chromatic Aberration from a "
        "Single Image, CVPR 2007",
        "Magnifies red and reduces blue about the middle; edge pixels repeat.",
    ),
    image_entry(
        "vignette",
        "lens",
        "brightness lost in the corners (share)",
        (0.30, 0.50, 0.68, 0.83, 0.95),
        "this package; the cosine-fourth law of natural vignetting",
        "Darkens towards the corners.",
    ),
    image_entry(
        "glare",
        "lens",
        "whiteness at the light (share)",
        (0.30, 0.45, 0.62, 0.80, 1.00),
        "this package; after albumentations' RandomSunFlare, without its discs, which pass for objects",
        "A halo about a light at a place drawn once, and a veil over the picture.",
        nested=True,
    ),
    image_entry(
        "webp_compression",
        "digital",
        "WebP quality (0-100)",
        (50.0, 30.0, 16.0, 6.0, 0.0),
        "this package; after albumentations' ImageCompression",
        "Compresses and decompresses as lossy WebP.",
    ),
    image_entry(
        "quantise",
        "digital",
        "colours in the palette (count)",
        (48.0, 24.0, 12.0, 6.0, 3.0),
        "this package; Heckbert, Color Image Quantization for Frame Buffer Display, SIGGRAPH 1982",
        "Reduces the picture to a palette found by median cut.",
        notes="No change where the picture has no more colours than the palette.",
        falsifies=("colour",),
    ),
)
