"""What ``Blip2ForImageTextRetrieval`` does in parts: pictures once, texts once, pairs as often as wanted.

Stock ``forward`` runs the tower for every pair. Here a second stage starts from the tower's tokens, and an
item may have a title beside its picture, or a title alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn import functional


def patches_of(model: Any, pixel_values: torch.Tensor) -> torch.Tensor:
    """The tower's tokens (N, T, V) of preprocessed pictures."""
    found: torch.Tensor = model.vision_model(pixel_values=pixel_values, return_dict=True).last_hidden_state
    return found


def queries_of(model: Any, patches: torch.Tensor) -> torch.Tensor:
    """The query tokens after the Q-Former, (N, Q, H)."""
    found: torch.Tensor = model.qformer(
        query_embeds=model.query_tokens.expand(len(patches), -1, -1),
        encoder_hidden_states=patches,
        encoder_attention_mask=torch.ones(patches.shape[:2], dtype=torch.long, device=patches.device),
        return_dict=True,
    ).last_hidden_state
    return found


def image_embeddings(model: Any, queries: torch.Tensor) -> torch.Tensor:
    """Unit vectors (N, Q, D) of the first stage, one a query token."""
    vectors = model.vision_projection(_as_read_by(model.vision_projection, queries))
    return functional.normalize(vectors, dim=-1)


def texts_of(model: Any, ids: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """The first token's last hidden state (N, H) of texts without any picture; ``real`` marks no padding."""
    found: torch.Tensor = model.qformer(
        query_embeds=model.embeddings(input_ids=ids),
        query_length=0,
        attention_mask=real,
        return_dict=True,
    ).last_hidden_state
    return found[:, 0]


def text_embeddings(model: Any, firsts: torch.Tensor) -> torch.Tensor:
    """Unit vectors (N, D) of the first stage."""
    return functional.normalize(model.text_projection(_as_read_by(model.text_projection, firsts)), dim=-1)


def similarities(images: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
    """Cosines (N, K) of pictures (N, Q, D) and texts (K, D): of each picture the query that is nearest."""
    return torch.einsum("nqd,kd->nkq", images, texts).amax(dim=-1)


def match_states(
    model: Any, patches: torch.Tensor, seen: torch.Tensor, ids: torch.Tensor, real: torch.Tensor
) -> torch.Tensor:
    """The queries' last states (P, Q, H) beside a text each, of which they see all and it sees them.

    ``patches`` (P, T, V); ``seen`` (P,) bool: where it is False there is no picture, its cross-attention
    gives zero.
    """
    queries = model.query_tokens.expand(len(ids), -1, -1)
    count = queries.shape[1]
    mask = torch.cat([torch.ones(len(ids), count, dtype=real.dtype, device=real.device), real], dim=1)
    with _pictures_of(model, seen):
        states = model.qformer(
            query_embeds=model.embeddings(input_ids=ids, query_embeds=queries),
            query_length=count,
            attention_mask=mask,
            encoder_hidden_states=patches,
            encoder_attention_mask=torch.ones(patches.shape[:2], dtype=torch.long, device=patches.device),
            return_dict=True,
        ).last_hidden_state
    found: torch.Tensor = states[:, :count]
    return found


def match_logits(model: Any, states: torch.Tensor) -> torch.Tensor:
    """Log-odds (P,) that text and picture belong together: the difference of the head's two logits.

    With every picture seen it is what stock gives with ``use_image_text_matching_head``.
    """
    logits = model.itm_head(_as_read_by(model.itm_head, states)).mean(dim=1)
    found: torch.Tensor = logits[:, 1] - logits[:, 0]
    return found


def _as_read_by(layer: Any, given: torch.Tensor) -> torch.Tensor:
    """In the layer's dtype; a layer of packed integers takes any."""
    dtype = layer.weight.dtype
    return given.to(dtype) if dtype.is_floating_point else given


@contextmanager
def _pictures_of(model: Any, seen: torch.Tensor) -> Iterator[None]:
    """Takes the picture from the rows that have none: what the queries take from it is zero."""
    if bool(seen.all()):
        yield
        return
    gate = seen[:, None, None]

    def gated(_module: Any, _given: Any, found: tuple[torch.Tensor, Any]) -> tuple[torch.Tensor, Any]:
        return found[0] * gate.to(found[0]), found[1]

    hooks = [
        layer.crossattention.attention.register_forward_hook(gated)
        for layer in model.qformer.encoder.layer
        if layer.has_cross_attention
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
