"""Greedy decoding of one stream a row, or of a mixture of the model's answers at points of the simplex.

A *stream* is one prompt under one weighting, with what the model keeps of it. A row that mixes P points has
a stream at each; the next token is the most probable one under Σ_p π_p · softmax(logits_p), and every stream
of the row is fed that token. Streams that cannot differ are one: all questions about a picture share its
image corner until their answers part.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from dmsbench.fusion.points import LEAST_LOG
from dmsbench.models.base import Answers, Prompt

#: How the distributions at the points are joined: Σ_p π_p p_p, or Π_p p_p^π_p, a weighted sum of logits.
POOLINGS = ("probability", "logit")

#: Shares (B', P) of the next token of B' rows from ``hidden`` (S, D), where row b's streams are ``at[b]``
#: (B', P) and ``rows`` (B',) says which of all rows they are: ``reweigh(hidden, at, rows)``.
Reweigh = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


class Decoder(Protocol):
    """What decoding needs of a checkpoint's adapter; ``start`` is what its ``prefill`` returned.

    ``start.hidden`` (S, D) is what the next token of each of the S streams is drawn from.
    """

    device: torch.device
    #: Tokens that end an answer.
    stops: frozenset[int]
    max_new_tokens: int

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """The output layer over the whole vocabulary, in float32."""

    def select(self, start: Any, streams: torch.Tensor) -> None:
        """Goes on with these streams, in this order; a stream may be taken more than once."""

    def feed(self, start: Any, tokens: torch.Tensor) -> None:
        """Gives each stream its next token (S,)."""

    def read(self, tokens: Sequence[Sequence[int]]) -> tuple[str, ...]:
        """Answers as text."""


class Prefilling(Decoder, Protocol):
    """An adapter that can be asked at points of the simplex."""

    def present(self, prompt: Prompt) -> tuple[bool, bool]:
        """Whether the row has an image and text evidence."""

    def prefill(
        self,
        state: Any,
        rows: Sequence[int],
        prompts: Sequence[Prompt],
        weights: torch.Tensor | None = None,
        *,
        pool: bool = False,
    ) -> Any:
        """Runs the prompts; with ``pool``, ``.text`` (S, D) is the mean state over the text evidence."""

    def corner_key(self, state: Any, row: int, prompt: Prompt, modality: int) -> Hashable:
        """Equal for rows whose answers with this modality alone cannot differ."""


@dataclass(frozen=True, slots=True)
class Streams:
    """B rows at P points: ``start`` holds the S streams, row b's at point p is number ``at[b, p]``."""

    start: Any
    at: torch.Tensor


def prefill_points(
    adapter: Prefilling,
    state: Any,
    rows: Sequence[int],
    prompts: Sequence[Prompt],
    points: torch.Tensor,
    *,
    wanted: torch.Tensor | None = None,
    pool: bool = False,
) -> Streams:
    """Runs B rows at each of the points (P, M), or at those that are ``wanted`` (B, P) of them.

    Rows that a corner cannot tell apart share its stream. A row without one of the modalities is the same
    at every point: it has one stream. What is not wanted gets a stream of another point of its row.
    """
    corners = [_corner(point) for point in points.tolist()]
    uniform = torch.full((points.shape[1],), 1.0 / points.shape[1])
    numbers: dict[Hashable, int] = {}
    picks: list[tuple[int, torch.Tensor]] = []
    at = torch.zeros(len(prompts), len(points), dtype=torch.long)
    asked = torch.ones_like(at, dtype=torch.bool) if wanted is None else wanted.cpu()
    for b, (row, prompt) in enumerate(zip(rows, prompts, strict=True)):
        both = all(adapter.present(prompt))
        first = None
        for p, corner in enumerate(corners):
            if not asked[b, p]:
                continue
            key: Hashable = b
            if both:
                key = (p, b)
                if corner is not None:
                    key = (p, adapter.corner_key(state, row, prompt, corner), "corner")
            if key not in numbers:
                numbers[key] = len(picks)
                picks.append((b, points[p] if both else uniform))
            at[b, p] = numbers[key]
            first = numbers[key] if first is None else first
        if first is None:
            raise ValueError(f"row {b} is wanted at no point")
        at[b, ~asked[b]] = first
    start = adapter.prefill(
        state,
        [rows[b] for b, _ in picks],
        [prompts[b] for b, _ in picks],
        torch.stack([weights for _, weights in picks]),
        pool=pool,
    )
    return Streams(start, at)


