"""The learned scheduler: starts at static, finds the broken corner, claims nothing from noise."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from dmsbench.errors import ModelError
from dmsbench.fusion.controls import Permuted
from dmsbench.fusion.features import ANSWERS, GROUPS, PAPER, Standardiser, columns, raw_features
from dmsbench.fusion.fitting import FitSettings, Fitted, fit_learned
from dmsbench.fusion.learned import CARD_FILE, WEIGHTS_FILE, LearnedScheduler, Network
from dmsbench.fusion.objective import split_by_group
from dmsbench.fusion.points import CORNERS_AND_UNIFORM, Evidence, Mixture, Points, mix

if TYPE_CHECKING:
    from conftest import Case, MakeCase

pytestmark = pytest.mark.usefixtures("one_thread")
QUICK = FitSettings(epochs=40, batch_rows=256, learning_rate=1e-2, patience=8)


def fitted(case: Case, features: tuple[str, ...] = GROUPS, **changed: Any) -> Fitted:
    given: dict[str, Any] = {"points": CORNERS_AND_UNIFORM, "settings": QUICK, **changed}
    return fit_learned(
        case.evidence,
        case.log_likelihood,
        features=features,
        conditions=case.conditions,
        groups=case.groups,
        **given,
    )


@pytest.fixture(scope="module")
def case(make_case: MakeCase) -> Case:
    return make_case()


@pytest.fixture(scope="module")
def trained(case: Case) -> Fitted:
    return fitted(case)


def accuracy(probabilities: torch.Tensor, case: Case) -> float:
    return float((probabilities.argmax(dim=1) == case.answer).double().mean())


def fresh(features: tuple[str, ...] = GROUPS, **changed: Any) -> LearnedScheduler:
    names = columns(CORNERS_AND_UNIFORM, features)
    network = Network.initial(
        len(names), 3, hidden=32, activation="tanh", generator=torch.Generator().manual_seed(0)
    )
    standardiser = Standardiser(names, (0.0,) * len(names), (1.0,) * len(names))
    return LearnedScheduler(CORNERS_AND_UNIFORM, features, standardiser, network, **changed)


# The start


@pytest.mark.parametrize("features", [(), PAPER, ANSWERS, GROUPS])
def test_it_starts_at_static_whatever_the_features(case: Case, features: tuple[str, ...]) -> None:
    share = fresh(features).mixture(case.evidence)
    torch.testing.assert_close(share, torch.tensor([[0.01, 0.01, 0.98]]).expand(len(share), 3))
    torch.testing.assert_close(fresh(features).weights(case.evidence), torch.full((len(share), 2), 0.5))


@pytest.mark.parametrize("activation", ["tanh", "gelu"])
def test_the_last_layer_starts_at_zero_and_the_first_does_not(activation: str) -> None:
    generator = torch.Generator().manual_seed(3)
    network = Network.initial(7, 3, hidden=32, activation=activation, generator=generator)
    assert not network.output_weight.any()
    assert not network.output_bias.any()
    assert network.hidden_weight.unique().numel() == 7 * 32
    assert network(torch.randn(50, 7, generator=generator)).unique().tolist() == [0.0]


def test_the_history_starts_at_the_untrained_scheduler(case: Case, trained: Fitted) -> None:
    start = torch.tensor([0.01, 0.01, 0.98]).double()
    gain = (start * case.log_likelihood.exp()).sum(dim=1).log().numpy()
    held = [entry.epoch for entry in trained.history]
    assert held == list(range(len(held)))
    by_condition = [gain[np.array(case.conditions) == name].mean() for name in set(case.conditions)]
    both = [trained.history[0].training, trained.history[0].validation]
    assert min(both) - 0.05 < np.mean(by_condition) < max(both) + 0.05
    assert trained.history[0].weight_entropy == pytest.approx(1.0)


# What it learns


def test_it_finds_the_broken_corner_on_rows_never_seen(make_case: MakeCase, trained: Fitted) -> None:
    unseen = make_case(3000, seed=1)
    share = trained.scheduler.mixture(unseen.evidence)
    assert (share >= 0).all()
    torch.testing.assert_close(share.sum(dim=1), torch.ones(3000))
    static = float(unseen.right[:, 2].double().mean())
    by_condition = [unseen.right[unseen.broken == flag].double() for flag in (-1, 0, 1)]
    oracle = sum(float(right.mean(dim=0).max()) * len(right) for right in by_condition) / 3000
    mixed = accuracy(mix(share, unseen.evidence.probabilities), unseen)
    assert oracle - static > 0.1
    assert mixed - static > 0.8 * (oracle - static)
    image = trained.scheduler.weights(unseen.evidence)[:, 0]
    assert image[unseen.broken == 0].mean() < 0.2
    assert image[unseen.broken == 1].mean() > 0.8


def test_what_it_gains_is_lost_with_the_shares_of_another_row(make_case: MakeCase, trained: Fitted) -> None:
    unseen = make_case(3000, seed=1)
    static = float(unseen.right[:, 2].double().mean())
    own, others = (
        accuracy(Mixture(scheduler).fuse(unseen.evidence), unseen)
        for scheduler in (trained.scheduler, Permuted(trained.scheduler))
    )
    assert others < static + 0.02 < own


def test_it_needs_no_breakage_of_the_other_modality(make_case: MakeCase) -> None:
    """Fitted on clean rows and on rows with a broken image alone."""
    case, unseen = make_case(), make_case(3000, seed=1)
    seen = case.broken < 1
    kept = seen.nonzero()[:, 0].tolist()
    found = fit_learned(
        case.evidence.rows(seen),
        case.log_likelihood[seen],
        points=CORNERS_AND_UNIFORM,
        features=GROUPS,
        conditions=[case.conditions[row] for row in kept],
        groups=[case.groups[row] for row in kept],
        settings=QUICK,
    )
    share = found.scheduler.mixture(unseen.evidence)
    right = mix(share, unseen.evidence.probabilities).argmax(dim=1) == unseen.answer
    image = unseen.broken == 0
    assert right[image].double().mean() > unseen.right[image, 2].double().mean() + 0.1


def test_the_standardisation_is_that_of_the_training_rows(case: Case) -> None:
    held = torch.arange(len(case.evidence)) % 5 == 0
    found = fitted(case, ANSWERS, held_out=held, settings=FitSettings(epochs=1)).scheduler
    training = raw_features(case.evidence, CORNERS_AND_UNIFORM, ANSWERS)[~held].double().numpy()
    np.testing.assert_allclose(found.standardiser.mean, training.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found.standardiser.std, training.std(axis=0), rtol=1e-6)


def test_useless_features_stay_within_noise_of_static(make_case: MakeCase) -> None:
    case, unseen = make_case(useful=False), make_case(3000, seed=1, useful=False)
    found = fitted(case, ("uncertainty", "consistency", "typicality"))
    share = found.scheduler.mixture(unseen.evidence)
    static = float(unseen.right[:, 2].double().mean())
    assert abs(accuracy(mix(share, unseen.evidence.probabilities), unseen) - static) < 0.025
    assert found.best.validation >= found.history[0].validation


def test_typicality_that_was_not_measured_is_taken_for_the_mean(case: Case, trained: Fitted) -> None:
    blind = Evidence(
        case.evidence.probabilities,
        case.evidence.uncertainty,
        case.evidence.consistency,
        torch.full_like(case.evidence.typicality, torch.nan),  # type: ignore[arg-type]
    )
    assert torch.isfinite(trained.scheduler.mixture(blind)).all()


def test_a_row_does_not_depend_on_its_batch(case: Case, trained: Fitted) -> None:
    whole = trained.scheduler.mixture(case.evidence)
    some = torch.tensor([5, 3, 700])
    torch.testing.assert_close(trained.scheduler.mixture(case.evidence.rows(some)), whole[some])


def test_no_features_give_the_best_constant_mixture(case: Case) -> None:
    """Against the constant found by EM on the same rows (mixture weights: the classic fixed point)."""
    every = torch.ones(len(case.evidence), dtype=torch.bool)
    every[::7] = False
    long = FitSettings(epochs=400, batch_rows=4096, learning_rate=3e-2, weight_decay=0.0, patience=400)
    found = fitted(case, (), held_out=~every, settings=long)
    share = found.scheduler.mixture(case.evidence)
    assert share.unique(dim=0).shape[0] == 1
    rows, best = (~every), torch.full((3,), 1 / 3).double()
    likely = case.log_likelihood[rows].exp()
    names = [name for name, kept in zip(case.conditions, rows.tolist(), strict=True) if kept]
    weight = torch.tensor([1.0 / names.count(name) for name in names]).double()
    for _ in range(3000):
        part = best * likely
        best = (weight[:, None] * part / part.sum(dim=1, keepdim=True)).sum(dim=0) / weight.sum()
    reached = float((weight * (likely @ best).log()).sum() / weight.sum())
    assert found.best.validation == pytest.approx(reached, abs=0.01)
    assert found.best.validation <= reached + 1e-6


# Repeatability


def test_equal_inputs_give_equal_schedulers_and_touch_no_global_generator(case: Case) -> None:
    before = torch.get_rng_state()
    first, second = (fitted(case, PAPER).scheduler for _ in range(2))
    assert first.fingerprint == second.fingerprint
    assert torch.equal(before, torch.get_rng_state())
    other = fitted(case, PAPER, settings=FitSettings(epochs=3, seed=1)).scheduler
    assert other.fingerprint != first.fingerprint


def test_the_validation_split_keeps_groups_whole(case: Case) -> None:
    held = split_by_group(case.groups, 0.2)
    sides: dict[str, set[bool]] = {}
    for group, side in zip(case.groups, held.tolist(), strict=True):
        sides.setdefault(group, set()).add(side)
    assert all(len(side) == 1 for side in sides.values())
    assert 0.1 < held.double().mean() < 0.3
    assert not torch.equal(held, split_by_group(case.groups, 0.2, seed=1))
    with pytest.raises(ValueError, match="too few"):
        split_by_group(["one"] * 9, 0.2)


def test_evidence_measured_in_inference_mode_can_be_fitted(case: Case) -> None:
    with torch.inference_mode():
        evidence = case.evidence.rows(torch.arange(len(case.evidence)))
        found = fit_learned(
            evidence,
            case.log_likelihood,
            points=CORNERS_AND_UNIFORM,
            features=PAPER,
            conditions=case.conditions,
            groups=case.groups,
            settings=FitSettings(epochs=2),
        )
    assert len(found.history) == 3


def test_rows_that_no_point_answers_do_no_harm(case: Case) -> None:
    hopeless = case.log_likelihood.clone()
    hopeless[:20] = -torch.inf
    found = fit_learned(
        case.evidence,
        hopeless,
        points=CORNERS_AND_UNIFORM,
        features=PAPER,
        conditions=case.conditions,
        groups=case.groups,
        settings=FitSettings(epochs=2),
    )
    assert all(math.isfinite(epoch.training) for epoch in found.history)


# The weight consistency loss within


def test_a_heavy_mwcl_drives_the_weights_to_one_corner(case: Case) -> None:
    draw = torch.Generator().manual_seed(0)
    embeddings = torch.randn(len(case.evidence), 2, 4, generator=draw)
    plain = fitted(case, ("consistency",), embeddings=embeddings, settings=FitSettings(epochs=30))
    heavy = fitted(
        case,
        ("consistency",),
        embeddings=embeddings,
        settings=FitSettings(epochs=30, patience=30, mwcl=20.0, learning_rate=3e-2),
    )
    assert heavy.history[-1].weight_entropy < plain.history[-1].weight_entropy - 0.1
    with pytest.raises(ValueError, match="needs embeddings"):
        fitted(case, settings=FitSettings(mwcl=1.0))


# Saving


@pytest.mark.parametrize("mode", ["mixture", "bias"])
def test_saved_and_loaded_it_is_the_same(case: Case, tmp_path: Path, mode: str) -> None:
    scheduler = fitted(case, mode=mode, settings=FitSettings(epochs=3, activation="gelu")).scheduler
    scheduler.save(tmp_path / "new" / "folder")
    loaded = LearnedScheduler.load(tmp_path / "new" / "folder")
    assert torch.equal(loaded.mixture(case.evidence), scheduler.mixture(case.evidence))
    assert loaded.settings() == scheduler.settings()
    assert loaded.settings()["mode"] == mode
    assert loaded.fitted == scheduler.fitted
    assert loaded.needs_typicality
    card = json.loads((tmp_path / "new" / "folder" / CARD_FILE).read_text())
    assert card["columns"][:2] == ["confidence(image)", "confidence(text)"]
    assert card["fingerprint"] == scheduler.fingerprint


def _cut(folder: Path) -> None:
    content = (folder / WEIGHTS_FILE).read_bytes()
    (folder / WEIGHTS_FILE).write_bytes(content[: len(content) // 2])


def _change(**entries: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        card = json.loads((folder / CARD_FILE).read_text())
        for name, value in entries.items():
            if value is None:
                del card[name]
            else:
                card[name] = value
        (folder / CARD_FILE).write_text(json.dumps(card))

    return change


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / CARD_FILE).unlink(), "no scheduler in .*scheduler.json cannot be read"),
        (lambda folder: (folder / WEIGHTS_FILE).unlink(), "scheduler.safetensors cannot be read"),
        (lambda folder: (folder / CARD_FILE).write_text("{"), "not valid JSON"),
        (lambda folder: (folder / CARD_FILE).write_text("[1]"), "not the card of a learned scheduler"),
        (_cut, "is damaged"),
        (_change(format=2), "has format 2"),
        (_change(mean=None), "lacks 'mean'"),
        (_change(static_share=0.5), "do not belong together"),
        (_change(features=["confidence", "colour"]), "damaged: feature groups"),
        (_change(columns=["a"]), "damaged"),
        (_change(mean="x"), "damaged"),
        (_change(points=3), "damaged"),
        (_change(mode="both"), "damaged: the mode"),
    ],
)
def test_damage_is_named_in_one_line(tmp_path: Path, damage: Callable[[Path], Any], message: str) -> None:
    fresh().save(tmp_path)
    damage(tmp_path)
    with pytest.raises(ModelError, match=message) as caught:
        LearnedScheduler.load(tmp_path)
    assert "\n" not in str(caught.value)


def test_weights_of_another_scheduler_are_noticed(case: Case, trained: Fitted, tmp_path: Path) -> None:
    fresh().save(tmp_path / "a")
    trained.scheduler.save(tmp_path / "b")
    (tmp_path / "b" / WEIGHTS_FILE).replace(tmp_path / "a" / WEIGHTS_FILE)
    with pytest.raises(ModelError, match="do not belong together"):
        LearnedScheduler.load(tmp_path / "a")


# What is refused


def test_inputs_that_do_not_fit_are_refused(case: Case) -> None:
    corners = Points(("image", "text"), ((1.0, 0.0), (0.0, 1.0)))
    with pytest.raises(ValueError, match="log-likelihoods"):
        fitted(case, points=corners)
    with pytest.raises(ValueError, match="both training and validation"):
        fitted(case, held_out=torch.ones(len(case.evidence), dtype=torch.bool))
    with pytest.raises(ValueError, match="bool tensor"):
        fitted(case, held_out=torch.ones(3, dtype=torch.bool))
    with pytest.raises(ValueError, match="feature groups"):
        fitted(case, ("confidence", "confidence"))
    with pytest.raises(ValueError, match="static share"):
        fresh(static_share=1.0)
    with pytest.raises(ValueError, match="patience"):
        FitSettings(patience=0)


def test_evidence_without_typicality_is_refused_where_it_is_needed(case: Case) -> None:
    bare = Evidence(case.evidence.probabilities, case.evidence.uncertainty, case.evidence.consistency)
    with pytest.raises(ValueError, match="holds no typicality"):
        fresh().mixture(bare)
    assert fresh(ANSWERS).mixture(bare).shape == (len(bare), 3)
    assert not fresh(ANSWERS).needs_typicality
    assert raw_features(bare, CORNERS_AND_UNIFORM, ()).shape == (len(bare), 0)
