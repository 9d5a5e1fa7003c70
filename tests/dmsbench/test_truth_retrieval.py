"""What a corruption hits in a search, and which queries are left out for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from corruptions import Topic
from dmsbench.data import scenes
from dmsbench.data.base import Direction, Sample
from dmsbench.grid import CLEAN, Condition, View
from dmsbench.suite import Suite, load_suite
from dmsbench.truth import LeftOut, Truth, included_though_false, left_out, lines

NOISE, HUE, KEYS, OTHER = (
    View(name, 3) for name in ("gaussian_noise", "hue_shift", "keyboard", "mismatch_text")
)


def query(
    direction: Direction, group: str = "a", title: str | None = None, fault: str | None = None
) -> Sample:
    about: tuple[Topic, ...] = ("colour",)
    item = direction == "image_to_text"
    name = f"{group}/image" if item else group
    return Sample(name, group, Path("a.png"), "" if item else "red", ("x",), title, fault, about, direction)


ITEM, TEXT = query("image_to_text", title="it"), query("text_to_image")
BARE, BARE_TEXT = query("image_to_text", "b"), query("text_to_image", "b")
SAMPLES = (ITEM, TEXT, BARE, BARE_TEXT)


def suite(side: str, **changes: Any) -> Suite:
    return Suite.model_validate(
        {
            "name": "s",
            "task": "retrieval",
            "dataset": {"name": "scenes"},
            "retrieval": {"image_to_text": side, "text_to_image": side},
            "grid": {
                "image": ["gaussian_noise", "hue_shift"],
                "text": ["keyboard"],
                "modality": ["mismatch_text"],
            },
            **changes,
        }
    )


@pytest.mark.parametrize(
    ("side", "view", "hit"),
    [
        ("query", NOISE, {ITEM, BARE}),
        ("gallery", NOISE, {TEXT, BARE_TEXT}),
        ("both", NOISE, set(SAMPLES)),
        # Of words titles are hit with the items; where texts are, every query of that direction is hit.
        ("query", KEYS, {ITEM, TEXT, BARE_TEXT}),
        ("gallery", KEYS, {ITEM, BARE, TEXT}),
        ("both", KEYS, set(SAMPLES)),
    ],
)
def test_what_hits_nothing_is_left_out(side: str, view: View, hit: set[Sample]) -> None:
    truth = Truth.of(suite(side), SAMPLES)
    reasons = {sample.id: truth.reason(sample, view, CLEAN) for sample in SAMPLES}
    assert {sample for sample in SAMPLES if reasons[sample.id] is None} == hit
    for sample in set(SAMPLES) - hit:
        said = f"{view.corruption} hits nothing: of {sample.direction} the {side} is corrupted"
        assert (reasons[sample.id] or "").startswith(said)
    assert all(truth.reason(sample, CLEAN, CLEAN) is None for sample in SAMPLES)


def test_reasons_in_full() -> None:
    truth = Truth.of(load_suite("retrieval-corrupt").changed(severities=[3]), SAMPLES)
    assert truth.reason(BARE, KEYS) == (
        "keyboard hits nothing: of image_to_text the query is corrupted, and the item has no title"
    )
    truth = Truth.of(suite("query"), SAMPLES)
    assert truth.reason(TEXT, NOISE) == "gaussian_noise hits nothing: of text_to_image the query is corrupted"
    # Of a joint condition either part.
    assert truth.reason(TEXT, NOISE, KEYS) == truth.reason(TEXT, NOISE)
    assert truth.reason(ITEM, NOISE, KEYS) is None
    assert truth.reason(query("text_to_image", fault="line 1: no image"), NOISE) is None


def test_only_what_is_hit_is_made_false() -> None:
    truth = Truth.of(suite("query", protect=[]), SAMPLES)
    assert truth.reason(ITEM, HUE) == "hue_shift makes colour false"
    assert truth.reason(TEXT, HUE) == "hue_shift hits nothing: of text_to_image the query is corrupted"
    assert truth.reason(ITEM, KEYS) is None, "a damaged title is no other caption"
    assert truth.reason(TEXT, KEYS) == "keyboard makes colour false"
    assert truth.reason(ITEM, OTHER) == truth.reason(TEXT, OTHER) == "mismatch_text makes everything false"
    gallery = Truth.of(suite("gallery", protect=[]), SAMPLES)
    assert gallery.reason(TEXT, HUE) == "hue_shift makes colour false"
    assert gallery.reason(TEXT, KEYS) is None
    assert gallery.reason(ITEM, KEYS) == gallery.reason(BARE, KEYS) == "keyboard makes colour false"
    asked = Truth.of(suite("query", include_false=["hue_shift", "mismatch_text"]), SAMPLES)
    assert asked.reason(ITEM, HUE, OTHER) is None
    assert asked.reason(BARE, OTHER) is not None and asked.reason(TEXT, HUE) is not None
    assert included_though_false(asked, SAMPLES) == ["hue_shift", "mismatch_text"]
    assert included_though_false(asked, (BARE_TEXT,)) == ["mismatch_text"]


def test_a_title_that_cannot_be_used_is_none() -> None:
    faulty = query("image_to_text", title="it", fault="line 1: no image")
    assert Truth.of(suite("gallery"), [faulty, TEXT]).reason(TEXT, KEYS) is not None


def test_counts_and_lines() -> None:
    truth = Truth.of(suite("query"), SAMPLES)
    conditions = [Condition(), Condition(NOISE), Condition(HUE), Condition(CLEAN, KEYS)]
    found = left_out(truth, SAMPLES, conditions)
    assert found == [
        LeftOut("gaussian_noise", 2, ("nothing to corrupt",)),
        LeftOut("hue_shift", 4, ("colour", "nothing to corrupt")),
        LeftOut("keyboard", 1, ("nothing to corrupt",)),
    ]
    assert lines(found[:1], [], {}, 4) == ["left out: gaussian_noise 2 of 4 samples (nothing to corrupt)"]


def test_the_shipped_suite_asks_every_query_under_everything() -> None:
    shipped = load_suite("retrieval-corrupt")
    samples = scenes.load("test", 2, 30, "retrieval").samples
    assert left_out(Truth.of(shipped, samples), samples, shipped.conditions) == []
    assert included_though_false(Truth.of(shipped, samples), samples) == ["mismatch", "mismatch_text"]
