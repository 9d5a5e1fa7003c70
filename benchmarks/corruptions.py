"""Milliseconds per picture of ImageNet-C's nineteen corruptions: ours and the peers', side by side.

    pip install --no-deps imagecorruptions-imaug==1.1.5 && pip install scikit-image numba
    pip install albumentations kornia
    pip install --no-deps --target old imagecorruptions==1.1.2
    python -m benchmarks.corruptions [--old old] [--severity 3] [--repeats 9] [--size 640x480] [--json FILE]

One process, one thread, one picture, processor time. In every repeat each arm is called in turn, so that a
busy machine is busy for all of them; the figure is the median. Ours makes a sample's own generator ready in
every call. Peers that are not installed are named and left out. 1.1.2 does not run with today's packages:
what has gone from them is put back (corruption_peers.py), its arithmetic stays. Below the table stand the
ratios that we hold ourselves to.
"""

from __future__ import annotations

import os
from pathlib import Path

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_variable] = "1"
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import argparse  # noqa: E402
import importlib.util  # noqa: E402
import json  # noqa: E402
import time  # noqa: E402
import warnings  # noqa: E402
from collections.abc import Callable  # noqa: E402
from functools import partial  # noqa: E402
from typing import Any  # noqa: E402

import cv2  # noqa: E402
import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from benchmarks import corruption_peers as peers  # noqa: E402

#: A sample is timed for at least so long, in seconds: shorter calls are repeated within it.
LEAST = 0.004

#: Ratio to the fork at 640 x 480 that each has to reach; every other one has to reach 1 at every size.
BARS = {
    "glass_blur": 3.0,
    "zoom_blur": 25.0,
    "brightness": 30.0,
    "saturate": 30.0,
    "elastic_transform": 6.0,
    "shot_noise": 5.0,
}
GEOMETRIC_MEAN = 3.5
GLASS_TO_ORIGINAL = 150.0
SLOWER_THAN_A_PEER = 2.0

Timings = dict[str, dict[str, float]]


