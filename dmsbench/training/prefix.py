"""Questions in rows behind their pictures' prefixes: the prefix runs once a picture, in training too.

The same logits as ``packing`` gives, with less attention: a row sees its prefix and itself, where a pack
computes every slot against every other and masks it away. Worth it where rows are long (a context each).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from transformers import DynamicCache

from dmsbench.training.packing import ABSENT, Turn
from dmsbench.training.trainee import Trainee


@dataclass(frozen=True, slots=True)
class Rows:
    """Token ids (N, T), their positions and the additive mask (N, 1, T, P + T) of B pictures' rows.

    ``places``, ``targets``: flat indices into (N · T) of the positions that predict an answer token, and
    the tokens to be predicted; ``said_places``, ``said_targets``: the same of the text evidence, in the rows
    that have both modalities.
    """

    ids: torch.Tensor
    position_ids: torch.Tensor
    mask: torch.Tensor
    places: torch.Tensor
    targets: torch.Tensor
    said_places: torch.Tensor
    said_targets: torch.Tensor


#: What the tokens of a row belong to, where it is none of its turns: all of them, or none.
_SHARED, _PADDING = -1, -2


def in_rows(
    turns: Sequence[Sequence[Turn]],
    *,
    prefix: int,
    image: slice,
    pad: int,
    absent: npt.NDArray[np.int64],
    boosted: npt.NDArray[np.bool_],
    together: int = 1,
) -> Rows:
    """B pictures with Q turns each behind prefixes of ``prefix`` tokens, ``image`` among them.

    ``together`` turns of one evidence share a row: the evidence stands there once, each turn sees it and
    itself, and its positions go on from there, so that it has the logits that it would have alone. ``absent``
    and ``boosted`` (B, Q / together) as in ``packing.pack``, for all turns of a row.

    Raises ValueError where turns that share a row differ in what comes before their questions.
    """
    rows = [asked[i : i + together] for asked in turns for i in range(0, len(asked), together)]
    starts = [row[0].ids[: row[0].evidence.stop] for row in rows]
    for row, start in zip(rows, starts, strict=True):
        if any(turn.ids[: turn.evidence.stop] != start for turn in row):
            raise ValueError("turns that share a row must have the same evidence")
    lengths = [
        len(start) + sum(len(turn.ids) - len(start) for turn in row)
        for row, start in zip(rows, starts, strict=True)
    ]
    size = max(lengths)
    ids = np.full((len(rows), size), pad, dtype=np.int64)
    owner = np.full((len(rows), size), _PADDING, dtype=np.int64)
    positions = np.zeros((len(rows), size), dtype=np.int64)
    evidence = np.zeros((len(rows), size), dtype=np.bool_)
    gone = absent.reshape(-1)
    places: list[int] = []
    targets: list[int] = []
    said_places: list[int] = []
    said_targets: list[int] = []
    for n, (row, start) in enumerate(zip(rows, starts, strict=True)):
        shared = len(start)
        ids[n, :shared], owner[n, :shared], positions[n, :shared] = start, _SHARED, range(shared)
        said = row[0].evidence
        evidence[n, said] = True
        if gone[n] == 0:
            said_places += [n * size + position - 1 for position in range(said.start, said.stop)]
            said_targets += start[said]
        at = shared
        for number, turn in enumerate(row):
            own = slice(at, at + len(turn.ids) - shared)
            ids[n, own], owner[n, own] = turn.ids[shared:], number
            positions[n, own] = range(shared, len(turn.ids))
            for position in range(turn.answer, len(turn.ids)):
                places.append(n * size + at + position - shared - 1)
                targets.append(turn.ids[position])
            at = own.stop
    boost = np.where(boosted.reshape(-1), math.log(2.0), 0.0)
    # Modality 1 is the image, 2 the text: the one that is gone has no keys, the other may carry log 2.
    of_image = np.where(gone == 1, ABSENT, np.where(gone == 2, boost, 0.0))
    of_text = np.where(gone == 2, ABSENT, np.where(gone == 1, boost, 0.0))
    bias = np.zeros((len(rows), prefix + size), dtype=np.float32)
    bias[:, image] = of_image[:, None]
    bias[:, prefix:] = np.where(evidence, of_text[:, None], 0.0)
    same = (owner[:, None, :] == _SHARED) | (owner[:, None, :] == owner[:, :, None])
    seen = np.ones((len(rows), size, prefix + size), dtype=np.bool_)
    seen[:, :, prefix:] = same & np.tri(size, dtype=np.bool_)
    mask = torch.where(torch.from_numpy(seen), torch.from_numpy(bias)[:, None], ABSENT)
    return Rows(
        ids=torch.from_numpy(ids),
        position_ids=torch.from_numpy(prefix + positions),
        mask=mask[:, None],
        places=torch.tensor(places),
        targets=torch.tensor(targets),
        said_places=torch.tensor(said_places, dtype=torch.int64),
        said_targets=torch.tensor(said_targets, dtype=torch.int64),
    )


def hidden_of(trainee: Trainee, rows: Rows, pixel_values: torch.Tensor | None) -> torch.Tensor:
    """The language model's last hidden states over all rows, (N · T, width); gradients reach the tower.

    Without ``pixel_values`` the prefix is its template tokens alone.
    """
    language, model = cast(Any, trainee.language), trainee.model
    embed = model.get_input_embeddings()
    start = embed(torch.tensor([prefix_of(trainee)], dtype=torch.int64))
    if pixel_values is not None:
        images = torch.stack(list(model.get_image_features(pixel_values, return_dict=True).pooler_output))
        start = torch.cat([start.expand(len(images), -1, -1), images], dim=1)
    shared = DynamicCache(config=language.config)
    language(inputs_embeds=start, past_key_values=shared, use_cache=True)
    turns = len(rows.ids) // len(start)
    cache = DynamicCache(config=language.config)
    for index, layer in enumerate(cast(Any, shared.layers)):
        cache.update(
            layer.keys.repeat_interleave(turns, dim=0), layer.values.repeat_interleave(turns, dim=0), index
        )
    hidden: torch.Tensor = language(
        inputs_embeds=embed(rows.ids),
        attention_mask=rows.mask,
        position_ids=rows.position_ids,
        past_key_values=cache,
        use_cache=True,
    ).last_hidden_state
    return hidden.reshape(-1, hidden.shape[-1])


def prefix_of(trainee: Trainee) -> list[int]:
    """The template's tokens before the image."""
    found: list[int] = trainee.tokenizer(trainee.template.prefix, add_special_tokens=False)["input_ids"]
    return found


def behind(
    trainee: Trainee,
    turns: Sequence[Sequence[Turn]],
    absent: npt.NDArray[np.int64],
    boosted: npt.NDArray[np.bool_],
    together: int = 1,
    *,
    pictures: bool = True,
) -> Rows:
    """The turns behind their pictures' prefixes, or behind the template's alone."""
    start = len(prefix_of(trainee))
    stop = start + (trainee.image_tokens if pictures else 0)
    return in_rows(
        turns,
        prefix=stop,
        image=slice(start, stop),
        pad=trainee.tokenizer.pad_token_id,
        absent=absent,
        boosted=boosted,
        together=together,
    )
