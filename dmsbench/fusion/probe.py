"""Probes: small heads that answer from one modality's input tokens, before the language model has run.

The second source of unimodal predictions. A corner asks the whole checkpoint with one modality alone; a probe
asks a head of a few ten thousand numbers on what the language model would read: a question-conditioned
attention pooling (Vaswani et al., arXiv 1706.03762, with the question's mean embedding as its only query) and
a small network with dropout, for uncertainty by Monte Carlo dropout (Gal & Ghahramani, arXiv 1506.02142).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch.nn import functional

from dmsbench.errors import ModelError
from dmsbench.files import write_atomically
from dmsbench.fusion.points import Points
from dmsbench.fusion.signals import dropout_masks, uncertainty

#: What probes give predictions at: the corners, for there is none for both modalities at once.
CORNERS = Points(("image", "text"), ((1.0, 0.0), (0.0, 1.0)))
#: Attention heads of the pooling.
HEADS = 4
#: Tokens that a position sees, itself in the middle. Of a text the neighbours, since word order binds an
#: adjective to its noun and a word is several tokens; image tokens know their place from the vision tower.
REACH = (1, 7)
_TENSORS = (
    "mix",
    "near",
    "mix_bias",
    "query",
    "key",
    "value",
    "asked",
    "hidden",
    "hidden_bias",
    "output",
    "output_bias",
    "temperature",
)


@dataclass(frozen=True, slots=True, eq=False)
class ProbeInput:
    """What probes read of B rows about N images.

    ``image`` (N, I, D): projected image tokens; ``picks`` (B,): each row's image among them. ``text``
    (B, L, D): the text evidence's token embeddings, ``exists`` (B, L) bool which of them are tokens.
    ``question`` (B, D): the mean embedding of the question's tokens.
    """

    image: torch.Tensor
    picks: torch.Tensor
    text: torch.Tensor
    exists: torch.Tensor
    question: torch.Tensor

    def __len__(self) -> int:
        return len(self.picks)


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """One modality's probe, float32, of width A, hidden width H, over K outcomes.

    y = norm(x)·mix, h_n = gelu(Σ_r near_r ∘ y_{n+r} + mix_bias); in each attention head
    pooled = Σ_n softmax_n(norm(q)·query · (h_n·key)) (h_n·value); a = norm(q)·asked;
    logits = (gelu([pooled, a, pooled ∘ a]·hidden + hidden_bias)·output + output_bias) / temperature.
    ``mix`` (D, A); ``near`` (reach, A): what each place around counts; ``query``, ``asked`` (D, A); ``key``,
    ``value`` (A, A); ``hidden`` (3A, H); ``output`` (H, K); ``temperature`` (), positive.
    """

    mix: torch.Tensor
    near: torch.Tensor
    mix_bias: torch.Tensor
    query: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor
    asked: torch.Tensor
    hidden: torch.Tensor
    hidden_bias: torch.Tensor
    output: torch.Tensor
    output_bias: torch.Tensor
    temperature: torch.Tensor

    def __post_init__(self) -> None:
        inputs, width = self.query.shape
        hidden, outcomes = self.output.shape
        expected = {
            "mix": (inputs, width),
            "near": (self.reach, width),
            "mix_bias": (width,),
            "key": (width, width),
            "value": (width, width),
            "asked": (inputs, width),
            "hidden": (3 * width, hidden),
            "hidden_bias": (hidden,),
            "output_bias": (outcomes,),
            "temperature": (),
        }
        wrong = [name for name, shape in expected.items() if getattr(self, name).shape != shape]
        if wrong or width % HEADS or self.reach % 2 == 0:
            raise ValueError(f"layers of a probe do not fit: {', '.join(wrong) or 'width or reach'}")

    @classmethod
    def initial(
        cls, inputs: int, outcomes: int, *, reach: int, width: int, hidden: int, generator: torch.Generator
    ) -> Head:
        """Random layers, a zero last one: every outcome is equally likely. ``width`` a multiple of HEADS."""

        def drawn(rows: int, columns: int) -> torch.Tensor:
            return torch.randn(rows, columns, generator=generator) / math.sqrt(rows)

        return cls(
            mix=drawn(inputs, width),
            near=drawn(reach, width),
            mix_bias=torch.zeros(width),
            query=drawn(inputs, width),
            key=drawn(width, width),
            value=drawn(width, width),
            asked=drawn(inputs, width),
            hidden=drawn(3 * width, hidden),
            hidden_bias=torch.zeros(hidden),
            output=torch.zeros(hidden, outcomes),
            output_bias=torch.zeros(outcomes),
            temperature=torch.ones(()),
        )

    @property
    def reach(self) -> int:
        """Tokens that a position sees."""
        return len(self.near)

    def features(
        self,
        tokens: torch.Tensor,
        question: torch.Tensor,
        *,
        picks: torch.Tensor | None = None,
        exists: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """z (B, 3A) of tokens (N, n, D) and questions (B, D).

        ``picks`` (B,): each row's tokens among the N, by default its own. ``exists`` (B, n) bool: which are
        tokens and no padding, by default all.
        """
        seen = _normed(tokens)
        if exists is not None:
            seen = seen * exists[..., None]
        mixed, count = seen @ self.mix, tokens.shape[1]
        if self.reach > 1:
            around = functional.pad(mixed, (0, 0, self.reach // 2, self.reach // 2))
            near = [around[:, r : r + count] * self.near[r] for r in range(self.reach)]
            mixed = sum(near[1:], near[0])
        else:
            mixed = mixed * self.near[0]
        read = functional.gelu(mixed + self.mix_bias)
        keys, values = read @ self.key, read @ self.value
        if picks is not None:
            keys, values = keys.index_select(0, picks), values.index_select(0, picks)
        words = _normed(question)
        keys, values = (each.unflatten(-1, (HEADS, -1)) for each in (keys, values))
        asking = (words @ self.query).unflatten(-1, (HEADS, -1))
        scores = torch.einsum("bha,bnha->bhn", asking, keys) / math.sqrt(keys.shape[-1])
        if exists is not None:
            scores = scores.masked_fill(~exists[:, None], -1e9)
        pooled = torch.einsum("bhn,bnha->bha", scores.softmax(dim=-1), values).flatten(1)
        asked = words @ self.asked
        return torch.cat([pooled, asked, pooled * asked], dim=-1)

    def logits(self, features: torch.Tensor) -> torch.Tensor:
        """(…, K) of z (…, 3A), without dropout."""
        return self._last(functional.gelu(features @ self.hidden + self.hidden_bias))

    def dropped(self, features: torch.Tensor, before: torch.Tensor, between: torch.Tensor) -> torch.Tensor:
        """Logits (…, K) with masks that multiply z and the hidden layer, such as (B, 3A) and (B, H)."""
        hidden = functional.gelu((features * before) @ self.hidden + self.hidden_bias)
        return self._last(hidden * between)

    def _last(self, hidden: torch.Tensor) -> torch.Tensor:
        return (hidden @ self.output + self.output_bias) / self.temperature

    def tensors(self) -> dict[str, torch.Tensor]:
        """All tensors by name, detached."""
        return {name: getattr(self, name).detach().contiguous() for name in _TENSORS}

    def to(self, device: torch.device) -> Head:
        """The same on a device."""
        return Head(**{name: tensor.to(device) for name, tensor in self.tensors().items()})


@dataclass(frozen=True, slots=True, eq=False)
class ProbeSignals:
    """Of B rows: ``probabilities`` (B, M, K) of image and text, ``uncertainty`` (B, M); on the CPU."""

    probabilities: torch.Tensor
    uncertainty: torch.Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Probes:
    """The heads of image and text over the same K outcomes, and T masks of dropout that all rows share.

    ``passes`` T ≥ 2, ``rate`` in (0, 1): of dropout before and between the layers. The masks depend on
    ``seed`` alone: no answer depends on the batch or on the order of rows.
    """

    image: Head
    text: Head
    passes: int = 4
    rate: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        if self.image.output.shape[1] != self.text.output.shape[1]:
            raise ValueError("the probes of image and text have different outcomes")
        if self.passes < 2:
            raise ValueError("uncertainty needs at least 2 stochastic passes")

    @property
    def heads(self) -> tuple[Head, Head]:
        """In the order of the modalities."""
        return self.image, self.text

    def masks(self) -> tuple[tuple[torch.Tensor, torch.Tensor], ...]:
        """Per modality the masks before and between the layers, (T, 1, 3A) and (T, 1, H)."""
        found = []
        for modality, head in enumerate(self.heads):
            before, between = head.hidden.shape
            both = dropout_masks(self.passes, before + between, self.rate, self.seed + modality)
            both = both[:, None].to(head.hidden.device)
            found.append((both[..., :before], both[..., before:]))
        return tuple(found)

    def read(
        self, given: ProbeInput, masks: tuple[tuple[torch.Tensor, torch.Tensor], ...] | None = None
    ) -> ProbeSignals:
        """What the probes say. ``masks``: those of ``masks()``, for callers that keep them."""
        asked = given.question.float()
        features = (
            self.image.features(given.image.float(), asked, picks=given.picks),
            self.text.features(given.text.float(), asked, exists=given.exists),
        )
        told, spread = [], []
        for head, found, drop in zip(self.heads, features, masks or self.masks(), strict=True):
            # One pass without dropout and T with: one product of T + 1 times as many rows.
            passes = torch.cat([head.logits(found)[None], head.dropped(found[None], *drop)]).softmax(dim=-1)
            told.append(passes[0].cpu())
            spread.append(uncertainty(passes[1:].cpu()))
        return ProbeSignals(torch.stack(told, dim=1), torch.stack(spread, dim=1))

    def to(self, device: torch.device) -> Probes:
        """The same on a device."""
        return replace(self, image=self.image.to(device), text=self.text.to(device))

    @property
    def fingerprint(self) -> str:
        """BLAKE2b-128 of all numbers, hexadecimal."""
        digest = hashlib.blake2b(f"{self.passes}/{self.rate}/{self.seed}".encode(), digest_size=16)
        for name, tensor in self._named().items():
            digest.update(f"{name}{tuple(tensor.shape)}".encode())
            digest.update(tensor.float().cpu().numpy().astype("<f4").tobytes())
        return digest.hexdigest()

    def save(self, path: Path) -> None:
        """One safetensors file, tensors named ``modality.tensor``."""
        how = torch.tensor([self.passes, self.rate, self.seed], dtype=torch.float64)
        write_atomically(path, save_tensors({**self._named(), "dropout": how}))

    @classmethod
    def load(cls, path: Path) -> Probes:
        """What ``save`` wrote. ModelError where the file is missing, damaged or not finite."""
        try:
            named: dict[str, torch.Tensor] = load_tensors(path.read_bytes())
        except OSError as error:
            raise ModelError(f"no probes in {path.parent}: {path.name} cannot be read") from error
        except SafetensorError as error:
            raise ModelError(f"{path} is damaged: {error}") from error
        if not all(torch.isfinite(tensor).all() for tensor in named.values()):
            raise ModelError(f"{path} holds numbers that are not finite")
        try:
            passes, rate, seed = named["dropout"].tolist()
            heads = {modality: _head(named, modality) for modality in CORNERS.names}
            return cls(**heads, passes=int(passes), rate=rate, seed=int(seed))
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"{path} holds no probes ({error!r}): fit them again") from error

    def _named(self) -> dict[str, torch.Tensor]:
        return {
            f"{modality}.{name}": tensor.cpu()
            for modality, head in zip(CORNERS.names, self.heads, strict=True)
            for name, tensor in head.tensors().items()
        }


def text_signature(text: torch.Tensor, exists: torch.Tensor) -> torch.Tensor:
    """What tells a usual text from an unusual one without a language model: (B, 2D) of tokens (B, L, D).

    The mean token, and the mean of e_t ∘ roll(e_{t+1}, 1): which tokens follow which, as the mean alone does
    not know. Tokens are normalised; the second half is 0 for a text of one token.
    """
    seen = _normed(text.float()) * exists[..., None]
    count = exists.sum(dim=1, keepdim=True)
    follows = (seen[:, :-1] * seen[:, 1:].roll(1, dims=-1)).sum(dim=1) / (count - 1).clamp_min(1)
    return torch.cat([seen.sum(dim=1) / count.clamp_min(1), follows], dim=-1)


def _normed(tokens: torch.Tensor) -> torch.Tensor:
    return functional.layer_norm(tokens, tokens.shape[-1:])


def _head(named: Mapping[str, torch.Tensor], modality: str) -> Head:
    return Head(**{name: named[f"{modality}.{name}"] for name in _TENSORS})
