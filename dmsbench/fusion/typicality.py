"""Typicality: how far a modality's pooled features lie from those of clean training data.

The signal that entropy misses: a network is often as sure on noise as on a clean picture, but its features
leave the region that clean pictures fill. Gaussian in the leading principal components, everything else one
residual: probabilistic PCA's split (Tipping & Bishop, JRSS B 61, 1999); the Mahalanobis distance as a sign of
strange inputs after Lee et al., arXiv 1807.03888.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from dmsbench.errors import ModelError
from dmsbench.files import write_atomically

_KEYS = ("mean", "directions", "variances", "residual")
_RIDGE = 1e-6  # of the mean variance: features that never vary in training must not give infinite distances


@dataclass(frozen=True, slots=True, eq=False)
class Typicality:
    """Clean features in short, all float64.

    ``mean`` (D,); ``directions`` (C, D): orthonormal principal directions, variances falling, each with its
    entry of largest size positive; ``variances`` (C,): along them; ``residual``: mean squared length of what
    the directions leave, positive.
    """

    mean: torch.Tensor
    directions: torch.Tensor
    variances: torch.Tensor
    residual: torch.Tensor

    @classmethod
    def fit(cls, features: torch.Tensor, components: int = 40) -> Typicality:
        """From clean training features (N, D), keeping at most ``components`` directions.

        Never more than min(N − 1, D), and none without variance. Raises ValueError for fewer than 2 rows,
        for components < 1 and for features that are not finite.
        """
        if features.ndim != 2 or len(features) < 2:
            raise ValueError(f"features of shape {tuple(features.shape)}, not (at least 2 rows, width)")
        if components < 1:
            raise ValueError(f"components must be at least 1, not {components}")
        exact = features.detach().double().cpu()
        if not torch.isfinite(exact).all():
            raise ValueError("features must be finite")
        mean = exact.mean(dim=0)
        centred = exact - mean
        _, singular, directions = torch.linalg.svd(centred, full_matrices=False)
        variances = singular.square() / (len(exact) - 1)
        varying = int((singular > 1e-10 * singular[0].clamp_min(1e-300)).sum())
        kept = min(components, len(exact) - 1, varying)
        directions, variances = directions[:kept], variances[:kept]
        largest = directions.abs().argmax(dim=1, keepdim=True)
        directions = directions * directions.gather(1, largest).sign()
        total = centred.square().sum() / (len(exact) - 1)
        floor = max(_RIDGE * float(total) / exact.shape[1], 1e-12)
        residual = (total - variances.sum()).clamp_min(floor)
        return cls(mean, directions, variances.clamp_min(floor), residual)

    def distance(self, features: torch.Tensor) -> torch.Tensor:
        """Two log distances (B, 2) float32 of features (B, D): see ``DISTANCES`` in ``features``.

        [0] ½·ln(1 + d²/C), d² = Σ_c ((x − μ)·v_c)²/λ_c the squared Mahalanobis distance in the C directions
        kept; about ½·ln 2 on clean data. [1] ½·ln(1 + r²/r̄²), r² the squared length of what is left and r̄²
        its mean in training. Both are 0 at the mean and grow as the logarithm of the distance. NaN where a
        feature is not finite. ValueError for features of another width.
        """
        if features.ndim != 2 or features.shape[1] != len(self.mean):
            raise ValueError(f"features of shape {tuple(features.shape)}, fitted on width {len(self.mean)}")
        centred = features.detach().double().cpu() - self.mean
        along = centred @ self.directions.T
        kept = (along.square() / self.variances).sum(dim=1) / max(1, len(self.variances))
        left = (centred - along @ self.directions).square().sum(dim=1) / self.residual
        found = 0.5 * torch.stack([kept, left], dim=1).log1p()
        finite = torch.isfinite(features.detach().cpu()).all(dim=1, keepdim=True)
        return torch.where(finite, found, torch.nan).float()

    def tensors(self) -> dict[str, torch.Tensor]:
        """What ``from_tensors`` takes, fit for a safetensors file."""
        return {key: getattr(self, key).contiguous() for key in _KEYS}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, torch.Tensor]) -> Typicality:
        """The inverse of ``tensors``. ModelError for tensors that are missing, misshapen or not finite."""
        missing = [key for key in _KEYS if key not in tensors]
        if missing:
            raise ModelError(f"typicality lacks {', '.join(missing)}")
        mean, directions, variances, residual = (tensors[key].double() for key in _KEYS)
        fits = mean.ndim == 1 and directions.shape == (*variances.shape, *mean.shape) and residual.ndim == 0
        if not (fits and variances.ndim == 1):
            raise ModelError("the tensors of the typicality do not fit together")
        whole = all(torch.isfinite(part).all() for part in (mean, directions, variances, residual))
        if not (whole and (variances > 0).all() and residual > 0):
            raise ModelError("the typicality holds numbers that are not finite or not positive")
        return cls(mean, directions, variances, residual)

    @property
    def fingerprint(self) -> str:
        """BLAKE2b-128 of all its numbers, hexadecimal."""
        digest = hashlib.blake2b(digest_size=16)
        for key, tensor in self.tensors().items():
            digest.update(f"{key}{tuple(tensor.shape)}".encode())
            digest.update(tensor.numpy().astype("<f8").tobytes())
        return digest.hexdigest()


def save_typicality(path: Path, by_modality: Mapping[str, Typicality]) -> None:
    """One safetensors file for all modalities, named ``modality.tensor``."""
    named = {
        f"{modality}.{key}": tensor
        for modality, fitted in by_modality.items()
        for key, tensor in fitted.tensors().items()
    }
    write_atomically(path, save_tensors(named))


def load_typicality(path: Path) -> dict[str, Typicality]:
    """What ``save_typicality`` wrote. ModelError where the file is missing or damaged."""
    try:
        named: dict[str, torch.Tensor] = load_tensors(path.read_bytes())
    except OSError as error:
        raise ModelError(f"no typicality in {path.parent}: {path.name} cannot be read") from error
    except SafetensorError as error:
        raise ModelError(f"{path} is damaged: {error}") from error
    parts: dict[str, dict[str, torch.Tensor]] = {}
    for name, tensor in named.items():
        modality, _, key = name.rpartition(".")
        parts.setdefault(modality, {})[key] = tensor
    return {modality: Typicality.from_tensors(tensors) for modality, tensors in parts.items()}
