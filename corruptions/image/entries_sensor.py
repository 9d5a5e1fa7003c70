"""Catalogue entries of what a sensor adds."""

from __future__ import annotations

from corruptions.image.describe import image_entry

__all__ = ["ENTRIES"]


ENTRIES = (
    image_entry(
        "salt_pepper",
        "noise",
        "share of the pixels hit",
        (0.01, 0.03, 0.06, 0.12, 0.22),
        "this package; after imgaug's SaltAndPepper",
        "Sets whole pixels to black or white, each with equal chance.",
        nested=True,
    ),
    image_entry(
        "sensor_noise",
        "noise",
        "variance per signal, read-out standard deviation (shares of full scale)",
        ((0.002, 0.01), (0.006, 0.02), (0.015, 0.04), (0.035, 0.06), (0.08, 0.10)),
        "Foi et al., Practical Poissonian-Gaussian Noise Modeling and Fitting for Single-Image Raw-Data, "
        "IEEE TIP 2008; severities by this package",
        "Adds noise whose variance grows with the signal, and that of the read-out.",
    ),
    image_entry(
        "colour_noise",
        "noise",
        "standard deviation before brightness is taken out (share of full scale)",
        (0.05, 0.09, 0.15, 0.23, 0.35),
        "this package; after albumentations' ISONoise",
        "Adds noise to the colours and leaves the brightness.",
    ),
    image_entry(
        "dead_pixels",
        "sensor",
        "share of the pixels stuck",
        (0.005, 0.01, 0.02, 0.04, 0.08),
        "this package",
        "Pixels stuck at black, white or a pure colour; a higher severity has those of a lower one.",
        nested=True,
    ),
    image_entry(
        "dust",
        "sensor",
        "specks (count)",
        (8.0, 16.0, 32.0, 56.0, 96.0),
        "this package; dust out of focus as attenuation, as in Gu et al., Removing Image Artifacts Due to "
        "Dirty Camera Lenses and Thin Occluders, ACM TOG 2009",
        "Soft dark specks of 1 to 4 % of the shorter side; a higher severity has those of a lower one.",
        nested=True,
    ),
)