def answer_mixture(
    adapter: Prefilling,
    state: Any,
    rows: Sequence[int],
    prompts: Sequence[Prompt],
    points: torch.Tensor,
    shares: torch.Tensor,
) -> Answers:
    """Greedy answers of B rows under the mixture with ``shares`` (B, P) of the ``points`` (P, M).

    Raises ValueError for shares that are negative, not finite, or do not sum to 1.
    """
    check_shares(shares)
    streams = prefill_points(adapter, state, rows, prompts, points, wanted=shares > 0)
    return decode(adapter, streams.start, streams.at, shares)


def check_shares(shares: torch.Tensor) -> None:
    """Raises ValueError unless every row is non-negative, finite and sums to 1."""
    if not torch.isfinite(shares).all() or (shares < 0).any():
        raise ValueError("shares of the points must be finite and not negative")
    if ((shares.sum(dim=1) - 1.0).abs() > 1e-4).any():
        raise ValueError("shares of the points must sum to 1")


@torch.inference_mode()
def decode(
    adapter: Decoder,
    start: Any,
    at: torch.Tensor,
    shares: torch.Tensor,
    *,
    pooling: str = "probability",
    first: torch.Tensor | None = None,
    reweigh: Reweigh | None = None,
) -> Answers:
    """Greedy answers of B rows: row b mixes the streams ``at[b]`` with ``shares[b]``, both (B, P).

    One stream a row with a share of 1 is plain greedy decoding, to the last bit. With the ``pooling``
    "logit" each token is the most probable one under the logarithmic pool Π_p p_p^π_p instead. ``first``:
    log-probabilities (B, V) that the first token is drawn from, whatever the streams say of it; the others
    follow from the streams. With ``reweigh`` the ``shares`` are the first token's, and each other token has
    shares of its own. Uses ``start`` up.

    Raises ValueError for another word for the pooling.
    """
    if pooling not in POOLINGS:
        raise ValueError(f"pooling must be one of {', '.join(POOLINGS)}, not '{pooling}'")
    count = len(at)
    walk = _Walk(adapter, start, at, shares, pooling, every=reweigh is not None)
    tokens: list[list[int]] = [[] for _ in range(count)]
    live = torch.arange(count)
    total, margin = torch.zeros(count), torch.full((count,), torch.inf)
    for step in range(adapter.max_new_tokens):
        if step and reweigh is not None:
            walk.shares = reweigh(start.hidden, walk.at, live)
        best = (walk.mixed() if step or first is None else first).topk(2, dim=-1)
        chosen, gap = best.indices[:, 0], (best.values[:, 0] - best.values[:, 1]).cpu()
        total[live] += best.values[:, 0].cpu()
        margin[live] = torch.minimum(margin[live], gap)
        going = []
        for i, (row, token) in enumerate(zip(live.tolist(), chosen.tolist(), strict=True)):
            if token not in adapter.stops:
                tokens[row].append(token)
                going.append(i)
        if not going or step == adapter.max_new_tokens - 1:
            break
        kept = torch.tensor(going)
        live = live[kept]
        walk.go_on(kept, chosen.cpu()[kept])
    return Answers(
        texts=adapter.read(tokens),
        confidence=total.exp().numpy().astype(np.float32),
        margin=margin.numpy().astype(np.float32),
    )


