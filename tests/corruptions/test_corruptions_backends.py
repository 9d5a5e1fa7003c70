"""Reference packages under our names and seeds. What needs them is skipped where they are not installed."""

from __future__ import annotations

import hashlib
import os
import pickle
import random
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import corruptions
from corruptions import (
    NATIVE,
    BackendError,
    InvalidInputError,
    MissingBackendError,
    NotOfferedError,
    UnknownBackendError,
    backend_names,
    backend_version,
    corrupt_image,
    get,
    get_backend,
    image_view,
    text_view,
)
from corruptions.backends.record import Backend, _kernels

ROOT = Path(corruptions.__file__).parents[1]


def _reference(name: str) -> Backend:
    found = get_backend(name)
    assert found is not None
    return found


IMAGES, TEXTS = _reference("imagecorruptions"), _reference("nlpaug")


def _is_there(backend: Backend) -> bool:
    return all(find_spec(module) for module in backend.modules)


needs_images = pytest.mark.skipif(not _is_there(IMAGES), reason="imagecorruptions-imaug is not installed")
needs_texts = pytest.mark.skipif(not _is_there(TEXTS), reason="nlpaug is not installed")

PICTURE: NDArray[np.uint8] = np.random.default_rng(0).integers(0, 256, (48, 40, 3), dtype=np.uint8)
QUESTION = "Don't you see the definitely different shape, <image> or 3.5 of the yellow circles there?"


def picture(name: str, severity: int = 3, unit: str = "u") -> NDArray[np.uint8]:
    return image_view(PICTURE, name, severity, seed=0, unit=unit, backend="imagecorruptions")


def text(name: str, severity: int = 3, unit: str = "u", protect: frozenset[str] | None = None) -> str:
    return text_view(QUESTION, name, severity, seed=0, unit=unit, backend="nlpaug", protect=protect)


# Without the packages


def test_what_is_offered_is_in_the_catalogue() -> None:
    assert backend_names() == (NATIVE, "imagecorruptions", "nlpaug")
    assert get_backend(NATIVE) is None
    assert backend_version(NATIVE) == NATIVE
    assert {get(name).kind for name in IMAGES.offers} == {"image"}
    assert {get(name).kind for name in TEXTS.offers} == {"text"}
    assert len(set(IMAGES.offers)) == 19


def test_importing_the_engine_imports_no_backend() -> None:
    script = (
        "import sys, corruptions\n"
        "corruptions.image_view(__import__('numpy').zeros((8, 8, 3), 'uint8'), 'fog', 1, seed=0, unit='u')\n"
        "heavy = {'imagecorruptions', 'skimage', 'numba', 'nlpaug', 'torch', 'pandas'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_a_missing_package_is_an_error_with_the_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", version)
    _kernels.cache_clear()
    extra = "pip install 'dmsbench[reference]'"
    with pytest.raises(MissingBackendError) as caught:
        picture("fog")
    assert str(caught.value) == (
        "backend 'imagecorruptions' needs imagecorruptions-imaug, which is not installed: "
        f"{extra} && pip install --no-deps imagecorruptions-imaug==1.1.5"
    )
    with pytest.raises(MissingBackendError, match=r"needs nlpaug, which is not installed: pip install 'dmsb"):
        text("keyboard")
    with pytest.raises(ImportError):
        backend_version("nlpaug")


def test_a_missing_requirement_of_a_package_is_one_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda name: "1.1.5")
    monkeypatch.setattr(
        "corruptions.backends.record.find_spec", lambda name: None if name == "numba" else object()
    )
    with pytest.raises(MissingBackendError, match="needs numba, which is not installed"):
        backend_version("imagecorruptions")


def test_names_and_tables_that_a_backend_does_not_have() -> None:
    with pytest.raises(UnknownBackendError, match="did you mean 'nlpaug'"):
        text_view("a", "keyboard", 1, seed=0, unit="u", backend="nlpagu")
    with pytest.raises(NotOfferedError, match=r"'imagecorruptions' does not offer 'rain'; it has: gaussian_"):
        picture("rain")
    with pytest.raises(NotOfferedError, match="'nlpaug' does not offer 'fog'"):
        image_view(PICTURE, "fog", 1, seed=0, unit="u", backend="nlpaug")
    with pytest.raises(InvalidInputError, match="has the table 'imagenet224' only, not 'tiny64'"):
        corrupt_image(
            PICTURE, "fog", 1, np.random.default_rng(), profile="tiny64", backend="imagecorruptions"
        )


@pytest.mark.parametrize(
    "error",
    [
        UnknownBackendError("nlpagu", ["nlpaug"]),
        NotOfferedError("nlpaug", "fog", ["ocr"]),
        MissingBackendError("nlpaug", "nlpaug", "pip install it"),
        BackendError("nlpaug", "ocr", "ValueError: two\nlines"),
    ],
)
def test_errors_are_one_line_and_survive_pickling(error: Exception) -> None:
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (type(again), str(again)) == (type(error), str(error))
    assert "\n" not in str(error)


# imagecorruptions


@needs_images
def test_a_picture_is_the_same_in_any_order_and_leaves_the_global_generators_alone() -> None:
    views = [(name, severity) for name in IMAGES.offers for severity in (1, 5)]
    random.seed(1)
    np.random.seed(2)  # noqa: NPY002
    before = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    once = {view: picture(*view) for view in views}
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    for view in reversed(views):
        assert np.array_equal(picture(*view), once[view]), view
        assert once[view].dtype == np.uint8
        assert once[view].shape == PICTURE.shape
        assert once[view].flags.writeable


