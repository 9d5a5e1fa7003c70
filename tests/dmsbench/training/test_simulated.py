"""What a fit draws: every image, seeded, nothing held out, nothing that would make an answer wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

import corruptions
from dmsbench.data.base import Sample
from dmsbench.errors import DmsbenchError, UnknownNameError
from dmsbench.suite import load_suite
from dmsbench.training.simulated import DAMAGE, FAMILIES, chosen_families, draws, reserved, simulating


def sample(number: int, *, context: str | None = None, **about: object) -> Sample:
    made = Sample(
        f"s{number}", f"g{number // 3}", Path("x.png"), "what colour is it?", ("red",), context=context
    )
    return replace(made, **about)  # type: ignore[arg-type]


MANY = [sample(number, context="a red thing") for number in range(1500)]


def test_draws_are_seeded_and_independent_of_the_other_images() -> None:
    found = draws(MANY, FAMILIES, seed=0)
    assert found == draws(MANY, FAMILIES, seed=0)
    few = draws(MANY[:300], FAMILIES, seed=0)
    assert few == found[: len(few)]
    assert [d.condition for d in found] != [d.condition for d in draws(MANY, FAMILIES, seed=1)]
    assert Counter(draw.number for draw in found) == {0: 500, 1: 500}
    assert all(len(draw.samples) == 3 for draw in found)


def test_all_families_severities_and_clean_rows_come_up_alike() -> None:
    found = draws(MANY, FAMILIES, seed=3)
    names = Counter(draw.condition.corruption for draw in found)
    assert set(names) == {*FAMILIES, "clean"}
    assert min(names.values()) > 0.5 * 1000 / 7
    assert {draw.condition.severity for draw in found} == set(range(6))


def test_what_would_be_wrong_is_not_asked() -> None:
    plain = [sample(number) for number in range(300)]
    names = {draw.condition.corruption for draw in draws(plain, FAMILIES, seed=0)}
    assert "mismatch_text" not in names and "mask_text" in names, "the question itself would be another"
    worded = [replace(each, about=("colour",)) for each in plain]
    assert not [d for d in draws(worded, ["hue_shift"], seed=0) if d.condition.corruption == "hue_shift"]
    faulty = [replace(each, fault="empty") for each in plain]
    assert draws(faulty, FAMILIES, seed=0) == []


def test_the_usual_families_are_the_first_of_their_kind() -> None:
    assert FAMILIES == (
        "gaussian_noise",
        "occlusion",
        "brightness",
        "keyboard",
        "word_delete",
        "mask_text",
        "mismatch_text",
    )
    kinds = {(corruptions.get(name).target, corruptions.get(name).family) for name in FAMILIES}
    assert kinds == set(DAMAGE) and len(kinds) == len(FAMILIES)


def test_families() -> None:
    assert chosen_families((), ()) == FAMILIES
    assert chosen_families((), ("occlusion", "fog")) == tuple(n for n in FAMILIES if n != "occlusion")
    assert chosen_families(("fog", "fog", "ocr"), ()) == ("fog", "ocr")
    with pytest.raises(UnknownNameError, match="did you mean 'fog'"):
        chosen_families(("foog",), ())
    with pytest.raises(UnknownNameError, match="did you mean 'occlusion'"):
        chosen_families((), ("oclusion",))
    with pytest.raises(DmsbenchError, match="'fog' is held out"):
        chosen_families(("fog", "ocr"), ("fog",))
    with pytest.raises(DmsbenchError, match="leaves one modality"):
        chosen_families(("drop_image",), ())
    with pytest.raises(DmsbenchError, match="every corruption is held out"):
        chosen_families((), FAMILIES)


def test_whole_families_are_held_out() -> None:
    assert chosen_families((), ("image:noise", "text:word")) == (
        "occlusion",
        "brightness",
        "keyboard",
        "mask_text",
        "mismatch_text",
    )
    assert reserved(("fog", "text:blank", "fog", "image:weather")) == (
        "fog",
        "mask_text",
        "snow",
        "frost",
        "spatter",
        "rain",
        "shadow",
    )
    with pytest.raises(DmsbenchError, match="'shot_noise' is held out"):
        chosen_families(("fog", "shot_noise"), ("image:noise",))
    for wrong, meant in (("image:nois", "image:noise"), ("noise", "image:noise"), ("oclusion", "occlusion")):
        with pytest.raises(UnknownNameError, match=f"did you mean '{meant}'"):
            chosen_families((), (wrong,))
    with pytest.raises(UnknownNameError, match="unknown corruption 'image:noise'"):
        chosen_families(("image:noise",), ())


def test_one_corruption_under_two_names_is_held_out_under_both() -> None:
    assert reserved(("mismatch",)) == ("mismatch", "mismatch_image")
    assert reserved(("mismatch_image",)) == ("mismatch_image", "mismatch")
    for named, held_out in (("mismatch", "mismatch_image"), ("mismatch_image", "mismatch")):
        with pytest.raises(DmsbenchError, match=f"'{named}' is held out"):
            chosen_families((named, "fog"), (held_out,))


def test_corruptions_are_made_as_the_suite_sets_them() -> None:
    suite = load_suite("context-vqa-corrupt")
    ours = simulating(suite, ("word_delete", "word_swap", "low_light", "mismatch_text"))
    assert ours.corruption_names == ("low_light", "word_delete", "word_swap", "mismatch_text")
    assert ours.applied["word_swap"].protect == suite.applied["word_delete"].protect == frozenset()
    assert ours.unprotected == {"word_delete", "word_swap"}
    coloured = [replace(each, about=("colour",), context=None) for each in MANY[:300]]
    names = {d.condition.corruption for d in draws(coloured, ("word_swap",), 0, unprotected=ours.unprotected)}
    assert names == {"clean"}
