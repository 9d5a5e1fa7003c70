"""Catalogue, seeding, modality choices, conversion, isolation from global state."""

from __future__ import annotations

import copy
import json
import math
import os
import pickle
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

import corruptions
from corruptions import (
    SEVERITIES,
    Corruption,
    CorruptionError,
    InvalidInputError,
    UnknownCorruptionError,
    as_rgb,
    blank_image,
    catalogue,
    derangement,
    generator,
    get,
    image_view,
    is_hit,
    key,
    masked_text,
    names,
    text_view,
    uniform,
    view_generator,
)

ROOT = Path(corruptions.__file__).parents[1]
ABSENCE = ("drop_image", "drop_text")
BLANK = ("blank_black", "blank_mean", "blank_noise", "mask_text")
MISMATCH = ("mismatch", "mismatch_image", "mismatch_text")
IMAGE_MODALITIES = {"drop_image", "mismatch", "mismatch_image", "blank_black", "blank_mean", "blank_noise"}

# Beside the corruptions of position: one set of edits that grows, or one way that is gone further.
NESTED = {
    *("occlusion", "colour_jitter", "hue_shift", "gamma", "salt_pepper", "dead_pixels", "dust", "glare"),
    *("rain", "shadow", "grid_mask", "cutout_centre", "hide_patches", "text_overlay", "watermark"),
}


# Catalogue


def test_catalogue_is_complete() -> None:
    assert names() == tuple(entry.name for entry in catalogue())
    assert len(set(names())) == len(names())
    assert (len(names("image")), len(names("text")), names("modality")) == (
        62,
        30,
        (*ABSENCE, *BLANK, *MISMATCH),
    )
    for entry in catalogue():
        assert get(entry.name) is entry
        assert entry.parameter
        assert entry.source
        assert entry.doc.endswith(".")
        assert entry.version >= 1
        assert entry.target == (
            "image" if entry.kind == "image" or entry.name in IMAGE_MODALITIES else "text"
        )
        assert set(entry.parameters) in (
            {"default"},
            {"imagenet224", "tiny64", "calibrated224", "calibrated64"},
        )
        assert entry.nested == (entry.kind != "image" or entry.name in NESTED or entry.family == "geometry")
        assert not entry.notes or entry.notes.endswith(".")


def test_every_entry_has_a_kernel() -> None:
    assert tuple(corruptions.image.kernels()) == names("image")
    assert tuple(corruptions.text.kernels()) == names("text")


def test_entries_are_frozen_and_travel() -> None:
    entry = get("gaussian_noise")
    with pytest.raises(AttributeError):
        entry.name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        entry.parameters["tiny64"] = ()  # type: ignore[index]
    for clone in (pickle.loads(pickle.dumps(entry)), copy.deepcopy(entry)):  # noqa: S301
        assert clone == entry
        assert hash(clone) == hash(entry)
    assert json.loads(json.dumps(entry.to_dict()))["parameters"]["tiny64"] == [0.04, 0.08, 0.12, 0.15, 0.18]
    with pytest.raises(InvalidInputError, match="4 values"):
        Corruption("x", "image", "image", "f", "p", {"default": (1.0, 2.0, 3.0, 4.0)}, "s", "d")


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("gausian_noise", "gaussian_noise"),
        ("Motion Blur", "motion_blur"),
        ("jpeg", "jpeg_compression"),
        ("keybord", "keyboard"),
        ("mis-match", "mismatch"),
    ],
)
def test_did_you_mean(asked: str, meant: str) -> None:
    with pytest.raises(UnknownCorruptionError, match=f"did you mean '{meant}'") as caught:
        get(asked)
    assert caught.value.suggestions[0] == meant
    assert isinstance(caught.value, CorruptionError)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301


def test_hopeless_names_list_the_known_ones() -> None:
    with pytest.raises(UnknownCorruptionError, match="unknown corruption 'zzz'; known: gaussian_noise, "):
        get("zzz")
    with pytest.raises(UnknownCorruptionError):
        get(["contrast"])  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="unknown kind"):
        names("images")  # type: ignore[arg-type]


def test_all_is_sorted_and_true() -> None:
    public = corruptions.__all__
    assert len(set(public)) == len(public)
    constants = [n for n in public if n.isupper()]
    classes = [n for n in public if n not in constants and n[0].isupper()]
    functions = [n for n in public if n[0].islower()]
    assert public == sorted(constants) + sorted(classes) + sorted(functions)
    assert all(hasattr(corruptions, name) for name in public)


# Seeding


