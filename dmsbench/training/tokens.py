"""What probes are fitted on, kept beside the evidence: image tokens in half precision, texts as token ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch.nn import functional

from dmsbench.errors import DataError
from dmsbench.fusion.probe import ProbeInput
from dmsbench.models.base import Prompt

#: Names of a part's tensors.
TOKENS = ("image_tokens", "image_of", "text_ids", "question_ids")
#: Image tokens are held in memory while probes are fitted: no more than this, in bytes.
MOST_BYTES = 8 << 30


class Embedding(Protocol):
    """What an adapter must offer for its evidence to be read from ids again."""

    def evidence_ids(self, prompts: Sequence[Prompt]) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids of text evidence and question, −1 where there is no token."""

    def embedded(
        self, image: torch.Tensor, picks: torch.Tensor, text: torch.Tensor, question: torch.Tensor
    ) -> ProbeInput:
        """What probes read of image tokens and ids."""


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """Of B rows: ``image`` (N, I, D) float16 and each row's among them, ``picks`` (B,); ``text`` (B, L) and
    ``question`` (B, L') ids, −1 where there is no token.

    Image tokens are normalised each, as the probes do it anyway, so that half precision holds any model's.
    They take 2·N·I·D bytes, N the views of pictures: 12 kB a view for 64 tokens of width 96, 4.7 MB for
    LLaVA-1.5-7B's 576 of 4096.
    """

    image: torch.Tensor
    picks: torch.Tensor
    text: torch.Tensor
    question: torch.Tensor

    def rows(self, adapter: Embedding, rows: torch.Tensor) -> ProbeInput:
        """What probes read of the rows (b,), on the adapter's device."""
        views, picks = self.picks[rows].unique(return_inverse=True)
        text, question = (_cut(ids[rows]) for ids in (self.text, self.question))
        return adapter.embedded(self.image[views], picks, text, question)


def tokens_of(adapter: Embedding, state: Any, rows: Sequence[int], prompts: Sequence[Prompt]) -> Tokens:
    """Of B prompts about the images of a state."""
    image = functional.layer_norm(state.tokens.float(), state.tokens.shape[-1:])
    text, question = adapter.evidence_ids(prompts)
    return Tokens(image.half().cpu(), torch.tensor(rows), text.int(), question.int())


def as_tensors(tokens: Tokens) -> dict[str, torch.Tensor]:
    """By the names of ``TOKENS``."""
    return dict(zip(TOKENS, (tokens.image, tokens.picks, tokens.text, tokens.question), strict=True))


def from_tensors(tensors: Mapping[str, torch.Tensor]) -> Tokens:
    """The inverse of ``as_tensors``."""
    return Tokens(*(tensors[name] for name in TOKENS))


def joined(parts: Sequence[Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """The tensors of parts one behind the other: images are counted on, ids are padded to the longest."""
    found = {}
    for name in parts[0]:
        each = [part[name] for part in parts]
        if name == "image_of":
            before = 0
            for i, part in enumerate(parts):
                each[i] = each[i] + before
                before += len(part["image_tokens"])
        elif name in ("text_ids", "question_ids"):
            width = max(ids.shape[1] for ids in each)
            each = [functional.pad(ids, (0, width - ids.shape[1]), value=-1) for ids in each]
        found[name] = torch.cat(each)
    return found


def _cut(ids: torch.Tensor) -> torch.Tensor:
    """Without the columns in which every row has ended."""
    return ids[:, : max(1, int((ids >= 0).sum(dim=1).max()))]


def check_size(part: Mapping[str, torch.Tensor], parts: int) -> None:
    """Raises DataError where so many parts like this one hold more image tokens than ``MOST_BYTES``."""
    size = parts * part["image_tokens"].nbytes
    if size > MOST_BYTES:
        raise DataError(
            f"the image tokens that probes are fitted on would take {size / 2**30:.0f} GB of memory, "
            f"{MOST_BYTES >> 30} are allowed: take {MOST_BYTES / size:.0%} of the samples with --limit"
        )
