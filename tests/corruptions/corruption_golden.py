"""What the corruptions gave when they were last looked at. Running this file renews it.

Renew only together with a higher `version` of every entry whose output changed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from corruption_inputs import QUESTIONS, digest, make_gradient, make_picture
from numpy.typing import NDArray

from corruptions import SEVERITIES, get, image_view, names, text_view

PATH = Path(__file__).with_name("corruption_golden.json")

# Whole numbers, tables and NumPy's arithmetic: the same bytes on every machine. The others go through
# filters and codecs of OpenCV or Pillow.
EXACT = (
    *("speckle_noise", "fog", "frost", "brightness", "saturate"),
    *("gaussian_noise", "shot_noise", "impulse_noise", "contrast", "occlusion"),
    *("rotate", "shear", "scale", "translate", "perspective", "flip_h", "flip_v", "grid_distortion"),
    "partial_crop",
    *("colour_jitter", "hue_shift", "grayscale", "invert", "solarise", "posterise", "gamma", "low_light"),
    *("overexposure", "salt_pepper", "sensor_noise", "colour_noise", "dead_pixels", "dust"),
    *("downsample", "chromatic_aberration", "vignette", "glare"),
    *("rain", "shadow", "grid_mask", "cutout_centre", "hide_patches", "text_overlay", "watermark"),
)


def sampled(image: NDArray[np.uint8]) -> list[int]:
    """Sixteen pixels spread over the picture, all channels."""
    rows = np.linspace(0, image.shape[0] - 1, 4).astype(int)
    columns = np.linspace(0, image.shape[1] - 1, 4).astype(int)
    values: list[int] = image[np.ix_(rows, columns)].reshape(-1).tolist()
    return values


CALIBRATED = ("calibrated64", "calibrated224")


def image_golden(name: str, image: NDArray[np.uint8], unit: str, profile: str | None = None) -> list[Any]:
    views = [
        image_view(image, name, severity, seed=2024, unit=unit, profile=profile) for severity in SEVERITIES
    ]
    if name in EXACT:
        return [digest(view) for view in views]
    return [[round(float(view.mean()), 3), sampled(view)] for view in views]


def text_golden(name: str) -> list[list[str]]:
    return [
        [text_view(text, name, severity, seed=2024, unit=f"text-{i}") for severity in SEVERITIES]
        for i, text in enumerate(QUESTIONS)
    ]


def collect() -> dict[str, Any]:
    inputs = {"picture": make_picture(), "gradient": make_gradient()}
    golden: dict[str, Any] = {}
    for name in names("image"):
        golden[name] = {"version": get(name).version}
        golden[name] |= {unit: image_golden(name, image, unit) for unit, image in inputs.items()}
        for profile in CALIBRATED:
            if profile in get(name).parameters:
                golden[name][profile] = image_golden(name, inputs["picture"], "picture", profile)
    for name in names("text"):
        golden[name] = {"version": get(name).version, "texts": text_golden(name)}
    return golden


if __name__ == "__main__":
    PATH.write_text(json.dumps(collect(), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