def test_keys_are_stable_and_tell_fields_apart() -> None:
    assert key(0, "a", "b", 1) == 0x70BBB78932F8CDB54C4E24C6A0355A3C
    fields = [(0, "a", "bc", 1), (0, "ab", "c", 1), (0, "a", "bc", 2), (1, "a", "bc", 1), (-1, "a", "bc", 1)]
    fields += [
        (10, "", "", 1),
        (1, "0", "", 1),
        (1, "", "0", 1),
        (2**80, "a", "bc", 1),
        (0, "\ud800", "é", 1),
    ]
    keys = [key(*field) for field in fields]
    assert len(set(keys)) == len(keys)
    assert all(0 <= value < 2**128 for value in keys)
    assert key(np.int64(1), "a", "b", 2) == key(1, "a", "b", 2)  # type: ignore[arg-type]


def test_generators_are_stable() -> None:
    assert generator(0, "a", "contrast", 1).random() == 0.8141884871614375
    assert uniform(0, "a", "mismatch") == 0.7713588185944898
    one, two = (generator(3, "u", "gaussian_noise", 2).random(4) for _ in range(2))
    assert np.array_equal(one, two)


def test_nested_views_share_a_generator() -> None:
    assert view_generator(0, "u", "keyboard", 1).random() == view_generator(0, "u", "keyboard", 5).random()
    assert view_generator(0, "u", "keyboard", 1).random() == generator(0, "u", "keyboard", 0).random()
    assert view_generator(0, "u", "contrast", 1).random() == generator(0, "u", "contrast", 1).random()
    assert view_generator(0, "u", "contrast", 1).random() != view_generator(0, "u", "contrast", 2).random()


@pytest.mark.parametrize("fields", [("0", "u"), (0.0, "u"), (True, "u"), (0, 7), (0, None)])
def test_wrong_fields_are_refused(fields: tuple[int, str]) -> None:
    with pytest.raises(InvalidInputError, match=r"seed must be a whole number|unit must be a string"):
        generator(*fields, "contrast", 1)


def test_uniform_is_uniform() -> None:
    draws = np.sort([uniform(1, f"u{i}", "mismatch") for i in range(2000)])
    assert draws[0] >= 0
    assert draws[-1] < 1
    assert np.abs(draws - (np.arange(2000) + 0.5) / 2000).max() < 1.95 / math.sqrt(2000)


# Modality


def test_hits_nest_and_keep_their_share() -> None:
    units = [f"sample-{i}" for i in range(2000)]
    for name in names("modality"):
        below: set[str] = set()
        for severity, share in zip(SEVERITIES, (0.2, 0.4, 0.6, 0.8, 1.0), strict=True):
            hit = {unit for unit in units if is_hit(9, unit, name, severity)}
            assert below <= hit
            assert len(hit) / 2000 == pytest.approx(
                share, abs=4.5 * math.sqrt(share * (1 - share) / 2000) + 1e-12
            )
            below = hit
    assert {u for u in units if is_hit(9, u, "drop_text", 1)} != {
        u for u in units if is_hit(9, u, "drop_image", 1)
    }
    assert {u for u in units if is_hit(9, u, "drop_text", 1)} != {
        u for u in units if is_hit(8, u, "drop_text", 1)
    }


def test_hits_are_for_modalities() -> None:
    with pytest.raises(
        InvalidInputError, match="contrast is of kind 'image', not 'modality'; use corrupt_image"
    ):
        is_hit(0, "u", "contrast", 1)
    with pytest.raises(InvalidInputError, match="severity"):
        is_hit(0, "u", "mismatch", 0)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=6), min_size=2, max_size=30, unique=True), st.integers(0, 5), st.randoms())
def test_derangement_is_one_cycle_whatever_the_order(
    units: list[str], seed: int, shuffler: random.Random
) -> None:
    partner = derangement(seed, units)
    assert set(partner) == set(units)
    seen, at = [], units[0]
    for _ in units:
        seen.append(at)
        at = partner[at]
    assert at == units[0]
    assert set(seen) == set(units)
    shuffled = list(units)
    shuffler.shuffle(shuffled)
    assert derangement(seed, [*shuffled, shuffled[0]]) == partner


def test_derangement_depends_on_the_seed_and_barely_on_the_set() -> None:
    units = [f"u{i}" for i in range(50)]
    partner = derangement(1, units)
    assert partner != derangement(2, units)
    more = derangement(1, [*units, "new"])
    assert sum(more[unit] != partner[unit] for unit in units) == 1
    # Every cycle is as likely as any other: with 4 units there are 6.
    counts: dict[tuple[tuple[str, str], ...], int] = {}
    for seed in range(1200):
        cycle = tuple(sorted(derangement(seed, ["a", "b", "c", "d"]).items()))
        counts[cycle] = counts.get(cycle, 0) + 1
    assert len(counts) == 6
    assert all(150 < count < 255 for count in counts.values())


