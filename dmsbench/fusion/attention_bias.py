"""The seam: per-sample modality weights as a bias on the attention logits.

For M evidence modalities a sample's weights w lie on the simplex. Adding log(M·w_m) to the attention
logits of modality m's key columns multiplies its attention mass by M·w_m before normalisation: nothing
changes at the uniform point (log 1 = 0), and a modality disappears as w_m → 0. The bias acts on the rows
after the image only (question, template and answer tokens), so the keys and values of the image prefix
do not depend on the weights, and one prefill serves every question and every weighting.

An encoder-decoder (T5) has no such rows: its encoder looks both ways, so what the image's rows read of the
text is handed on to the decoder, and the other way round. There the bias acts on every row of the encoder
and on the decoder's attention to it. With fewer rows biased a modality of weight 0 would still reach the
answer by way of the other's rows. Nothing of an encoder's work can be shared between weightings then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from dmsbench.errors import ModelError

#: Attention implementations that take an additive 4-D mask.
SUPPORTED_ATTENTION = ("eager", "sdpa")
#: Text models that read their positions off a 2-D mask, which the additive mask takes the place of.
_POSITIONS_FROM_MASK = ("opt",)

_Hook = Callable[[nn.Module, tuple[Any, ...], dict[str, Any]], tuple[tuple[Any, ...], dict[str, Any]]]


def absent(dtype: torch.dtype) -> float:
    """What stands for a key that does not exist: the dtype's lowest finite number, so no row turns NaN."""
    return torch.finfo(dtype).min


def modality_bias(weights: torch.Tensor | None, present: torch.Tensor) -> torch.Tensor:
    """The bias of each modality's keys, (B, M) float32.

    ``weights`` (B, M), non-negative with a positive sum, or None for static fusion; ``present`` (B, M)
    bool. Weights are renormalised over the modalities present; M counts those. An absent modality and a
    weight of 0 give -inf. A sample without any modality keeps no bias: its prompt is the template alone.

    Raises ValueError for a weight that is negative or not finite, for weights that sum to 0, and for
    weights of another shape than ``present``.
    """
    count = present.sum(dim=1, keepdim=True)
    lowest = torch.full(present.shape, -torch.inf)
    if weights is None:
        return torch.where(present, torch.zeros(()), lowest)
    if weights.shape != present.shape:
        raise ValueError(f"modality weights of shape {tuple(weights.shape)}, not {tuple(present.shape)}")
    weights = weights.to(present.device, torch.float32)
    if not torch.isfinite(weights).all() or (weights < 0).any():
        raise ValueError("modality weights must be finite and not negative")
    if not (weights > 0).any(dim=1).all():
        raise ValueError("modality weights must have a positive sum")
    kept = torch.where(present, weights, torch.zeros(()))
    largest = kept.max(dim=1, keepdim=True).values
    # Weights that sit wholly on absent modalities say nothing about the present ones: static fusion.
    scaled = torch.where(largest > 0, kept / largest, present.float())  # no sum of these can overflow
    share = scaled / scaled.sum(dim=1, keepdim=True)
    uniform = (kept == largest) | ~present
    exact = uniform.all(dim=1, keepdim=True)  # equal weights give exactly 0, whatever 3 · (1/3) rounds to
    bias = torch.where(exact & present, torch.zeros(()), torch.log(count * share))
    return torch.where(present, bias, lowest)


