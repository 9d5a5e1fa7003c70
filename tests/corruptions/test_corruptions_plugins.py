"""Corruptions that other packages bring: found by entry points, loaded when named, checked at every call."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from packages_offered import forget, install

import corruptions
from corruptions import PluginError, UnknownCorruptionError

GROUP = "dmsbench.corruptions"
HEAD = """
import numpy as np
from corruptions import Corruption, Definition

def entry(name, kind="image", parameters=None, **more):
    return Corruption(name=name, kind=kind, target=kind, family="noise", parameter="share",
                      parameters=parameters or {"default": (1, 2, 3, 4, 5)}, source="here",
                      doc="An example.", **more)
"""
Bring = Callable[..., None]


@pytest.fixture
def bring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bring]:
    """Installs a package of one module: names that it offers, and its code after ``HEAD``."""
    count = iter(range(100))

    def made(package: str, code: str, *names: str, version: str = "1.0") -> None:
        folder = tmp_path / str(next(count))
        lines = "\n".join(f"{name} = {package}:make" for name in names)
        install(folder, package, {GROUP: lines}, HEAD + code, version)
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.delitem(sys.modules, package, raising=False)
        forget()

    forget()
    yield made
    monkeypatch.undo()
    forget()


PIXELS = np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3)


def test_one_package_brings_several_and_they_are_like_any_other(bring: Bring) -> None:
    bring(
        "several",
        """
def speck(pixels, value, rng):
    pixels[rng.integers(len(pixels)), :] = value  # in place: it is the kernel's own copy
    return pixels

def cut(text, values, severity, rng, protect):
    return text[: -int(values[severity - 1])]

def make():
    return [Definition(entry("speck", version=3), speck), Definition(entry("cut", "text", nested=True), cut)]
""",
        "speck",
        "cut",
    )
    assert corruptions.is_known("speck")
    assert "several" not in sys.modules
    assert set(corruptions.offered()) == {"speck", "cut"}
    assert corruptions.get("speck").kind == "image"
    assert corruptions.version_of("speck") == "3 of several 1.0"
    assert corruptions.version_of("fog") == corruptions.get("fog").version
    before = PIXELS.copy()
    first = corruptions.image_view(PIXELS, "speck", 2, seed=0, unit="a")
    assert (before == PIXELS).all()
    assert (first == corruptions.image_view(PIXELS, "speck", 2, seed=0, unit="a")).all()
    assert (first[(first != before).any(axis=(1, 2))] == 2).all()
    views = [corruptions.image_view(PIXELS, "speck", 2, seed=0, unit=str(unit)) for unit in range(8)]
    assert any((view != first).any() for view in views)
    assert (corruptions.corrupt_images([PIXELS], "speck", 2, seed=0, units=["a"])[0] == first).all()
    assert corruptions.text_view("circle", "cut", 2, seed=0, unit="a") == "circ"
    assert copy.deepcopy(corruptions.get("cut")) == corruptions.get("cut")  # as for a worker
    with pytest.raises(corruptions.InvalidInputError, match="severity"):
        corruptions.image_view(PIXELS, "speck", 0, seed=0, unit="a")
    with pytest.raises(UnknownCorruptionError, match="did you mean 'speck'"):
        corruptions.get("spek")


def test_own_names_are_never_replaced_and_the_catalogue_is_its_own(bring: Bring) -> None:
    before = corruptions.catalogue(), corruptions.names()
    bring("takes", "make = Definition(entry('fog'), lambda pixels, value, rng: pixels)", "fog")
    assert (corruptions.catalogue(), corruptions.names()) == before
    assert corruptions.get("fog").source != "here"
    assert corruptions.version_of("fog") == corruptions.get("fog").version
    assert "takes" not in sys.modules


def test_two_packages_with_one_name_are_refused(bring: Bring) -> None:
    for package in ("one", "other"):
        bring(package, "make = None", "same")
    with pytest.raises(PluginError, match=r"'same' is offered by .* and by .*: uninstall one"):
        corruptions.get("same")
    assert corruptions.get("fog")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise RuntimeError('one\\ntwo')", r"'mine' of bad 1\.0 cannot be loaded \(RuntimeError: one two\)"),
        ("def make(): raise KeyError(1)", r"failed to define it \(KeyError: 1\)"),
        ("make = 3", "gives a int, not a Definition"),
        ("make = entry('mine')", "gives a Corruption, not a Definition"),
        ("make = Definition(entry('other'), len)", "must give one corruption of this name; it gives other"),
        ("make = Definition(entry('mine', 'modality'), len)", "kind and target must both be image"),
        (
            "make = Definition(entry('mine', parameters={'tiny64': (1,) * 5}), len)",
            "give them for default or",
        ),
        ("make = Definition(entry('mine', parameters={'default': (1, 2, 3, 4, float('nan'))}), len)", "nan"),
        ("make = Definition(entry('mine', parameters={'default': ('a',) * 5}), len)", "no finite number"),
        ("make = Definition(entry('mine'), 4)", "its kernel is no function"),
    ],
)
def test_what_cannot_be_used_is_refused_when_it_is_named(bring: Bring, code: str, said: str) -> None:
    bring("bad", code, "mine")
    assert corruptions.is_known("mine")
    with pytest.raises(PluginError, match=said) as refused:
        corruptions.get("mine")
    assert "bad 1.0" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ("pixels[:5]", r"must give uint8 \(20, 30, 3\), as it was given, not uint8 \(5, 30, 3\)"),
        ("pixels.astype(float)", "not float64"),
        ("None", "not NoneType"),
        ("pixels @ 3", r"failed on a picture \("),
    ],
)
def test_a_kernel_that_goes_wrong_is_an_error_of_its_package(bring: Bring, made: str, said: str) -> None:
    bring("bad", f"make = Definition(entry('mine'), lambda pixels, value, rng: {made})", "mine")
    with pytest.raises(PluginError, match=said):
        corruptions.image_view(PIXELS, "mine", 1, seed=0, unit="a")


def test_what_a_kernel_gives_is_the_callers_to_keep(bring: Bring) -> None:
    code = """
KEPT = np.zeros((40, 30, 3), np.uint8)

def kernel(pixels, value, rng):
    KEPT[:20] = pixels
    KEPT.flags.writeable = True
    return KEPT[:20]

make = Definition(entry("mine"), kernel)
"""
    bring("keeps", code, "mine")
    first = corruptions.image_view(PIXELS, "mine", 1, seed=0, unit="a")
    corruptions.image_view(255 - PIXELS, "mine", 1, seed=0, unit="b")
    assert (first == PIXELS).all()
    assert first.flags.writeable


def test_a_text_that_is_none_is_an_error_of_its_package(bring: Bring) -> None:
    bring("bad", "make = Definition(entry('mine', 'text'), lambda *given: b'x')", "mine")
    with pytest.raises(PluginError, match="must give a text, not a bytes"):
        corruptions.text_view("circle", "mine", 1, seed=0, unit="a")
