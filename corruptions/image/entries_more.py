"""Catalogue entries of the rest of ImageNet-C's nineteen corruptions.

Where a published table does not grow with the severity, it stays as it is, so that results can be
compared, and the entry's notes say so; `corruptions.flags` finds it from measured distances.
"""

from __future__ import annotations

from corruptions.image.entries import published

__all__ = ["ENTRIES"]

_BRIGHTNESS = (0.1, 0.2, 0.3, 0.4, 0.5)

ENTRIES = (
    published(
        "speckle_noise",
        "noise",
        "standard deviation (share of the channel value)",
        (0.15, 0.2, 0.35, 0.45, 0.6),
        (0.15, 0.2, 0.25, 0.3, 0.35),
        "Adds normal noise in proportion to every channel value.",
        version=2,
    ),
    published(
        "glass_blur",
        "blur",
        "blur standard deviation (pixels), reach of the copies (pixels), passes (count)",
        ((0.7, 1.0, 2.0), (0.9, 2.0, 1.0), (1.0, 2.0, 3.0), (1.1, 3.0, 2.0), (1.5, 4.0, 2.0)),
        ((0.1, 1.0, 1.0), (0.5, 1.0, 1.0), (0.6, 1.0, 2.0), (0.7, 2.0, 1.0), (0.9, 2.0, 2.0)),
        "Blurs, copies pixels from near by as frosted glass does, and blurs again.",
        "By SSIM the published table for large pictures is not monotone from 3 to 4, the one for small ones "
        "from 1 to 2.",
    ),
    published(
        "zoom_blur",
        "blur",
        "end and step of the enlargement factors, which start at 1",
        ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
        ((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
        "Averages the picture with enlargements of its middle.",
        "The published table for large pictures is not monotone from 2 to 3, where the step doubles.",
        version=2,
    ),
    published(
        "snow",
        "weather",
        "mean and deviation of the noise, flake size (pixels), least flake, smear radius and deviation "
        "(pixels), share of the picture not whitened",
        (
            (0.1, 0.3, 3.0, 0.5, 10.0, 4.0, 0.8),
            (0.2, 0.3, 2.0, 0.5, 12.0, 4.0, 0.7),
            (0.55, 0.3, 4.0, 0.9, 12.0, 8.0, 0.7),
            (0.55, 0.3, 4.5, 0.85, 12.0, 8.0, 0.65),
            (0.55, 0.3, 2.5, 0.85, 12.0, 12.0, 0.55),
        ),
        (
            (0.1, 0.2, 1.0, 0.6, 8.0, 3.0, 0.8),
            (0.1, 0.2, 1.0, 0.5, 10.0, 4.0, 0.8),
            (0.15, 0.3, 1.75, 0.55, 10.0, 4.0, 0.7),
            (0.25, 0.3, 2.25, 0.6, 12.0, 6.0, 0.65),
            (0.3, 0.3, 1.25, 0.65, 14.0, 12.0, 0.6),
        ),
        "Whitens the picture and lets streaks of snow fall over it.",
        "The published table for large pictures is not monotone from 2 to 3.",
    ),
    published(
        "frost",
        "weather",
        "share of the picture, share of the ice",
        ((1.0, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
        ((1.0, 0.3), (0.9, 0.4), (0.8, 0.45), (0.75, 0.5), (0.7, 0.55)),
        "Lays ice over the darkened picture; the ice is drawn by this package, not photographed.",
        "The published table for large pictures is not monotone from 3 to 4 with the ice of ImageNet-C and "
        "hardly grows with ours; more ice on a darker picture can leave the mean difference smaller than at "
        "a lower severity.",
    ),
    published(
        "fog",
        "weather",
        "thickness (share of full scale), decay of the cloud's roughness per octave",
        ((1.5, 2.0), (2.0, 2.0), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4)),
        ((0.4, 3.0), (0.7, 3.0), (1.0, 2.5), (1.5, 2.0), (2.0, 1.75)),
        "Adds a fractal cloud and scales back to the picture's own maximum.",
        "In the published table for large pictures thickness does not grow from 3 to 4, only roughness does.",
    ),
    published(
        "spatter",
        "weather",
        "mean and deviation of the noise, smoothing (pixels), least value that is wet, strength of water or "
        "softness of mud (pixels), 0 for water or 1 for mud",
        (
            (0.65, 0.3, 4.0, 0.69, 0.6, 0.0),
            (0.65, 0.3, 3.0, 0.68, 0.6, 0.0),
            (0.65, 0.3, 2.0, 0.68, 0.5, 0.0),
            (0.65, 0.3, 1.0, 0.65, 1.5, 1.0),
            (0.67, 0.4, 1.0, 0.65, 1.5, 1.0),
        ),
        (
            (0.62, 0.1, 0.7, 0.7, 0.6, 0.0),
            (0.65, 0.1, 0.8, 0.7, 0.6, 0.0),
            (0.65, 0.3, 1.0, 0.69, 0.6, 0.0),
            (0.65, 0.1, 0.7, 0.68, 0.6, 1.0),
            (0.65, 0.1, 0.5, 0.67, 0.6, 1.0),
        ),
        "Splashes water (severities 1 to 3) or mud (4 and 5) on the lens.",
        "The published tables go from water to mud at severity 4 and are not monotone from 3 to 4.",
    ),
    published(
        "brightness",
        "colour",
        "gain of the largest channel (share of full scale)",
        _BRIGHTNESS,
        _BRIGHTNESS,
        "Brightens, keeping hue and saturation.",
    ),
    published(
        "saturate",
        "colour",
        "factor and offset of the saturation",
        ((0.3, 0.0), (0.1, 0.0), (2.0, 0.0), (5.0, 0.1), (20.0, 0.2)),
        ((0.3, 0.0), (0.1, 0.0), (2.0, 0.0), (5.0, 0.1), (30.0, 0.2)),
        "Fades colours (severities 1 and 2) or deepens them (3 to 5).",
        "The published tables change direction at severity 3 and are not monotone there.",
    ),
    published(
        "elastic_transform",
        "digital",
        "strength, smoothness and slant (shares of the side)",
        (
            (0.0625, 0.01, 0.0),
            (0.08125, 0.01, 0.0),
            (0.10625, 0.01, 0.0),
            (0.125, 0.01, 0.0),
            (0.15, 0.01, 0.0),
        ),
        ((0.0, 0.0, 0.08), (0.05, 0.3, 0.06), (0.1, 0.08, 0.06), (0.1, 0.03, 0.03), (0.16, 0.03, 0.02)),
        "Moves every pixel by a smooth random field, in small pictures after a random affine map.",
        "The published table for small pictures goes from large slants to fine waves and is not monotone.",
    ),
)
