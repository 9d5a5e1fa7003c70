"""A learned scheduler: a small network from standardised features to shares of the points."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch.nn import functional

from dmsbench import __version__
from dmsbench.errors import ModelError
from dmsbench.files import write_atomically
from dmsbench.fusion.features import Standardiser, check_groups, columns, raw_features
from dmsbench.fusion.points import Evidence, Points, modality_weights

ACTIVATIONS = ("tanh", "gelu")
#: How the shares act: the answers at the points are mixed; their mean point becomes the attention bias; or
#: the answer is asked at the one point with the largest share.
MODES = ("mixture", "bias", "choice")
#: The share that the uniform point starts with.
STATIC_SHARE = 0.98
WEIGHTS_FILE, CARD_FILE = "scheduler.safetensors", "scheduler.json"
_FORMAT = 1
_TENSORS = ("hidden_weight", "hidden_bias", "output_weight", "output_bias")


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """offset + act(x·W₁ + b₁)·W₂ + b₂: W₁ (F, H), b₁ (H,), W₂ (H, P), b₂ (P,), float32. F may be 0."""

    hidden_weight: torch.Tensor
    hidden_bias: torch.Tensor
    output_weight: torch.Tensor
    output_bias: torch.Tensor
    activation: str = "tanh"

    def __post_init__(self) -> None:
        inputs, hidden = self.hidden_weight.shape
        outputs = self.output_bias.shape[0]
        if self.hidden_bias.shape != (hidden,) or self.output_weight.shape != (hidden, outputs):
            raise ValueError(f"layers of a network from {inputs} features to {outputs} points do not fit")
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"the activation must be one of {', '.join(ACTIVATIONS)}, not {self.activation}")

    @classmethod
    def initial(
        cls, inputs: int, outputs: int, *, hidden: int, activation: str, generator: torch.Generator
    ) -> Network:
        """Random first layer, zero last layer: every input gives the offset alone."""
        first = torch.randn(inputs, hidden, generator=generator) / math.sqrt(max(1, inputs))
        return cls(first, torch.zeros(hidden), torch.zeros(hidden, outputs), torch.zeros(outputs), activation)

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        """(B, F) → (B, P)."""
        hidden = values @ self.hidden_weight + self.hidden_bias
        hidden = torch.tanh(hidden) if self.activation == "tanh" else functional.gelu(hidden)
        return hidden @ self.output_weight + self.output_bias

    def tensors(self) -> dict[str, torch.Tensor]:
        """The four tensors by name, detached."""
        return {name: getattr(self, name).detach().contiguous() for name in _TENSORS}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, torch.Tensor], activation: str) -> Network:
        """The inverse of ``tensors``. KeyError for one that is missing."""
        hidden_weight, hidden_bias, output_weight, output_bias = (tensors[name] for name in _TENSORS)
        return cls(hidden_weight, hidden_bias, output_weight, output_bias, activation)


@dataclass(frozen=True, slots=True, eq=False)
class LearnedScheduler:
    """π = softmax(offset + network(standardised features)).

    The offset gives the uniform point ``static_share`` of the mixture and every other point an equal part of
    the rest, so that the scheduler starts at static fusion (its last layer is zero) and is softly drawn
    there by weight decay. It is not 1, since a share of 0 would have no gradient. ``features`` are groups of
    ``dmsbench.fusion.features``; none gives the best constant mixture. ``seen``: the points that the evidence
    holds where they are not those of the shares, such as the corners alone. ``fitted`` holds whatever is
    worth knowing about how it was made: JSON numbers and strings.
    """

    points: Points
    features: tuple[str, ...]
    standardiser: Standardiser
    network: Network
    static_share: float = STATIC_SHARE
    mode: str = "mixture"
    fitted: Mapping[str, float | str] = field(default_factory=dict)
    seen: Points | None = None

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(f"the mode must be one of {', '.join(MODES)}, not {self.mode}")
        if not 0.0 < self.static_share < 1.0:
            raise ValueError(f"the static share must lie between 0 and 1, not {self.static_share}")
        expected = columns(self.observed, self.features)
        if self.standardiser.columns != expected:
            raise ValueError(f"standardised columns {self.standardiser.columns}, not {expected}")
        shape = (self.network.hidden_weight.shape[0], self.network.output_bias.shape[0])
        if shape != (len(expected), len(self.points)):
            raise ValueError(f"a network of shape {shape} for {(len(expected), len(self.points))}")

    @property
    def observed(self) -> Points:
        """The points that the evidence holds."""
        return self.points if self.seen is None else self.seen

    @property
    def needs_typicality(self) -> bool:
        """Whether ``evidence.typicality`` is looked at."""
        return "typicality" in self.features

    def mixture(self, evidence: Evidence) -> torch.Tensor:
        """Shares (B, P) of the points, float32."""
        with torch.no_grad():
            inputs = self.standardiser(raw_features(evidence, self.observed, self.features))
            return shares(self.network, inputs, offset(self.points, self.static_share))

    def weights(self, evidence: Evidence) -> torch.Tensor:
        """Modality weights (B, M): the mean point of the shares; for mode "bias" what the bias is made of."""
        return modality_weights(self.mixture(evidence), self.points)

    def settings(self) -> dict[str, float | str]:
        """Its kind, mode, features, and a fingerprint of every number in it."""
        return {
            "scheduler": "learned",
            "mode": self.mode,
            "features": ",".join(self.features),
            "fingerprint": self.fingerprint,
        }

    @property
    def fingerprint(self) -> str:
        """BLAKE2b-128 over all that the shares depend on, hexadecimal."""
        digest = hashlib.blake2b(_canonical(self._described()), digest_size=16)
        for name, tensor in self.network.tensors().items():
            digest.update(name.encode())
            digest.update(tensor.float().cpu().numpy().astype("<f4").tobytes())
        return digest.hexdigest()

    def _described(self) -> dict[str, Any]:
        seen = {} if self.seen is None else {"seen": _listed(self.seen)}
        return {
            "format": _FORMAT,
            "scheduler": "learned",
            "mode": self.mode,
            "points": _listed(self.points),
            **seen,
            "features": self.features,
            "columns": self.standardiser.columns,
            "mean": self.standardiser.mean,
            "std": self.standardiser.std,
            "activation": self.network.activation,
            "static_share": self.static_share,
        }

    def save(self, folder: Path) -> None:
        """Writes ``scheduler.safetensors`` and then its card, ``scheduler.json``."""
        versions = {"dmsbench": __version__, "torch": torch.__version__}
        card = {**self._described(), "fitted": dict(self.fitted), "versions": versions}
        card["fingerprint"] = self.fingerprint
        write_atomically(folder / WEIGHTS_FILE, save_tensors(self.network.tensors()))
        text = json.dumps(card, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        write_atomically(folder / CARD_FILE, text.encode())

    @classmethod
    def load(cls, folder: Path) -> LearnedScheduler:
        """Reads what ``save`` wrote.

        Raises ModelError where a file is missing or damaged, where card and weights are not of one
        scheduler, and where the features of this version are not those that it was fitted on.
        """
        card, tensors = _read_card(folder / CARD_FILE), _read_tensors(folder / WEIGHTS_FILE)
        try:
            scheduler = cls(
                points=_points(card["points"]),
                features=check_groups(card["features"]),
                standardiser=Standardiser(tuple(card["columns"]), tuple(card["mean"]), tuple(card["std"])),
                network=Network.from_tensors(tensors, card["activation"]),
                static_share=card["static_share"],
                mode=card["mode"],
                fitted=dict(card["fitted"]),
                seen=_points(card["seen"]) if "seen" in card else None,
            )
            same = scheduler.fingerprint == card["fingerprint"]
        except KeyError as error:
            raise ModelError(f"the scheduler in {folder} lacks {error}") from error
        except (TypeError, ValueError, AttributeError) as error:
            raise ModelError(f"the scheduler in {folder} is damaged: {error}") from error
        if not same:
            raise ModelError(
                f"{CARD_FILE} and {WEIGHTS_FILE} in {folder} do not belong together: save it again"
            )
        return scheduler


def offset(points: Points, static_share: float) -> torch.Tensor:
    """Logits (P,) whose softmax gives the uniform point ``static_share`` and the others the rest evenly."""
    uniform = points.uniform
    rest = (1.0 - static_share) / max(1, len(points) - 1)
    at = [static_share if index == uniform else rest for index in range(len(points))]
    return torch.tensor(at).log()


def shares(network: Network, inputs: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
    """(B, P) = softmax(start + network(inputs)) for standardised inputs (B, F) and an offset (P,)."""
    return torch.softmax(start + network(inputs), dim=1)


def _listed(points: Points) -> dict[str, Any]:
    return {"names": points.names, "weights": points.weights}


def _points(listed: Mapping[str, Any]) -> Points:
    return Points(tuple(listed["names"]), tuple(tuple(row) for row in listed["weights"]))


def _canonical(described: Mapping[str, Any]) -> bytes:
    return json.dumps(described, sort_keys=True, allow_nan=False).encode()


def _read_card(path: Path) -> dict[str, Any]:
    try:
        card = json.loads(path.read_bytes())
    except OSError as error:
        raise ModelError(f"no scheduler in {path.parent}: {path.name} cannot be read") from error
    except ValueError as error:
        raise ModelError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(card, dict) or card.get("scheduler") != "learned":
        raise ModelError(f"{path} is not the card of a learned scheduler")
    if card.get("format") != _FORMAT:
        raise ModelError(f"{path} has format {card.get('format')}, not {_FORMAT}: fit it again")
    return card


def _read_tensors(path: Path) -> dict[str, torch.Tensor]:
    try:
        tensors: dict[str, torch.Tensor] = load_tensors(path.read_bytes())
    except OSError as error:
        raise ModelError(f"no scheduler in {path.parent}: {path.name} cannot be read") from error
    except SafetensorError as error:
        raise ModelError(f"{path} is damaged: {error}") from error
    if not all(torch.isfinite(tensor).all() for tensor in tensors.values()):
        raise ModelError(f"{path} holds numbers that are not finite")
    return tensors
