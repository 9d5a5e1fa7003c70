"""The peers that ``benchmarks.corruptions`` measures: how each is called for one of the nineteen corruptions.

Every function returns, for a picture and a severity, the calls by name of the corruption; operations that a
peer does not have, or has under another definition altogether (its snow, its fog), are left out.
"""

from __future__ import annotations

import importlib.util
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Calls = dict[str, Callable[[], Any]]

#: What the nineteen are called, in the order of imagecorruptions.
NAMES = (
    *("gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "glass_blur", "motion_blur"),
    *("zoom_blur", "snow", "frost", "fog", "brightness", "contrast", "elastic_transform", "pixelate"),
    *("jpeg_compression", "speckle_noise", "gaussian_blur", "spatter", "saturate"),
)


def ours(image: Image, severity: int) -> Calls:
    """This package, a fresh generator of the sample's own included."""
    from corruptions import image_view

    return {
        name: lambda name=name: image_view(image, name, severity, seed=1, unit="u", profile="imagenet224")
        for name in NAMES
    }


def fork(image: Image, severity: int) -> Calls:
    """imagecorruptions-imaug, the maintained fork."""
    import imagecorruptions

    return {
        name: lambda name=name: imagecorruptions.corrupt(image, corruption_name=name, severity=severity)
        for name in NAMES
    }


def original(image: Image, severity: int, folder: Path) -> Calls:
    """imagecorruptions 1.1.2 from a folder, with what has gone from its dependencies put back."""
    module = _original(folder)
    return {
        name: lambda name=name: module.corrupt(image, corruption_name=name, severity=severity)
        for name in NAMES
    }


def _original(folder: Path) -> ModuleType:
    name = "imagecorruptions_1_1_2"
    if name in sys.modules:
        return sys.modules[name]
    import scipy.ndimage
    import skimage.filters

    resources = ModuleType("pkg_resources")
    vars(resources)["resource_filename"] = lambda _module, path: str(folder / "imagecorruptions" / path)
    interpolation = ModuleType("scipy.ndimage.interpolation")
    vars(interpolation)["map_coordinates"] = scipy.ndimage.map_coordinates
    modern = skimage.filters.gaussian

    def gaussian(image: Any, sigma: float, multichannel: bool = False, **options: Any) -> Any:
        return modern(image, sigma=sigma, channel_axis=-1 if multichannel else None, **options)

    vars(np)["float_"] = np.float64
    kept = {key: sys.modules.get(key) for key in ("pkg_resources", "scipy.ndimage.interpolation")}
    sys.modules.update({"pkg_resources": resources, "scipy.ndimage.interpolation": interpolation})
    skimage.filters.gaussian = gaussian
    try:
        spec = importlib.util.spec_from_file_location(
            name,
            folder / "imagecorruptions" / "__init__.py",
            submodule_search_locations=[str(folder / "imagecorruptions")],
        )
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    finally:
        skimage.filters.gaussian = modern
        for key, value in kept.items():
            if value is None:
                del sys.modules[key]
            else:
                sys.modules[key] = value
    return module


def albumentations(image: Image, severity: int) -> Calls:
    """albumentations, with the parameters of our tables where it has the same ones."""
    warnings.filterwarnings("ignore", module="albumentations")
    import albumentations as A
    import cv2

    def value(name: str) -> Any:
        from corruptions import get

        return get(name).value(severity, "imagenet224")

    def same(number: float) -> tuple[float, float]:
        return (number, number)

    off, one = (0, 0), (1, 1)
    sigma, reach, passes = value("glass_blur")
    end, step = value("zoom_blur")
    strength, smoothness, _ = value("elastic_transform")
    height = image.shape[0]
    trail = 2 * int(value("motion_blur")[0]) + 1
    radius, smoothing = value("defocus_blur")
    transforms = {
        "gaussian_noise": A.GaussNoise(same(value("gaussian_noise")), p=1),
        "shot_noise": A.ShotNoise(same(1 / value("shot_noise")), p=1),
        "impulse_noise": A.SaltAndPepper(same(value("impulse_noise")), same(0.5), p=1),
        "defocus_blur": A.Defocus((int(radius), int(radius)), same(smoothing), p=1),
        "glass_blur": A.GlassBlur(sigma, int(reach), int(passes), mode="fast", p=1),
        "motion_blur": A.MotionBlur((trail, trail), p=1),
        "zoom_blur": A.ZoomBlur(same(end), same(step), p=1),
        "brightness": A.HueSaturationValue(off, off, same(int(255 * value("brightness"))), p=1),
        "contrast": A.ColorJitter(one, same(value("contrast")), one, off, p=1),
        "elastic_transform": A.ElasticTransform(
            alpha=max(1.0, strength * height), sigma=max(1.0, smoothness * height), p=1
        ),
        "pixelate": A.Downscale(
            same(value("pixelate")),
            interpolation_pair={"downscale": cv2.INTER_AREA, "upscale": cv2.INTER_NEAREST},
            p=1,
        ),
        "jpeg_compression": A.ImageCompression("jpeg", same(int(value("jpeg_compression"))), p=1),
        "gaussian_blur": A.GaussianBlur(0, same(value("gaussian_blur")), p=1),
        "spatter": A.Spatter(p=1),
    }
    return {name: lambda t=transform: t(image=image) for name, transform in transforms.items()}


def kornia(image: Image, severity: int) -> Calls:
    """kornia on a tensor of floats, without the conversion to one and back, which it does not need."""
    import kornia.augmentation as K
    import torch

    from corruptions import get

    torch.set_num_threads(1)

    def value(name: str) -> Any:
        return get(name).value(severity, "imagenet224")

    pixels = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float().div(255)[None]
    sigma = value("gaussian_blur")
    taps = 2 * int(4 * sigma + 0.5) + 1
    end, _ = value("motion_blur")
    share = value("impulse_noise")
    transforms = {
        "gaussian_noise": K.RandomGaussianNoise(0.0, value("gaussian_noise"), p=1),
        "impulse_noise": K.RandomSaltAndPepperNoise((share, share), (0.5, 0.5), p=1),
        "motion_blur": K.RandomMotionBlur((2 * int(end) + 1,) * 2, 45.0, 0.5, p=1),
        "elastic_transform": K.RandomElasticTransform(p=1),
        "jpeg_compression": K.RandomJPEG((value("jpeg_compression"),) * 2, p=1),
        "gaussian_blur": K.RandomGaussianBlur((taps, taps), (sigma, sigma), p=1),
    }
    return {name: lambda t=transform: t(pixels) for name, transform in transforms.items()}
