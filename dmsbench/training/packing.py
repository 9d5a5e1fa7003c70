"""All questions of a picture packed behind one image prefix.

A pack is the template's start, the image tokens, then Q slots of equal length, one question and its
answer each. A slot sees the prefix and itself, never another slot, and its positions start anew after
the prefix: each question gets exactly the logits that it would get alone, at the price of one prefix.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast

from dmsbench.data.base import Sample


@dataclass(frozen=True, slots=True)
class Template:
    """The text around a sample's text: before the image, between the two, behind it.

    ``gap`` parts ``before`` from the sample's text and is tokenised with it: a space belongs to the word
    that follows.
    """

    prefix: str
    before: str
    gap: str
    after: str


LLAVA = Template("USER: ", "\n", "", " ASSISTANT:")
BLIP2 = Template("", "Question:", " ", " Answer:")
PREFIX_TEXT = LLAVA.prefix
#: Stands for "this key does not exist" in an additive mask; finite, so that no row can become NaN.
ABSENT = torch.finfo(torch.float32).min


@dataclass(frozen=True, slots=True)
class Turn:
    """A sample as tokens: ``ids[evidence]`` is its text evidence, ``ids[answer:]`` the answer."""

    ids: tuple[int, ...]
    evidence: slice
    answer: int


def tokenise(
    tokenizer: PreTrainedTokenizerFast,
    sample: Sample,
    pieces: Sequence[str] | None = None,
    template: Template = LLAVA,
) -> Turn:
    """What follows the image in the conversation, answer and end of sequence included.

    The evidence is the sample's context where it has one, which stands before the question on a line of
    its own, else the question. ``pieces``, which must join to the evidence, are tokenised one by one: the
    same words in other byte pairs.
    """

    def ids(text: str) -> list[int]:
        found: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
        return found

    before, after = ids(template.before), ids(template.after)
    if sample.context is not None:
        after = [*ids(f"\n{sample.question}"), *after]
    first, *others = pieces or (sample.evidence,)
    evidence = [token for piece in (template.gap + first, *others) for token in ids(piece)]
    return Turn(
        ids=(*before, *evidence, *after, *ids(f" {sample.answers[0]}"), int(tokenizer.eos_token_id)),
        evidence=slice(len(before), len(before) + len(evidence)),
        answer=len(before) + len(evidence) + len(after),
    )


def cut(text: str, share: float, rng: np.random.Generator) -> list[str]:
    """Cuts a text at a share of the places between two letters: subword regularisation by pieces."""
    inner = [i for i in range(1, len(text)) if text[i - 1].isalpha() and text[i].isalpha()]
    places = [place for place in inner if rng.random() < share]
    bounds = [0, *places, len(text)]
    return [text[lo:hi] for lo, hi in itertools.pairwise(bounds)]


@dataclass(frozen=True, slots=True)
class Pack:
    """Token ids (B, Q·T), their positions, the additive mask (B, 1, L, L) and where the answers are.

    ``rows``, ``targets``: flat indices into (B · Q·T) of the positions that predict an answer token,
    and the tokens to be predicted.
    """

    ids: torch.Tensor
    position_ids: torch.Tensor
    mask: torch.Tensor
    rows: torch.Tensor
    targets: torch.Tensor


def pack(
    turns: Sequence[Sequence[Turn]],
    *,
    prefix: int,
    image: slice,
    pad: int,
    absent: np.ndarray[tuple[int, int], np.dtype[np.int64]],
    boosted: np.ndarray[tuple[int, int], np.dtype[np.bool_]],
) -> Pack:
    """Packs B pictures with Q turns each behind prefixes of ``prefix`` tokens, ``image`` among them.

    ``absent`` (B, Q) takes a modality away: 0 none, 1 the image, 2 the text evidence. Its keys do not exist
    for the slot, and where ``boosted`` the other modality's keys carry log 2, as they do at that corner
    of the weight simplex.
    """
    batch, slots = len(turns), len(turns[0])
    size = max(len(turn.ids) for asked in turns for turn in asked)
    ids = np.full((batch, slots, size), pad, dtype=np.int64)
    evidence = np.zeros((batch, slots, size), dtype=bool)
    rows: list[int] = []
    targets: list[int] = []
    for b, asked in enumerate(turns):
        for q, turn in enumerate(asked):
            ids[b, q, : len(turn.ids)] = turn.ids
            evidence[b, q, turn.evidence] = True
            base = (b * slots + q) * size
            for position in range(turn.answer, len(turn.ids)):
                rows.append(base + position - 1)
                targets.append(turn.ids[position])
    length = prefix + slots * size
    mask = torch.zeros(batch, length, length)
    mask.masked_fill_(~_allowed(prefix, slots, size), ABSENT)
    bias = torch.zeros(batch, slots, length)  # by slot, for every key
    keys = torch.from_numpy(evidence.reshape(batch, 1, slots * size))
    gone = torch.from_numpy(absent)
    boost = torch.from_numpy(np.where(boosted, math.log(2.0), 0.0)).float()
    for modality, other in ((1, 2), (2, 1)):
        hit = (gone == modality)[:, :, None]
        for which, value in (
            (modality, torch.full_like(boost, ABSENT)[:, :, None]),
            (other, boost[:, :, None]),
        ):
            if which == 1:
                bias[:, :, image] += torch.where(hit, value, 0.0)
            else:
                bias[:, :, prefix:] += torch.where(hit & keys, value, 0.0)
    mask[:, prefix:] += bias.repeat_interleave(size, dim=1)
    positions = torch.cat([torch.arange(prefix), prefix + torch.arange(size).repeat(slots)])
    return Pack(
        ids=torch.from_numpy(ids.reshape(batch, slots * size)),
        position_ids=positions.expand(batch, length),
        mask=mask.clamp_(min=ABSENT)[:, None],
        rows=torch.tensor(rows),
        targets=torch.tensor(targets),
    )


def _allowed(prefix: int, slots: int, size: int) -> torch.Tensor:
    length = prefix + slots * size
    slot = torch.cat([torch.full((prefix,), -1), torch.arange(slots).repeat_interleave(size)])
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    return causal & ((slot[None, :] == -1) | (slot[:, None] == slot[None, :]))
