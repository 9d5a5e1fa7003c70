"""Families of conditions and their relation to a fit, by hand and over the whole catalogue."""

from __future__ import annotations

import pytest

import corruptions
from dmsbench.families import (
    RELATIONS,
    by_family,
    by_relation,
    condition_family,
    family_members,
    family_of,
    relation,
)
from dmsbench.grid import CLEAN, Condition, View


def image(name: str, severity: int = 1, text: View = CLEAN) -> Condition:
    return Condition(View(name, severity), text)


def text(name: str) -> Condition:
    return Condition(CLEAN, View(name, 1))


def test_every_corruption_is_in_one_family() -> None:
    members = family_members()
    assert sorted(name for names in members.values() for name in names) == sorted(corruptions.names())
    assert members["image:noise"][:3] == ("gaussian_noise", "shot_noise", "impulse_noise")
    assert family_of("mask_text") == "text:blank" != family_of("blank_black") == "image:blank"
    assert family_of("not_there") is None


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (Condition(), None),
        (image("gaussian_noise", 3), "fitted"),
        (image("shot_noise"), "same family"),
        (image("fog"), "unseen family"),
        (text("mask_text"), "fitted"),
        (image("blank_black"), "unseen family"),  # blank too, but of the image
        (image("mismatch_image"), "fitted"),  # mismatch under its full name
        (text("mismatch_text"), "unseen family"),
        (image("gaussian_noise", 1, View("mask_text", 2)), "fitted"),
        (image("gaussian_noise", 1, View("keyboard", 2)), "unseen family"),
        (image("shot_noise", 1, View("mask_text", 2)), "same family"),
        (image("not_there"), None),
    ],
)
def test_relation(condition: Condition, expected: str | None) -> None:
    assert relation(condition, ("gaussian_noise", "mask_text", "mismatch")) == expected


def test_groups_are_in_order_and_hold_every_corrupted_condition_once() -> None:
    conditions = [
        Condition(),
        image("fog"),
        text("ocr"),
        image("shot_noise", 1, View("ocr", 1)),
        image("shot_noise"),
        image("gaussian_noise", 2),
        image("not_there"),
    ]
    families = by_family(conditions)
    assert list(families) == ["image:noise", "image:weather", "text:character", "image:noise+text:character"]
    assert families["image:noise"] == (conditions[4], conditions[5])
    related = by_relation(conditions, {"gaussian_noise"})
    assert related == {
        "fitted": (conditions[5],),
        "same family": (conditions[4],),
        "unseen family": (conditions[1], conditions[2], conditions[3]),
    }
    assert tuple(related) == RELATIONS
    assert by_relation(conditions, ()) == {}
    assert condition_family(conditions[3]) == "image:noise+text:character"