@pytest.mark.parametrize("units", [[], ["a"], ["a", "a"]])
def test_derangement_needs_two(units: list[str]) -> None:
    with pytest.raises(ValueError, match=f"at least 2 distinct units, got {len(set(units))}"):
        derangement(0, units)
    with pytest.raises(InvalidInputError, match="one string"):
        derangement(0, "abc")


def test_derangement_of_texts_is_its_own() -> None:
    units = [f"u{i}" for i in range(50)]
    assert (
        derangement(3, units, "mismatch_image") == derangement(3, units) == derangement(3, units, "mismatch")
    )
    texts = derangement(3, units, "mismatch_text")
    assert sum(texts[unit] == derangement(3, units)[unit] for unit in units) < 10
    assert all(texts[unit] != unit for unit in units)
    assert set(texts.values()) == set(units)
    with pytest.raises(InvalidInputError, match="drop_text exchanges nothing; use one of: mismatch"):
        derangement(3, units, "drop_text")
    with pytest.raises(InvalidInputError, match="add samples with other texts"):
        derangement(3, ["a"], "mismatch_text")
    with pytest.raises(UnknownCorruptionError):
        derangement(3, units, "mismatch_sound")


def test_mismatch_image_is_mismatch() -> None:
    for severity in SEVERITIES:
        hit = {name: {i for i in range(300) if is_hit(2, f"u{i}", name, severity)} for name in MISMATCH}
        assert hit["mismatch_image"] == hit["mismatch"]
        assert (hit["mismatch_text"] != hit["mismatch"]) == (severity < 5)


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 5, 3), (64, 48, 3)])
def test_blank_images(shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(4).integers(0, 256, shape, dtype=np.uint8)
    image.setflags(write=False)
    for name in BLANK[:3]:
        one, two = (blank_image(image, name, view_generator(1, "u", name, s)) for s in (1, 5))
        assert (one.shape, one.dtype, one.flags.writeable) == (shape, np.uint8, True)
        assert np.array_equal(one, two)
    rng = view_generator(1, "u", "blank_noise", 1)
    assert not blank_image(image, "blank_black", rng).any()
    mean = blank_image(image, "blank_mean", rng)
    assert np.ptp(mean.reshape(-1, 3), axis=0).max() == 0
    assert np.abs(mean[0, 0] - image.mean(axis=(0, 1))).max() <= 0.5
    # Nothing was drawn so far.
    assert np.array_equal(
        blank_image(image, "blank_noise", rng),
        blank_image(image, "blank_noise", view_generator(1, "u", "blank_noise", 1)),
    )
    assert not np.array_equal(image, blank_image(image, "blank_noise", rng))


def test_blank_noise_is_uniform_and_stable() -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    noise = blank_image(image, "blank_noise", view_generator(0, "u", "blank_noise", 1))
    assert np.bincount(noise.ravel(), minlength=256).min() > 60
    assert noise.mean() == pytest.approx(127.5, abs=2)
    assert noise[0, 0].tolist() == [97, 125, 140]
    with pytest.raises(InvalidInputError, match="contrast does not blank an image; use blank_black"):
        blank_image(image, "contrast", view_generator(0, "u", "contrast", 1))
    with pytest.raises(UnknownCorruptionError):
        blank_image(image, "blank", view_generator(0, "u", "contrast", 1))
    with pytest.raises(InvalidInputError, match="RGB"):
        blank_image(image[..., 0], "blank_black", view_generator(0, "u", "contrast", 1))


def test_masked_text() -> None:
    assert (
        masked_text("Is there a RED circle, or 3.5?") == "[MASK] [MASK] [MASK] [MASK] [MASK], [MASK] [MASK]?"
    )
    assert masked_text("<image>\nUSER: isn't  it?\n(a) no\tASSISTANT:") == (
        "<image>\nUSER: [MASK]  [MASK]?\n([MASK]) [MASK]\tASSISTANT:"
    )
    for text in ("", " \n", "?!", "<image>", "{question}"):
        assert masked_text(text) == text
    once = masked_text("今天天气很好，我们去公园。 مرحبا")
    assert once == "[MASK]，[MASK]。 [MASK]"
    assert masked_text(once) == once
    with pytest.raises(InvalidInputError, match="text must be a str"):
        masked_text(b"a")  # type: ignore[arg-type]


# Conversion


def test_as_rgb() -> None:
    base = Image.fromarray(np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8))
    plain = np.asarray(base)
    assert np.array_equal(as_rgb(base), plain)
    assert as_rgb(base).flags.writeable
    grey = np.asarray(base.convert("L"))
    assert np.array_equal(as_rgb(base.convert("L")), np.repeat(grey[..., None], 3, axis=2))
    assert set(np.unique(as_rgb(base.convert("1")))) <= {0, 255}
    assert as_rgb(base.convert("CMYK")).shape == (5, 7, 3)
    palette = base.quantize(4)
    assert np.array_equal(as_rgb(palette), np.asarray(palette.convert("RGB")))


