"""A suite's settings of single corruptions: what is refused, what views show, what counts in the keys."""

from __future__ import annotations

from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import yaml

import corruptions
from dmsbench.data.base import load_image
from dmsbench.errors import SuiteError
from dmsbench.grid import View
from dmsbench.runner.job import Job, key_maker, prepare
from dmsbench.runner.manifest import merged
from dmsbench.runner.views import Views
from dmsbench.suite import Suite, load_suite

PINS = {"imagecorruptions-imaug": "1.1.5", "nlpaug": "1.1.11"}
version = metadata.version


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The backends as if they were installed, in versions that a test may change."""
    versions = dict(PINS)
    monkeypatch.setattr(metadata, "version", lambda name: versions.get(name) or version(name))
    monkeypatch.setattr("corruptions.backends.record.find_spec", lambda name: object())
    return versions


def missing(name: str) -> str:
    if name in PINS:
        raise metadata.PackageNotFoundError(name)
    return version(name)


def suite(suite_file: Path, more: str = "") -> Suite:
    suite_file.write_text(f"{suite_file.read_text()}\n{more}\n")
    return load_suite(str(suite_file))


def job(suite_file: Path, more: str = "") -> Job:
    before = suite_file.read_text()
    found = prepare(suite(suite_file, more), suite_file.parent / "results")
    suite_file.write_text(before)
    return found


def keys(made: Job) -> dict[str, str]:
    """The key of every piece of the first block, by image view."""
    key_of = key_maker(made, "m", {})
    return {str(plan.image): key_of(made.plan.blocks[0], plan) for plan in made.plan.images}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("settings: {contrasst: {}}", "settings: 'contrasst' is not in the grid: did you mean 'contrast'"),
        ("settings: {fog: {}}", "'fog' is not in the grid: it holds gaussian_noise, contrast, keyboard"),
        (
            "settings: {contrast: {backend: imagecoruptions}}",
            "contrast: unknown backend 'imagecoruptions'; did",
        ),
        (
            "settings: {contrast: {backend: nlpaug}}",
            "backend 'nlpaug' does not offer 'contrast'; it has: key",
        ),
        ("settings: {contrast: {profile: tiny46}}", "contrast: no profile 'tiny46': did you mean 'tiny64'"),
        (
            "settings: {contrast: {backend: imagecorruptions, profile: tiny64}}",
            "has the table 'imagenet224' only, not 'tiny64'",
        ),
        (
            "profile: tiny64\nsettings: {contrast: {backend: imagecorruptions}}",
            "use profile 'imagenet224' or backend 'native'",
        ),
        ("settings: {contrast: {protect: []}}", "contrast: 'protect' belongs to text"),
        ("settings: {keyboard: {profile: auto}}", "keyboard: 'profile' belongs to images"),
        ("settings: {drop_text: {}}", "'drop_text' is a corruption of kind modality, which has no settings"),
        ("settings: {contrast: {backnd: x}}", "unknown key 'backnd': did you mean 'backend'"),
        ("protect: all", r"protect: use 'default' or a list of words, such as \[default, circle\] or \[\]"),
        ("include_false: keyboard", "line 14: include_false: this key is there already, in line 12"),
        ("protect: [no]", "protect: false is not a word; quote what YAML reads otherwise"),
        ("protect: ['#number']", "unknown class '#number': known: #numerals, #options, #n't"),
        ("settings: {keyboard: {protect: [traffic light]}}", "'traffic light' is not one word"),
    ],
)
def test_what_cannot_be_is_refused(suite_file: Path, more: str, message: str) -> None:
    with pytest.raises(SuiteError, match=message) as caught:
        suite(suite_file, more)
    assert "\n" not in str(caught.value)


def test_a_suite_that_says_the_defaults_keeps_its_keys(suite_file: Path) -> None:
    plain = job(suite_file)
    said = job(
        suite_file,
        "profile: auto\nprotect: default\n"
        "settings: {contrast: {backend: native, profile: auto}, keyboard: {protect: [default, Red]}}",
    )
    assert "settings" not in plain.identity
    assert (plain.fingerprint, keys(plain)) == (said.fingerprint, keys(said))


def test_a_setting_counts_in_the_keys_of_its_own_records_alone(suite_file: Path) -> None:
    plain, tiny = job(suite_file), job(suite_file, "settings: {contrast: {profile: tiny64}}")
    assert plain.fingerprint != tiny.fingerprint
    differing = {image for image, key in keys(plain).items() if keys(tiny)[image] != key}
    assert differing == {"contrast@1", "contrast@3", "contrast@5"}
    spared = job(suite_file, "protect: [default, Circle]")
    assert spared.identity["settings"] == {"keyboard": {"protect": ["circle", "default"]}}
    assert keys(plain)["contrast@1"] == keys(spared)["contrast@1"]
    assert keys(plain)["clean"] != keys(spared)["clean"]  # its pieces hold the text views too


def test_default_means_the_whole_list_in_any_case(suite_file: Path) -> None:
    usual, capital = (job(suite_file, f"protect: [{word}, circle]").suite for word in ("default", "Default"))
    assert usual.applied["keyboard"].protect == corruptions.PROTECTED | {"circle"}
    assert capital.applied == usual.applied
    assert job(suite_file, "protect: DEFAULT").suite.applied == job(suite_file).suite.applied


def test_a_backend_counts_with_its_version(suite_file: Path, installed: dict[str, str]) -> None:
    more = "settings: {contrast: {backend: imagecorruptions}, keyboard: {backend: nlpaug, protect: []}}"
    one = job(suite_file, more)
    assert one.identity["settings"] == {
        "contrast": {"backend": "imagecorruptions-imaug 1.1.5"},
        "keyboard": {"backend": "nlpaug 1.1.11", "protect": []},
    }
    installed["imagecorruptions-imaug"] = "1.1.6"
    two = job(suite_file, more)
    assert {image for image, key in keys(one).items() if keys(two)[image] != key} == {
        *("contrast@1", "contrast@3", "contrast@5")
    }


def test_views_are_made_as_set(suite_file: Path) -> None:
    made = job(
        suite_file, "protect: []\nsettings: {contrast: {profile: imagenet224}, keyboard: {protect: [what]}}"
    )
    sample = made.dataset.samples[1]
    pixels = load_image(made.dataset.image_of(sample.group))
    views = Views(made.suite.seed, made.dataset, made.suite.profile, made.suite.applied)
    for name, profile in (("contrast", "imagenet224"), ("gaussian_noise", "tiny64")):
        shown = views.image(sample.group, View(name, 3)).pixels
        expected = corruptions.image_view(pixels, name, 3, seed=0, unit=sample.group, profile=profile)
        assert shown is not None
        assert np.array_equal(shown, expected)
    asked = views.text(sample, View("keyboard", 5)).question
    assert asked == corruptions.text_view(
        sample.question, "keyboard", 5, seed=0, unit=sample.id, protect=frozenset({"what"})
    )
    assert asked.startswith("what ")


def test_keeping_one_corruption_keeps_its_settings(suite_file: Path) -> None:
    found = suite(suite_file, "settings: {contrast: {profile: tiny64}, keyboard: {protect: []}}")
    assert set(found.changed(only=["keyboard"]).settings) == {"keyboard"}
    assert set(found.changed(only=["gaussian_noise", "keyboard"]).settings) == {"keyboard"}
    assert (
        yaml.safe_load(found.changed(seed=3).model_dump_json())["settings"]["contrast"]["profile"] == "tiny64"
    )


def test_a_missing_backend_is_said_before_any_work(suite_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", missing)
    found = suite(suite_file, "settings: {contrast: {backend: imagecorruptions}}")
    said = (
        "suite 'little': settings: contrast: backend 'imagecorruptions' needs imagecorruptions-imaug, which "
        "is not installed: pip install 'dmsbench[reference]' && "
        "pip install --no-deps imagecorruptions-imaug==1.1.5"
    )
    with pytest.raises(SuiteError) as caught:
        prepare(found, suite_file.parent / "results")
    assert str(caught.value) == said
    assert not (suite_file.parent / "results").exists()


@pytest.mark.skipif(
    not all(map(find_spec, ("imagecorruptions", "numba", "skimage", "nlpaug"))),
    reason="the reference packages are not installed",
)
def test_views_of_the_reference_packages(suite_file: Path) -> None:
    made = job(suite_file, "settings: {contrast: {backend: imagecorruptions}, keyboard: {backend: nlpaug}}")
    sample = made.dataset.samples[0]
    views = Views(made.suite.seed, made.dataset, made.suite.profile, made.suite.applied)
    pixels = load_image(made.dataset.image_of(sample.group))
    shown = views.image(sample.group, View("contrast", 3)).pixels
    expected = corruptions.image_view(
        pixels, "contrast", 3, seed=0, unit=sample.group, backend="imagecorruptions"
    )
    assert shown is not None
    assert np.array_equal(shown, expected)
    assert views.text(sample, View("keyboard", 5)).question == corruptions.text_view(
        sample.question, "keyboard", 5, seed=0, unit=sample.id, backend="nlpaug"
    )


def test_calibrated_is_a_profile_of_single_corruptions_too(suite_file: Path) -> None:
    made = job(suite_file, "settings: {gaussian_noise: {profile: calibrated}}")
    assert made.identity["settings"] == {"gaussian_noise": {"profile": "calibrated"}}
    assert made.suite.applied["gaussian_noise"].profile == "calibrated"


def test_the_manifest_names_the_tables_that_were_used(suite_file: Path, installed: dict[str, str]) -> None:
    plain = merged(job(suite_file), {})["severity_tables"]["corruptions"]["gaussian_noise"]
    assert plain == {"under 128 px": "tiny64", "from 128 px": "imagenet224"}
    own = merged(job(suite_file, "settings: {gaussian_noise: {profile: imagenet224}}"), {})
    assert set(own["severity_tables"]["corruptions"]["gaussian_noise"].values()) == {"imagenet224"}
    reference = merged(job(suite_file, "settings: {gaussian_noise: {backend: imagecorruptions}}"), {})
    tables = set(reference["severity_tables"]["corruptions"]["gaussian_noise"].values())
    assert tables == {"imagecorruptions's own"}
