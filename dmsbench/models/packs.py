"""Prompts about one image side by side in one sequence, behind one copy of the image's prefix.

The keys and values of a prefix are most of what a row takes: 576 image tokens of a LLaVA of 7 billion
parameters are 0.3 GB in half precision. Rows about one image need them once: laid end to end they are one
sequence, in which each token sees the prefix and its own row and has its own row's positions. What a row
answers is what it would answer alone, but for rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

#: Tokens of a prefix that cost as much as one token that is run: copying them, and reading them at each step.
PREFIX_TOKENS_A_TOKEN = 8
#: A pack's own tokens in shares of its prefix, at most: each of them is scored against all of them.
MOST_OF_PREFIX = 0.5


@dataclass(frozen=True, slots=True)
class Packs:
    """Where B rows lie in G packs of ``width`` places: row b in ``pack[b]``, from place ``offset[b]`` on.

    ``images`` (G,): whose prefix each pack stands behind. All on the CPU.
    """

    images: torch.Tensor
    pack: torch.Tensor
    offset: torch.Tensor
    width: int

    def __len__(self) -> int:
        return len(self.images)


def packed(images: Sequence[int], lengths: Sequence[int], prefix: int) -> Packs:
    """Packs rows about ``images`` (B) of ``lengths`` tokens (B) behind prefixes of ``prefix`` tokens.

    Of all sizes of packs that are tried the cheapest is taken, padding included; behind a short prefix each
    row is a pack of its own. Rows keep their order within an image.
    """
    tried = [_filled(images, lengths, room) for room in _rooms(max(lengths), int(prefix * MOST_OF_PREFIX))]
    return min(tried, key=lambda packs: len(packs) * (packs.width + prefix / PREFIX_TOKENS_A_TOKEN))


def _rooms(longest: int, most: int) -> Iterator[int]:
    """The longest row's, its doubles, and the most that is allowed."""
    room = longest
    while room < most:
        yield room
        room *= 2
    yield max(longest, most)


def _filled(images: Sequence[int], lengths: Sequence[int], room: int) -> Packs:
    """Packs of at most ``room`` places, filled in order."""
    open_: dict[int, int] = {}
    whose: list[int] = []
    used: list[int] = []
    pack, offset = [], []
    for image, length in zip(images, lengths, strict=True):
        at = open_.get(image)
        if at is None or used[at] + length > room:
            at = open_[image] = len(whose)
            whose.append(image)
            used.append(0)
        pack.append(at)
        offset.append(used[at])
        used[at] += length
    return Packs(torch.tensor(whose), torch.tensor(pack), torch.tensor(offset), max(used))