def test_as_rgb_is_upright() -> None:
    base = Image.fromarray(np.arange(60, dtype=np.uint8).reshape(4, 5, 3))
    base.getexif()[0x0112] = 6
    assert np.array_equal(as_rgb(base), np.rot90(np.asarray(base), -1))
    assert base.size == (5, 4)


def test_as_rgb_puts_transparency_on_white() -> None:
    layer = np.zeros((1, 3, 4), np.uint8)
    layer[0, :, 3] = (0, 255, 51)
    assert as_rgb(Image.fromarray(layer))[0, :, 0].tolist() == [255, 0, 204]
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((1, 0), 1)
    palette.info["transparency"] = 1
    assert as_rgb(palette)[0].tolist() == [[10, 20, 30], [255, 255, 255]]


def test_as_rgb_scales_16_bits() -> None:
    wide = np.array([[0, 128, 129, 257, 65535]], np.uint16)
    assert as_rgb(Image.fromarray(wide))[0, :, 1].tolist() == [0, 0, 1, 1, 255]
    assert as_rgb(Image.fromarray(wide.astype(np.int32)))[0, :, 1].tolist() == [0, 0, 1, 1, 255]


def test_as_rgb_refuses() -> None:
    with pytest.raises(InvalidInputError, match="mode F"):
        as_rgb(Image.new("F", (2, 2)))
    with pytest.raises(InvalidInputError, match="got ndarray"):
        as_rgb(np.zeros((2, 2, 3), np.uint8))  # type: ignore[arg-type]


# Isolation


def everything(picture: NDArray[np.uint8]) -> str:
    parts = [
        image_view(picture, n, s, seed=1, unit="é").tobytes().hex() for n in names("image") for s in (2, 5)
    ]
    text = "Which animals stand behind the fence, and are they looking at us?"
    parts += [text_view(text, n, s, seed=1, unit="é") for n in names("text") for s in (2, 5)]
    parts += [str(is_hit(1, "é", n, 3)) for n in names("modality")]
    parts += [str(derangement(1, ["x", "y", "z", "é"], name)) for name in MISMATCH]
    rng = view_generator(1, "é", "blank_noise", 3)
    parts += [blank_image(picture, "blank_noise", rng).tobytes().hex(), masked_text(text)]
    return "|".join(parts)


def global_states() -> tuple[object, bytes]:
    return random.getstate(), pickle.dumps(np.random.get_state())  # noqa: NPY002


def test_global_generators_are_neither_read_nor_written(
    picture: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = everything(picture)
    states = global_states()

    def poison(*arguments: object, **keywords: object) -> None:
        raise AssertionError("a global generator was touched")

    for name in dir(np.random):
        if name.islower() and not name.startswith("_") and callable(getattr(np.random, name)):
            monkeypatch.setattr(np.random, name, poison)
    for name in dir(random):
        if name.islower() and not name.startswith("_") and callable(getattr(random, name)):
            monkeypatch.setattr(random, name, poison)
    assert everything(picture) == expected
    monkeypatch.undo()
    assert states == global_states()


PROGRAM = """
import hashlib, sys
sys.path.insert(0, {tests!r})
from test_corruptions_engine import everything
from corruption_inputs import make_picture
print(hashlib.blake2b(everything(make_picture()).encode("utf-8")).hexdigest())
"""


def test_processes_and_hash_seeds_agree() -> None:
    program = PROGRAM.format(tests=str(Path(__file__).parent))
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("0", "4242")
    }
    assert len(outputs) == 1


def test_importing_and_using_pulls_in_nothing_heavy() -> None:
    program = """
import sys
import corruptions
light = {"cv2", "PIL", "scipy", "matplotlib"} & set(sys.modules)
import numpy as np
for name in corruptions.names("image"):
    corruptions.image_view(np.zeros((9, 9, 3), np.uint8), name, 1, seed=0, unit="")
for name in corruptions.names("text"):
    corruptions.text_view("some words here", name, 1, seed=0, unit="")
heavy = {"torch", "pandas", "dmsbench", "skimage", "numba", "transformers"} & set(sys.modules)
print(sorted(light), sorted(heavy))
"""
    out = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert out.strip() == "[] []"
