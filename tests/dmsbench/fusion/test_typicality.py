"""Typicality against the dense Gaussian algebra that it abbreviates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmsbench.errors import ModelError
from dmsbench.fusion.typicality import Typicality, load_typicality, save_typicality


def clean(rows: int = 200, width: int = 12, seed: int = 0) -> torch.Tensor:
    draw = torch.Generator().manual_seed(seed)
    stretch = torch.linspace(3.0, 0.1, width)
    turn, _ = torch.linalg.qr(torch.randn(width, width, generator=draw))
    return torch.randn(rows, width, generator=draw) * stretch @ turn + 5.0


def by_hand(features: np.ndarray, asked: np.ndarray, components: int) -> np.ndarray:
    """Eigenvectors of the covariance instead of a singular value decomposition."""
    mean = features.mean(axis=0)
    covariance = np.cov(features, rowvar=False)
    values, vectors = np.linalg.eigh(covariance)
    values, vectors = values[::-1][:components], vectors[:, ::-1][:, :components]
    along = (asked - mean) @ vectors
    kept = (along**2 / values).sum(axis=1) / components
    left = ((asked - mean) ** 2).sum(axis=1) - (along**2).sum(axis=1)
    residual = np.trace(covariance) - values.sum()
    found: np.ndarray = 0.5 * np.log1p(np.stack([kept, left / residual], axis=1))
    return found


@pytest.mark.parametrize("components", [1, 4, 11])
def test_the_distances_are_those_of_the_covariance(components: int) -> None:
    features, asked = clean(), clean(rows=50, seed=1) + 1.0
    found = Typicality.fit(features, components).distance(asked)
    expected = by_hand(features.double().numpy(), asked.double().numpy(), components)
    assert found.shape == (50, 2)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-5)


def test_clean_rows_lie_near_half_the_logarithm_of_two() -> None:
    found = Typicality.fit(clean(2000), 4).distance(clean(500)).mean(dim=0)
    assert (found - 0.5 * np.log(2.0)).abs().max() < 0.1


def test_each_number_sees_its_own_kind_of_strangeness() -> None:
    features = clean()
    fitted = Typicality.fit(features, 4)
    along = fitted.mean + 20.0 * fitted.directions[0]
    away = torch.linalg.svd(fitted.directions, full_matrices=True).Vh[-1]
    aside = fitted.mean + 20.0 * away
    first, second = fitted.distance(torch.stack([along, aside])).tolist()
    assert first[0] > 0.8
    assert first[1] == pytest.approx(0.0, abs=1e-6)
    assert second[0] == pytest.approx(0.0, abs=1e-6)
    assert second[1] > 0.8


@settings(deadline=None, max_examples=30)
@given(st.permutations(range(30)), st.sampled_from([1, 3, 40]))
def test_the_order_of_rows_does_not_matter(order: list[int], components: int) -> None:
    features = clean(30, 6)
    first, second = (
        Typicality.fit(features, components),
        Typicality.fit(features[order], components),
    )
    assert len(first.variances) == min(components, 6)
    torch.testing.assert_close(first.directions, second.directions, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(first.distance(features), second.distance(features))
    largest = first.directions.abs().argmax(dim=1, keepdim=True)
    assert (first.directions.gather(1, largest) > 0).all()
    assert (first.variances.diff() <= 0).all()


@pytest.mark.parametrize("rows", [2, 5])
def test_few_rows_and_features_that_never_vary_stay_finite(rows: int) -> None:
    features = clean(rows)
    features[:, 3] = 1.0
    fitted = Typicality.fit(features)
    assert len(fitted.variances) <= rows - 1
    assert torch.isfinite(fitted.distance(clean(20, seed=2) * 1e3)).all()
    same = Typicality.fit(torch.ones(4, 3))
    assert same.distance(torch.ones(1, 3)).tolist() == [[0.0, 0.0]]
    assert same.distance(torch.zeros(1, 3))[0, 1] > 1.0


def test_a_row_that_is_not_finite_is_not_measured() -> None:
    asked = clean(3)
    asked[1, 2] = torch.nan
    asked[2, 0] = torch.inf
    found = Typicality.fit(clean()).distance(asked)
    assert torch.isfinite(found[0]).all()
    assert found[1:].isnan().all()


def test_tensors_are_the_whole_of_it() -> None:
    fitted = Typicality.fit(clean(), 4)
    again = Typicality.from_tensors(fitted.tensors())
    assert torch.equal(again.distance(clean(9, seed=3)), fitted.distance(clean(9, seed=3)))
    assert {name: part.dtype for name, part in fitted.tensors().items()} == dict.fromkeys(
        ("mean", "directions", "variances", "residual"), torch.float64
    )


def test_damaged_tensors_are_refused() -> None:
    whole = Typicality.fit(clean(), 4).tensors()
    with pytest.raises(ModelError, match="lacks variances"):
        Typicality.from_tensors({key: part for key, part in whole.items() if key != "variances"})
    with pytest.raises(ModelError, match="fit together"):
        Typicality.from_tensors({**whole, "mean": torch.zeros(3)})
    for damaged in ({"mean": whole["mean"] * torch.nan}, {"variances": -whole["variances"]}):
        with pytest.raises(ModelError, match="not finite or not positive"):
            Typicality.from_tensors({**whole, **damaged})


def test_a_file_for_all_modalities(tmp_path: Path) -> None:
    path = tmp_path / "new" / "typicality.safetensors"
    both = {"image": Typicality.fit(clean(), 4), "text": Typicality.fit(clean(50, 3))}
    save_typicality(path, both)
    loaded = load_typicality(path)
    assert {name: one.fingerprint for name, one in loaded.items()} == {
        name: one.fingerprint for name, one in both.items()
    }
    assert both["image"].fingerprint != both["text"].fingerprint
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ModelError, match="is damaged"):
        load_typicality(path)
    with pytest.raises(ModelError, match="cannot be read"):
        load_typicality(tmp_path / "none")


def test_features_that_cannot_be_fitted_are_refused() -> None:
    for features, components, message in (
        (torch.zeros(1, 3), 4, "at least 2 rows"),
        (clean(), 0, "at least 1"),
        (clean() * torch.nan, 4, "finite"),
    ):
        with pytest.raises(ValueError, match=message):
            Typicality.fit(features, components)
    with pytest.raises(ValueError, match="fitted on width 12"):
        Typicality.fit(clean()).distance(torch.zeros(1, 3))
