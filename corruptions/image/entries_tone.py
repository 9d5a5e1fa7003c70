"""Catalogue entries of the corruptions of tone and colour."""

from __future__ import annotations

from corruptions.entry import Corruption, Topic, Value
from corruptions.image.describe import image_entry

__all__ = ["ENTRIES"]

_AUGMENT = "Cubuk et al., AutoAugment, CVPR 2019 (1805.09501); severities by this package"


def _tone(
    name: str,
    parameter: str,
    values: tuple[Value, ...],
    source: str,
    doc: str,
    *,
    nested: bool = False,
    notes: str = "",
    falsifies: tuple[Topic, ...] = ("colour",),
) -> Corruption:
    return image_entry(
        name, "colour", parameter, values, source, doc, nested=nested, notes=notes, falsifies=falsifies
    )


ENTRIES = (
    _tone(
        "colour_jitter",
        "largest change of brightness, contrast, saturation and hue (share; 1 of hue is 90 degrees)",
        (0.10, 0.20, 0.30, 0.42, 0.55),
        "this package; after Chen et al., SimCLR, ICML 2020 (2002.05709)",
        "Changes brightness, contrast, saturation and hue, each in a direction drawn once.",
        nested=True,
    ),
    _tone(
        "hue_shift",
        "rotation (degrees)",
        (15.0, 30.0, 55.0, 85.0, 120.0),
        "this package; W3C Filter Effects, hueRotate",
        "Turns all hues, in a direction drawn once; grey stays grey.",
        nested=True,
    ),
    _tone(
        "grayscale",
        "colour taken away (share)",
        (0.2, 0.4, 0.6, 0.8, 1.0),
        "this package; brightness by ITU-R BT.601",
        "Mixes with the grey picture; the highest severity has no colour left.",
    ),
    _tone(
        "invert",
        "mixture with the negative (share)",
        (0.2, 0.4, 0.6, 0.8, 1.0),
        _AUGMENT,
        "Mixes with the negative; the highest severity is the negative.",
        notes="Distance from clean grows, but contrast is least at severities 2 and 3, a fifth of the "
        "clean one's; the full negative has all of it.",
    ),
    _tone(
        "solarise",
        "threshold (grey level)",
        (208.0, 152.0, 128.0, 96.0, 48.0),
        _AUGMENT,
        "Inverts the channel values from a threshold on.",
        notes="No change where every channel value is under the threshold.",
    ),
    _tone(
        "posterise",
        "bits kept per channel (count)",
        (5.0, 4.0, 3.0, 2.0, 1.0),
        _AUGMENT,
        "Keeps the highest bits of every channel value: bands instead of slopes.",
    ),
    _tone(
        "gamma",
        "exponent or its inverse",
        (1.25, 1.55, 2.0, 2.7, 4.0),
        "this package; after albumentations' RandomGamma",
        "Bends the tone curve, darker or lighter, drawn once.",
        nested=True,
    ),
    _tone(
        "low_light",
        "light left (share, linear)",
        (0.50, 0.28, 0.14, 0.06, 0.02),
        "this package; after the simulation of Lv et al., Attention Guided Low-light Image Enhancement with "
        "a Large Scale Low-light Simulation Dataset, IJCV 2021 (1908.00682)",
        "Takes light away and keeps the camera's noise.",
        falsifies=(),
    ),
    _tone(
        "overexposure",
        "additional light (stops)",
        (0.5, 1.0, 1.6, 2.3, 3.2),
        "this package",
        "Multiplies the light; what is over full scale is white.",
    ),
)
