"""Questions as rows behind their pictures' prefixes: the prefix runs once a picture, in training too.

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
from transformers import DynamicCache, LlavaForConditionalGeneration

from dmsbench.training.packing import ABSENT, Turn


@dataclass(frozen=True, slots=True)
class Rows:
    """Token ids (N, T) and the additive mask (N, 1, T, P + T) of B pictures' Q turns each, N = B · Q.

    ``places``, ``targets``: flat indices into (N · T) of the positions that predict an answer token, and
    the tokens to be predicted; ``said_places``, ``said_targets``: the same of the text evidence, in the rows
    that have both modalities.
    """

    ids: torch.Tensor
    mask: torch.Tensor
    places: torch.Tensor
    targets: torch.Tensor
    said_places: torch.Tensor
    said_targets: torch.Tensor


def in_rows(
    turns: Sequence[Sequence[Turn]],
    *,
    prefix: int,
    image: slice,
    pad: int,
    absent: npt.NDArray[np.int64],
    boosted: npt.NDArray[np.bool_],
) -> Rows:
    """B pictures with Q turns each behind prefixes of ``prefix`` tokens, ``image`` among them.

    ``absent`` and ``boosted`` (B, Q) as in ``packing.pack``.
    """
    flat = [turn for asked in turns for turn in asked]
    size = max(len(turn.ids) for turn in flat)
    ids = np.full((len(flat), size), pad, dtype=np.int64)
    evidence = np.zeros((len(flat), size), dtype=np.bool_)
    gone = absent.reshape(-1)
    places: list[int] = []
    targets: list[int] = []
    said_places: list[int] = []
    said_targets: list[int] = []
    for n, turn in enumerate(flat):
        ids[n, : len(turn.ids)] = turn.ids
        evidence[n, turn.evidence] = True
        answer = range(turn.answer, len(turn.ids))
        places += [n * size + position - 1 for position in answer]
        targets += [turn.ids[position] for position in answer]
        if gone[n] == 0:
            said = range(turn.evidence.start, turn.evidence.stop)
            said_places += [n * size + position - 1 for position in said]
            said_targets += [turn.ids[position] for position in said]
    boost = np.where(boosted.reshape(-1), math.log(2.0), 0.0)
    # Modality 1 is the image, 2 the text: the one that is gone has no keys, the other may carry log 2.
    of_image = np.where(gone == 1, ABSENT, np.where(gone == 2, boost, 0.0))
    of_text = np.where(gone == 2, ABSENT, np.where(gone == 1, boost, 0.0))
    bias = np.zeros((len(flat), prefix + size), dtype=np.float32)
    bias[:, image] = of_image[:, None]
    bias[:, prefix:] = np.where(evidence, of_text[:, None], 0.0)
    causal = torch.ones(size, prefix + size, dtype=torch.bool).tril(prefix)
    mask = torch.where(causal[None], torch.from_numpy(bias)[:, None], ABSENT)
    return Rows(
        ids=torch.from_numpy(ids),
        mask=mask[:, None],
        places=torch.tensor(places),
        targets=torch.tensor(targets),
        said_places=torch.tensor(said_places, dtype=torch.int64),
        said_targets=torch.tensor(said_targets, dtype=torch.int64),
    )


def hidden_of(
    model: LlavaForConditionalGeneration, prefix_ids: Sequence[int], rows: Rows, pixel_values: torch.Tensor
) -> torch.Tensor:
    """The language model's last hidden states over all rows, (N · T, width); gradients reach the tower."""
    language: Any = model.model.language_model
    images = torch.stack(list(model.get_image_features(pixel_values, return_dict=True).pooler_output))
    embed = model.get_input_embeddings()
    start = embed(torch.tensor(prefix_ids)).expand(len(images), -1, -1)
    shared = DynamicCache(config=language.config)
    language(inputs_embeds=torch.cat([start, images], dim=1), past_key_values=shared, use_cache=True)
    turns = len(rows.ids) // len(images)
    cache = DynamicCache(config=language.config)
    for index, layer in enumerate(cast(Any, shared.layers)):
        cache.update(
            layer.keys.repeat_interleave(turns, dim=0), layer.values.repeat_interleave(turns, dim=0), index
        )
    prefix = start.shape[1] + images.shape[1]
    positions = torch.arange(prefix, prefix + rows.ids.shape[1]).expand(len(rows.ids), -1)
    hidden: torch.Tensor = language(
        inputs_embeds=embed(rows.ids),
        attention_mask=rows.mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
    ).last_hidden_state
    return hidden.reshape(-1, hidden.shape[-1])