def additive_mask(allowed: torch.Tensor, bias: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Joins who may see whom (…, Q, K; bool) and the key bias (…, Q or 1, K) to a mask of ``dtype``."""
    lowest = absent(dtype)
    return torch.where(allowed, bias, -torch.inf).clamp_min(lowest).to(dtype)


def check_attention(language_model: nn.Module) -> None:
    """Raises ModelError where the attention implementation cannot take an additive bias."""
    implementation = getattr(getattr(language_model, "config", None), "_attn_implementation", "eager")
    if implementation not in SUPPORTED_ATTENTION:
        raise ModelError(
            f"attention implementation '{implementation}' takes no bias: load the model with attention=sdpa"
        )


@contextmanager
def attention_bias(
    language_model: nn.Module,
    weights: torch.Tensor,
    keys: Sequence[torch.Tensor],
    *,
    first_row: torch.Tensor,
    present: torch.Tensor | None = None,
) -> Iterator[None]:
    """While open, ``language_model`` runs with the weights; works inside forward and ``generate``.

    ``weights`` (B, M); ``keys``: per modality a bool tensor (B, K) that marks its tokens among the
    prompt's K; ``first_row`` (B,): the first prompt position whose row is biased, the one after the
    image (not read for an encoder-decoder, whose rows are all biased); ``present`` (B, M), all by
    default. Uniform weights leave the call untouched. Beams and other repeats of the batch are followed
    (row b·R … b·R + R − 1 belong to sample b).

    Positions are left to the caller and to the model, but for OPT: it would read them off the 2-D mask,
    so they are read off it here.

    Raises ModelError for an attention implementation that cannot take a bias, and for a call inside whose
    rows are not those of the weights; ValueError for invalid weights.
    """
    check_attention(language_model)
    if present is None:
        present = torch.ones(weights.shape, dtype=torch.bool)
    bias = modality_bias(weights.cpu(), present.cpu())
    if not bias.any():
        yield
        return
    first_row = first_row.cpu()
    by_key = torch.zeros(keys[0].shape)
    for modality, tokens in enumerate(keys):
        by_key = torch.where(tokens.cpu(), bias[:, modality : modality + 1], by_key)

    if _setting(language_model, "is_encoder_decoder"):
        hooks = _encoder_decoder_hooks(language_model, by_key)
    else:
        hooks = [(language_model, _causal_hook(language_model, by_key, first_row))]
    handles = [module.register_forward_pre_hook(hook, with_kwargs=True) for module, hook in hooks]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _causal_hook(language_model: nn.Module, by_key: torch.Tensor, first_row: torch.Tensor) -> _Hook:
    """Biases the rows of a decoder-only model from ``first_row`` on."""
    dtype, prompt = _dtype(language_model), by_key.shape[1]
    from_mask = _setting(language_model, "model_type") in _POSITIONS_FROM_MASK

    def apply(_module: nn.Module, args: tuple[Any, ...], given: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        inputs = given.get("inputs_embeds")
        if inputs is None:
            inputs = given["input_ids"] if "input_ids" in given else args[0]
        rows, width = inputs.shape[0], inputs.shape[1]
        cache = given.get("past_key_values")
        past = cache.get_seq_length() if cache is not None else 0
        length = past + width
        repeats = _repeats(rows, by_key)
        exists = _existing(given.get("attention_mask"), rows, length)
        query = torch.arange(past, length)
        causal = torch.arange(length)[None, :] <= query[:, None]
        key_bias = torch.zeros(rows, length)
        seen = min(prompt, length)
        key_bias[:, :seen] = by_key.repeat_interleave(repeats, dim=0)[:, :seen]
        biased = query[None, :] >= first_row.repeat_interleave(repeats)[:, None]
        mask = additive_mask(
            causal[None] & exists[:, None, :],
            torch.where(biased[:, :, None], key_bias[:, None, :], torch.zeros(())),
            dtype,
        )
        changed = dict(given)
        changed["attention_mask"] = mask[:, None].to(inputs.device)
        if from_mask and changed.get("position_ids") is None:
            positions = exists.long().cumsum(dim=1) * exists - 1
            changed["position_ids"] = positions[:, past:].to(inputs.device)
        return args, changed

    return apply


def _encoder_decoder_hooks(language_model: nn.Module, by_key: torch.Tensor) -> list[tuple[nn.Module, _Hook]]:
    """Biases every row of the encoder, and the decoder's attention to the encoder's output."""
    dtype = _dtype(language_model)

    def hook(mask: str, *inputs: str) -> _Hook:
        def apply(
            _module: nn.Module, args: tuple[Any, ...], given: dict[str, Any]
        ) -> tuple[Any, dict[str, Any]]:
            source = next(given[name] for name in inputs if given.get(name) is not None)
            rows = source.shape[0]
            key_bias = by_key.repeat_interleave(_repeats(rows, by_key), dim=0)
            exists = _existing(given.get(mask), rows, key_bias.shape[1])
            additive = additive_mask(exists, key_bias, dtype)[:, None, None].to(source.device)
            return args, {**given, mask: additive}

        return apply

    stacks: Any = language_model
    return [
        (stacks.encoder, hook("attention_mask", "inputs_embeds", "input_ids")),
        (stacks.decoder, hook("encoder_attention_mask", "encoder_hidden_states")),
    ]


def _repeats(rows: int, by_key: torch.Tensor) -> int:
    """How many rows of a call belong to each sample."""
    repeats, rest = divmod(rows, by_key.shape[0])
    if rest or not repeats:
        raise ModelError(f"{rows} rows in a call under the weights of {by_key.shape[0]} samples")
    return repeats


def _existing(padded: torch.Tensor | None, rows: int, length: int) -> torch.Tensor:
    """Which of the keys are no padding, (rows, length) bool; beyond the mask's end all are real."""
    exists = torch.ones(rows, length, dtype=torch.bool)
    if padded is not None:
        if padded.ndim != 2:
            raise ModelError("the modality bias needs a 2-D attention mask")
        exists[:, : padded.shape[1]] = padded[:, :length].bool().cpu()
    return exists


def _setting(module: nn.Module, name: str) -> Any:
    return getattr(getattr(module, "config", None), name, None)


def _dtype(module: nn.Module) -> torch.dtype:
    return next(module.parameters()).dtype