@torch.inference_mode()
def log_likelihood(
    adapter: Decoder, start: Any, at: torch.Tensor, answers: Sequence[Sequence[int]]
) -> torch.Tensor:
    """Log-probability (B, P) of each row's answer (its tokens, at least one) at each point.

    The end of the sequence is not counted: answers of unlike length are compared by what they say. Uses
    ``start`` up.
    """
    found = torch.zeros(at.shape)
    for step in told(adapter, start, at, answers):
        spoken = torch.log_softmax(adapter.logits(step.hidden), dim=-1)
        found[step.rows] += spoken[step.at.to(spoken.device), step.tokens[:, None].to(spoken.device)].cpu()
    return found


@dataclass(frozen=True, slots=True)
class Step:
    """A token of answers that are given: of the rows (B',) that still go on, before they say it.

    ``hidden`` (S, D): what the streams draw it from; ``at`` (B', P): the rows' streams; ``tokens`` (B',): it.
    """

    rows: torch.Tensor
    hidden: torch.Tensor
    at: torch.Tensor
    tokens: torch.Tensor


@torch.inference_mode()
def told(adapter: Decoder, start: Any, at: torch.Tensor, answers: Sequence[Sequence[int]]) -> Iterator[Step]:
    """Goes through answers (tokens, at least one a row) that every stream of a row is told.

    Uses ``start`` up.
    """
    live = torch.arange(len(at))
    walk = _Walk(adapter, start, at, torch.ones(at.shape))
    for step in range(max(map(len, answers))):
        if step:
            going = torch.tensor([i for i, row in enumerate(live.tolist()) if len(answers[row]) > step])
            fed = torch.tensor([answers[row][step - 1] for row in live[going].tolist()])
            walk.go_on(going, fed)
            live = live[going]
        yield Step(live, start.hidden, walk.at, torch.tensor([answers[row][step] for row in live.tolist()]))


class _Walk:
    """Rows on their way through an answer, each with its streams."""

    def __init__(
        self,
        adapter: Decoder,
        start: Any,
        at: torch.Tensor,
        shares: torch.Tensor,
        pooling: str = "probability",
        *,
        every: bool = False,
    ) -> None:
        self.adapter, self.start, self.pooling, self.every = adapter, start, pooling, every
        self.at, self.shares = at.cpu(), shares.cpu().float()

    def spoken(self) -> torch.Tensor:
        """Log-probabilities (S, V) of the next token of each stream."""
        return torch.log_softmax(self.adapter.logits(self.start.hidden), dim=-1)

    def mixed(self) -> torch.Tensor:
        """Log-probabilities (B, V) of the next token of each row."""
        device = self.adapter.device
        each = self.spoken()[self.at.to(device)]
        if self.pooling == "logit":
            # As ``fusion.points.pool``; the floor keeps 0 · -inf out of points without a share.
            joined = self.shares.to(device)[..., None] * each.clamp_min(LEAST_LOG)
            return torch.log_softmax(joined.sum(dim=1), dim=-1)
        return torch.logsumexp(each + self.shares.to(device).log()[..., None], dim=1)

    def go_on(self, kept: torch.Tensor, tokens: torch.Tensor) -> None:
        """Keeps these of the rows and gives each its next token."""
        self.at, self.shares = self.at[kept], self.shares[kept]
        streams = len(self.start.hidden)
        span = int(tokens.max()) + 1
        steps = self.at * span + tokens[:, None]
        # Where shares change from token to token a point without one now may have one later.
        used = torch.ones_like(self.at, dtype=torch.bool) if self.every else self.shares > 0
        # A row's unused points follow its first used one, so that they keep nothing alive.
        steps = torch.where(used, steps, steps.gather(1, used.int().argmax(dim=1, keepdim=True)))
        unique, self.at = torch.unique(steps, return_inverse=True)
        sources = unique // span
        if len(sources) != streams or not torch.equal(sources, torch.arange(streams)):
            self.adapter.select(self.start, sources.to(self.adapter.device))
        self.adapter.feed(self.start, (unique % span).to(self.adapter.device))


def _corner(point: Sequence[float]) -> int | None:
    """The modality that has all the weight, if one has."""
    return point.index(1.0) if 1.0 in point else None