def picture(width: int, height: int) -> NDArray[np.uint8]:
    """A scene with slopes, edges and texture."""
    rng = np.random.default_rng(0)
    coarse = rng.random((9, 12, 3)).astype(np.float32)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) * 200
    for _ in range(12):
        x, y = int(rng.integers(width)), int(rng.integers(height))
        shade = tuple(float(c) for c in rng.integers(0, 256, 3))
        cv2.circle(smooth, (x, y), max(2, min(width, height) // 8), shade, -1)
    return np.clip(smooth + rng.normal(0, 6, smooth.shape), 0, 255).astype(np.uint8)


def measured(
    arms: dict[str, Callable[[], Any]], repeats: int, clock: Callable[[], float] = time.thread_time
) -> dict[str, float]:
    """Median seconds per call of every arm, taken in turn: the thread's own unless told otherwise."""
    loops = {}
    for name, call in arms.items():
        call()
        began = clock()
        call()
        loops[name] = max(1, int(LEAST / max(clock() - began, 1e-7)))
    samples: dict[str, list[float]] = {name: [] for name in arms}
    for turn in range(repeats):
        for name, call in arms.items():
            if turn >= 3 and samples[name][0] > 1:
                continue  # seconds a call: three will do
            began = clock()
            for _ in range(loops[name]):
                call()
            samples[name].append((clock() - began) / loops[name])
    return {name: float(np.median(times)) for name, times in samples.items()}


def available(old: Path | None) -> dict[str, Callable[..., Any]]:
    """The peers that are installed, by name."""
    found: dict[str, Callable[..., Any]] = {"ours": peers.ours}
    if old is not None:
        found["1.1.2"] = lambda image, severity: peers.original(image, severity, old)
    for name, package, make in (
        ("fork", "imagecorruptions", peers.fork),
        ("albumentations", "albumentations", peers.albumentations),
        ("kornia", "kornia", peers.kornia),
    ):
        if importlib.util.find_spec(package) is None:
            print(f"{name}: {package} is not installed, left out")
        else:
            found[name] = make
    return found


def table(size: str, timings: Timings, peers: list[str]) -> None:
    """Prints the milliseconds, and how many times ours each peer takes."""
    others = [peer for peer in peers if peer != "ours"]
    print(f"\n{size}, milliseconds per picture (times ours)")
    print(f"{'':18}{'ours':>9}" + "".join(f"{peer:>19}" for peer in others))
    for name, times in timings.items():
        cells = []
        for peer in others:
            known = peer in times
            cells.append(
                f"{1e3 * times[peer]:10.3f} {times[peer] / times['ours']:7.2f}x" if known else f"{'-':>19}"
            )
        print(f"{name:18}{1e3 * times['ours']:9.3f}" + "".join(cells))


def verdicts(results: dict[str, Timings]) -> list[tuple[str, float, float]]:
    """(what, reached, wanted) of every ratio that we hold ourselves to."""
    found = []
    for size, timings in results.items():
        to_fork = {name: t["fork"] / t["ours"] for name, t in timings.items() if "fork" in t}
        if to_fork:
            slowest = min(to_fork, key=lambda name: to_fork[name])
            found.append((f"{size}: lowest ratio to the fork ({slowest})", to_fork[slowest], 1.0))
        if to_fork and size == "640x480":
            found += [
                (f"{size}: {name} to the fork", to_fork[name], bar)
                for name, bar in BARS.items()
                if name in to_fork
            ]
            mean = float(np.exp(np.mean(np.log(list(to_fork.values())))))
            found.append((f"{size}: geometric mean over {len(to_fork)}", mean, GEOMETRIC_MEAN))
            glass = timings.get("glass_blur", {})
            if "1.1.2" in glass:
                found.append(
                    (f"{size}: glass_blur to 1.1.2", glass["1.1.2"] / glass["ours"], GLASS_TO_ORIGINAL)
                )
        fastest = {
            name: min(v for k, v in t.items() if k != "ours") / t["ours"]
            for name, t in timings.items()
            if len(t) > 1
        }
        if fastest:
            worst = min(fastest, key=lambda name: fastest[name])
            found.append(
                (
                    f"{size}: lowest ratio to the fastest peer ({worst})",
                    fastest[worst],
                    1 / SLOWER_THAN_A_PEER,
                )
            )
    return found


def batches(sizes: list[tuple[int, int]], repeats: int) -> None:
    """Prints what one call for 16 pictures saves over 16 calls, in wall time on all processors."""
    from corruptions import corrupt_images, image_view

    print("\n16 pictures in one call of corrupt_images, times as fast as 16 calls")
    units = [str(i) for i in range(16)]
    for width, height in sizes:
        images = [picture(width, height)] * 16

        def many(name: str, images: list[NDArray[np.uint8]] = images) -> None:
            for image, unit in zip(images, units, strict=True):
                image_view(image, name, 3, seed=1, unit=unit)

        def one(name: str, images: list[NDArray[np.uint8]] = images) -> None:
            corrupt_images(images, name, 3, seed=1, units=units)

        cells = []
        for name in ("gaussian_noise", "glass_blur", "zoom_blur", "elastic_transform", "spatter", "fog"):
            arms = {"many": partial(many, name), "one": partial(one, name)}
            times = measured(arms, min(repeats, 5), time.perf_counter)
            cells.append(f"{name} {times['many'] / times['one']:.2f}x")
        print(f"{width}x{height}: " + ", ".join(cells))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--old", type=Path, help="folder that holds imagecorruptions 1.1.2")
    parser.add_argument("--severity", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--size", action="append", help="WIDTHxHEIGHT; several times for several")
    parser.add_argument("--corruption", action="append", help="only these")
    parser.add_argument("--json", type=Path, help="write the seconds there")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    cv2.setNumThreads(1)
    peers = available(options.old)
    sizes = [tuple(map(int, size.split("x"))) for size in options.size or ("64x64", "224x224", "640x480")]
    results: dict[str, Timings] = {}
    for width, height in sizes:
        image = picture(width, height)
        calls = {peer: make(image, options.severity) for peer, make in peers.items()}
        size = f"{width}x{height}"
        results[size] = {
            name: measured(
                {peer: found[name] for peer, found in calls.items() if name in found}, options.repeats
            )
            for name in options.corruption or calls["ours"]
        }
        table(size, results[size], list(peers))
    print()
    for what, reached, wanted in verdicts(results):
        print(f"{'met ' if reached >= wanted else 'MISSED'}  {what}: {reached:.2f}, wanted {wanted:g}")
    cv2.setNumThreads(-1)
    batches(sizes, options.repeats)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
