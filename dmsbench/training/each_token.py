"""Evidence at tokens inside the right answers, for schedulers that weigh each token of a long answer."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from dmsbench.models.decoding import told
from dmsbench.models.evidence import PointReader, Reading

#: Tokens of an answer that evidence is kept of: those side by side are much alike.
TOKENS_AN_ANSWER = 6
#: The most tokens that evidence tells apart.
MOST_OUTCOMES = 512


@dataclass(frozen=True, slots=True)
class TokenRows:
    """N rows, each a token of a right answer: ``owners`` (N,) says of which of the prompts.

    ``probabilities``, ``uncertainty``, ``energy``: the points' evidence before the token is said;
    ``log_likelihood`` (N, P): of it at each point; ``right`` (N, K) as 0 and 1; ``hidden`` (N, M, D): at the
    corners.
    """

    owners: torch.Tensor
    probabilities: torch.Tensor
    uncertainty: torch.Tensor
    energy: torch.Tensor
    log_likelihood: torch.Tensor
    right: torch.Tensor
    hidden: torch.Tensor


def ended(answer: Sequence[int], ending: int | None) -> tuple[int, ...]:
    """An answer's tokens with the one that ends it: when to end is scheduled like any other token."""
    return tuple(answer) if ending is None else (*answer, ending)


def outcome_tokens(answers: Iterable[Sequence[int]], ending: int | None) -> tuple[int, ...]:
    """The answers' tokens and the one that ends them, sorted; the commonest ``MOST_OUTCOMES`` of them."""
    counts = Counter(token for answer in answers for token in ended(answer, ending))
    return tuple(sorted(token for token, _ in counts.most_common(MOST_OUTCOMES)))


def picked_tokens(name: str, length: int) -> frozenset[int]:
    """Which tokens of an answer of this length are kept; by ``name``, the same in any order of the work."""
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    rng = np.random.Generator(np.random.Philox(int.from_bytes(digest, "little")))
    return frozenset(rng.permutation(length)[:TOKENS_AN_ANSWER].tolist())


def at_tokens(
    reader: PointReader, reading: Reading, answers: Sequence[Sequence[int]], names: Sequence[str]
) -> TokenRows:
    """The evidence of B prompts at the picked tokens of their right answers; uses the streams up."""
    adapter, streams = reader.adapter, reading.streams
    wanted = [picked_tokens(name, len(answer)) for name, answer in zip(names, answers, strict=True)]
    outcomes = range(reading.evidence.probabilities.shape[-1]) if reader.outcomes is None else reader.outcomes
    place = {token: k for k, token in enumerate(outcomes)}
    corners = list(reader.points.corners)
    found: list[TokenRows] = []
    for number, step in enumerate(told(adapter, streams.start, streams.at, answers)):
        here = torch.tensor([i for i, row in enumerate(step.rows.tolist()) if number in wanted[row]])
        if not len(here):
            continue
        used, at = torch.unique(step.at[here], return_inverse=True)
        hidden = step.hidden[used.to(step.hidden.device)]
        measured = reader.head(hidden)
        spoken = torch.log_softmax(adapter.logits(hidden), dim=-1).cpu()
        tokens = step.tokens[here]
        right = torch.zeros(len(here), len(place), dtype=torch.uint8)
        for b, token in enumerate(tokens.tolist()):
            if token in place:
                right[b, place[token]] = 1
        found.append(
            TokenRows(
                owners=step.rows[here],
                probabilities=measured.probabilities[at],
                uncertainty=measured.uncertainty[at],
                energy=measured.energy[at],
                log_likelihood=spoken[at, tokens[:, None]],
                right=right,
                hidden=hidden.cpu()[at[:, corners]].half(),
            )
        )
    return TokenRows(
        *(torch.cat([getattr(rows, name) for rows in found]) for name in TokenRows.__dataclass_fields__)
    )
