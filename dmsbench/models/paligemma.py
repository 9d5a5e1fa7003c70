"""PaliGemma checkpoints: image and prompt are read both ways, so each row runs through the model whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache, PaliGemmaForConditionalGeneration

from dmsbench.data.base import SampleError
from dmsbench.errors import ModelError
from dmsbench.fusion.attention_bias import additive_mask, check_attention, modality_bias
from dmsbench.models.adapter import stop_tokens
from dmsbench.models.base import Image, Prompt
from dmsbench.models.decoder import DecoderAdapter, Prefill
from dmsbench.models.padding import bias_of_keys, mean_of, padded
from dmsbench.models.placing import to_device
from dmsbench.models.prompts import PromptFormat

#: The text models whose positions and masks are known to be driven as stock does it.
TEXT_MODELS = ("gemma", "gemma2")
#: What the mixture checkpoints were trained to be asked for a short answer with (arXiv:2407.07726, VQAv2).
TASK = "answer en "


class PaliGemmaFormat(PromptFormat):
    """Tokens as the stock PaliGemmaProcessor makes them: image tokens, BOS, the prompt, a line break."""

    def __init__(self, tokenizer: Any, image_token: str) -> None:
        self._opening = f"{image_token}{tokenizer.bos_token}"

        def with_image(turns: list[Any], **_: Any) -> str:
            return f"{self._opening}{TASK}{turns[0]['content'][1]['text']}\n"

        super().__init__(tokenizer, image_token, with_image)

    def text(self, prompt: Prompt) -> str:
        """The whole prompt as the stock processor takes it: it writes BOS and line break itself."""
        return super().text(prompt).replace(self._opening, self.image_token, 1).removesuffix("\n")


@dataclass(frozen=True, slots=True)
class PaliGemmaState:
    """N images after vision tower and projector; nothing further can be shared by their prompts.

    ``tokens`` (N, Q, D): the image tokens as the text model reads them; ``tower`` (N, D'): the vision
    tower's mean token.
    """

    tokens: torch.Tensor
    tower: torch.Tensor


class PaliGemmaModel(DecoderAdapter):
    """A ``PaliGemmaForConditionalGeneration`` with its processor; static fusion unless given weights.

    PaliGemma is a prefix language model: every token of image and prompt sees all of them, and the answer's
    tokens see those before. The bias therefore acts on every row, as in an encoder: with fewer rows biased
    a modality of weight 0 would still reach the answer by way of the other's rows. Keys and values depend
    on the weights, so that each weighting costs a pass over image and prompt.

    Raises ModelError for a checkpoint that does not load, is no PaliGemma, or has a text model other than
    ``TEXT_MODELS``.
    """

    family, family_name = "paligemma", "PaliGemma"
    model_class, processor_class = PaliGemmaForConditionalGeneration, "PaliGemmaProcessor"

    format: PaliGemmaFormat

    def _take_parts(self) -> None:
        self.language_model = self.model.model.language_model
        config = self.language_model.config
        if config.model_type not in TEXT_MODELS:
            raise ModelError(
                f"PaliGemma checkpoint '{self.checkpoint}' has the text model '{config.model_type}': "
                f"supported are {', '.join(TEXT_MODELS)}"
            )
        check_attention(self.language_model)
        if getattr(config, "attn_logit_softcapping", None) is not None and self.attention != "eager":
            raise ModelError(
                f"PaliGemma checkpoint '{self.checkpoint}': its text model caps its attention logits, which "
                f"{self.attention} leaves out; use attention=eager"
            )
        self.head, self.embedding = self.model.lm_head, self.model.get_input_embeddings()
        self.format = PaliGemmaFormat(self.processor.tokenizer, str(self.processor.image_token))
        self.stops = stop_tokens(self.model)
        self.state_key = self._identity
        self.image_tokens = int(self.processor.image_seq_length)
        # PaliGemma 2 squashes its logits; stock of transformers 5.20 leaves that out.
        self._cap = getattr(config, "final_logit_softcapping", None)
        self._window = getattr(config, "sliding_window", None)

    def length(self, prompt: Prompt) -> int:
        """Tokens after the image.

        Raises SampleError for a prompt that the model's positions, or PaliGemma 2's window, cannot hold.
        """
        length = len(self.format.suffix(prompt).ids)
        whole = self.image_tokens + length
        self._check_positions(whole + 1)
        needed = whole + self.max_new_tokens
        if self._window is not None and needed > self._window:
            raise SampleError(
                f"the prompt and its answer take {needed} tokens, the window holds {self._window}"
            )
        return length

    @torch.inference_mode()
    def encode(self, images: Sequence[Image]) -> PaliGemmaState:
        """Runs vision tower and projector once for N images (uint8, H×W×3)."""
        values = to_device(self.pixel_values(images), self.device, self.loaded.torch_dtype)
        tower: list[torch.Tensor] = []
        watched = self.model.model.multi_modal_projector.register_forward_pre_hook(
            lambda _projector, given: tower.append(given[0].mean(dim=1))
        )
        with watched:
            tokens = self.model.get_image_features(values, return_dict=True).pooler_output
        return PaliGemmaState(tokens.to(self.loaded.torch_dtype), tower[0])

    @torch.inference_mode()
    def prefill(
        self,
        state: PaliGemmaState,
        rows: Sequence[int],
        prompts: Sequence[Prompt],
        weights: torch.Tensor | None = None,
        *,
        pool: bool = False,
    ) -> Prefill:
        """Runs images and prompts together; the first half of ``answer``."""
        suffixes = [self.format.suffix(prompt) for prompt in prompts]
        width, held = max(len(suffix.ids) for suffix in suffixes), state.tokens.shape[1]
        ids, real, evidence = padded(suffixes, width, self.processor.tokenizer.pad_token_id or 0)
        bias = modality_bias(weights, torch.tensor([self.present(prompt) for prompt in prompts]))
        key_bias = bias_of_keys(bias, held, evidence)
        exists = torch.cat([torch.ones(len(prompts), held, dtype=torch.bool), real], dim=1)
        key_bias, exists, real = key_bias.to(self.device), exists.to(self.device), real.to(self.device)
        picks = torch.tensor(rows, device=self.device)
        embeds = torch.cat([state.tokens[picks], self._embed(ids.to(self.device))], dim=1)
        mask = additive_mask(exists, key_bias, self.loaded.torch_dtype)[:, None]
        # PaliGemma counts its positions from 1.
        positions = torch.arange(1, held + width + 1, device=self.device)[None].expand(len(prompts), -1)
        cache = DynamicCache()
        hidden = self._run(embeds, mask.expand(-1, held + width, -1), positions, cache)[:, held:]
        lengths = real.sum(dim=1)
        last = hidden[torch.arange(len(prompts), device=self.device), lengths - 1]
        text = mean_of(hidden, evidence.to(self.device)) if pool else None
        own = torch.arange(len(prompts), device=self.device)
        return Prefill(last, cache, key_bias, exists, held + lengths + 1, own, len(prompts), text)

    def pooled(self, state: PaliGemmaState) -> torch.Tensor:
        """The mean image token, (N, D)."""
        return state.tokens.mean(dim=1)

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """The output layer over the whole vocabulary, in float32."""
        return self._capped(super().logits(hidden))

    def outcome_logits(self, hidden: torch.Tensor, outcomes: Sequence[int] | None) -> torch.Tensor:
        """Logits (…, K) of the outcome tokens (the whole vocabulary for None), in float32."""
        if outcomes is None:
            return self.logits(hidden)
        return self._capped(super().outcome_logits(hidden, outcomes))

    def _capped(self, logits: torch.Tensor) -> torch.Tensor:
        return logits if self._cap is None else self._cap * torch.tanh(logits / self._cap)

    def _by_layer(self, mask: torch.Tensor) -> Any:
        # Within the window (see ``length``) a sliding layer sees what the others see.
        return mask if self._window is None else {"full_attention": mask, "sliding_attention": mask}