@needs_images
def test_units_differ_where_anything_is_drawn() -> None:
    plain = {"gaussian_blur", "defocus_blur", "zoom_blur", "brightness", "contrast", "saturate"}
    for name in sorted({*IMAGES.offers} - plain - {"pixelate", "jpeg_compression"}):
        assert not np.array_equal(picture(name), picture(name, unit="v")), name
    for name in plain:
        assert np.array_equal(picture(name), picture(name, unit="v")), name


@needs_images
def test_numbas_own_generator_is_left_alone() -> None:
    import numba

    @numba.njit
    def seed(value: int) -> None:
        np.random.seed(value)  # noqa: NPY002

    @numba.njit
    def draw() -> float:
        return np.random.random()  # noqa: NPY002

    seed(5)
    undisturbed = [draw(), draw()]
    seed(5)
    first = draw()
    picture("glass_blur")
    assert [first, draw()] == undisturbed


@needs_images
def test_threads_do_not_draw_from_one_another() -> None:
    views = [(name, unit) for name in ("gaussian_noise", "snow", "glass_blur") for unit in "abcd"]
    alone = [picture(name, 2, unit) for name, unit in views]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda view: picture(view[0], 2, view[1]), views))
    assert all(np.array_equal(one, two) for one, two in zip(alone, together, strict=True))


@needs_images
def test_its_own_table_and_its_own_limit() -> None:
    # Ours takes the milder table for pictures under 128 pixels.
    ours = {
        profile: image_view(PICTURE, "jpeg_compression", 4, seed=0, unit="u", profile=profile)
        for profile in ("imagenet224", "tiny64")
    }
    assert np.array_equal(picture("jpeg_compression", 4), ours["imagenet224"])
    assert not np.array_equal(picture("jpeg_compression", 4), ours["tiny64"])
    with pytest.raises(InvalidInputError, match="from 32 x 32 pixels, got 40 x 31"):
        image_view(PICTURE[:31], "fog", 1, seed=0, unit="u", backend="imagecorruptions")
    assert backend_version("imagecorruptions") == "imagecorruptions-imaug 1.1.5"


@needs_images
def test_spatter_without_a_drop_is_black_as_in_the_package() -> None:
    picture = np.full((32, 32, 3), 90, np.uint8)
    found = [
        image_view(picture, "spatter", 1, seed=0, unit=str(unit), backend="imagecorruptions").max()
        for unit in range(150)
    ]
    assert 0 in found
    assert max(found) > 0


# nlpaug


@needs_texts
def test_a_text_is_the_same_in_any_order_and_leaves_the_global_generators_alone() -> None:
    views = [(name, severity) for name in TEXTS.offers for severity in (1, 3, 5)]
    before = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    once = {view: text(*view) for view in views}
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # noqa: NPY002
    random.seed(9)
    assert {view: text(*view) for view in reversed(views)} == once
    assert len(set(once.values())) > len(TEXTS.offers)


@needs_texts
def test_the_same_text_in_any_process() -> None:
    # The package's misspellings come in the order of a set.
    script = (
        "import hashlib, corruptions\n"
        "found = [corruptions.text_view('what is the colour of their different shape', 'spelling', s, seed=0,"
        " unit=str(u), backend='nlpaug') for s in (1, 5) for u in range(20)]\n"
        "print(hashlib.sha256('|'.join(found).encode()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1
    assert len(digests.pop().strip()) == len(hashlib.sha256().hexdigest())


@needs_texts
@pytest.mark.parametrize(
    "given", ["", " ", "\n\t", "?", "a", "字字", "🙂 🙂", "-", "no", "[INST] it [/INST]"]
)
@pytest.mark.parametrize("name", TEXTS.offers)
def test_any_text_gives_a_text(name: str, given: str) -> None:
    for severity in (1, 5):
        found = text_view(given, name, severity, seed=0, unit="u", backend="nlpaug")
        assert isinstance(found, str)
        if not given.strip():
            assert found == ""


@needs_texts
@pytest.mark.parametrize("name", TEXTS.offers)
def test_protected_words_stay_and_the_package_respaces_the_rest(name: str) -> None:
    for unit in "abcdef":
        found = text(name, 5, unit)
        assert {"yellow", "3", "5", "image"} <= {*re.findall(r"\w+", found)}
        assert "<image>" in found or name == "word_swap"
        assert "Don't" not in found
        assert " ' " in found
    if name not in ("spelling", "word_swap"):  # the one's list lacks the word, the other only moves it
        assert any("yellow" not in text(name, 5, str(unit), frozenset()) for unit in range(60))


@needs_texts
def test_words_that_are_no_set_are_the_callers_fault() -> None:
    with pytest.raises(InvalidInputError, match="protect must be a set of words, got 'circle'"):
        text_view(
            "is there a circle?",
            "keyboard",
            1,
            seed=0,
            unit="u",
            protect="circle",  # type: ignore[arg-type]
            backend="nlpaug",
        )


@needs_texts
@pytest.mark.parametrize("name", ["keyboard", "char_replace", "ocr"])
def test_the_share_of_letters_is_the_catalogues(name: str) -> None:
    question = "which animals might people usually observe around these beautiful mountains"
    letters = len(question.replace(" ", ""))
    for severity in (1, 3, 5):
        views = [
            text_view(question, name, severity, seed=0, unit=str(unit), backend="nlpaug")
            for unit in range(40)
        ]
        # A few keys of the package type two characters.
        edits = [
            sum(one != two for one, two in zip(question, view, strict=True))
            for view in views
            if len(view) == len(question)
        ]
        assert len(edits) > 25
        share = float(np.mean(edits)) / letters
        assert share == pytest.approx(get(name).value(severity), abs=0.04)
