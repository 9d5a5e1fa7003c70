"""Image corruptions: functions of (uint8 H x W x 3, parameter value, generator)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from corruptions.entry import Value

__all__ = ["UNSEEDED", "Kernel", "kernels"]

Kernel = Callable[[NDArray[np.uint8], Value, np.random.Generator], NDArray[np.uint8]]

UNSEEDED = frozenset(
    {
        *("gaussian_blur", "defocus_blur", "zoom_blur", "contrast", "pixelate", "jpeg_compression"),
        *("brightness", "saturate"),
    }
)
"""Those of ImageNet-C that draw nothing: no generator need be made ready for them."""


@cache
def kernels() -> dict[str, Kernel]:
    """The function of every image corruption. Imported at first use: OpenCV and Pillow load slowly."""
    from corruptions.image import (
        blur,
        codec,
        colour,
        digital,
        geometry,
        lens,
        masks,
        noise,
        occlusion,
        overlay,
        resample,
        scene,
        sensor,
        tone,
        warp,
        weather,
        zoom,
    )

    return {
        "gaussian_noise": noise.gaussian_noise,
        "shot_noise": noise.shot_noise,
        "impulse_noise": noise.impulse_noise,
        "gaussian_blur": blur.gaussian_blur,
        "defocus_blur": blur.defocus_blur,
        "motion_blur": blur.motion_blur,
        "jpeg_compression": digital.jpeg_compression,
        "contrast": digital.contrast,
        "pixelate": digital.pixelate,
        "occlusion": occlusion.occlusion,
        "speckle_noise": noise.speckle_noise,
        "glass_blur": warp.glass_blur,
        "zoom_blur": zoom.zoom_blur,
        "snow": weather.snow,
        "frost": weather.frost,
        "fog": weather.fog,
        "spatter": weather.spatter,
        "brightness": colour.brightness,
        "saturate": colour.saturate,
        "elastic_transform": warp.elastic_transform,
        **geometry.KERNELS,
        **tone.KERNELS,
        **sensor.KERNELS,
        **resample.KERNELS,
        **lens.KERNELS,
        **codec.KERNELS,
        **scene.KERNELS,
        **masks.KERNELS,
        **overlay.KERNELS,
    }
