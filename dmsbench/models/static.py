"""Checkpoints of any other type, static only: chat template, processor and generate as stock has them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as Pictures
from transformers import GenerationConfig

from dmsbench.data.base import SampleError
from dmsbench.errors import ModelError
from dmsbench.models.adapter import stop_tokens
from dmsbench.models.base import Answers, Image, Prompt
from dmsbench.models.load_options import LoadOptions
from dmsbench.models.loading import load_any
from dmsbench.models.placing import to_device
from dmsbench.models.prompts import body, markup, refuse_markup


class StaticModel:
    """Any checkpoint that ``AutoModelForImageTextToText`` loads and whose processor has a chat template.

    Its modalities cannot be weighted: whether keys and values of an image depend on the text, and where an
    additive bias would have to act, differs from type to type. An absent image leaves the conversation
    without one, an absent text without its evidence (the context where there is one, else the question).
    Generation is greedy; the checkpoint's sampling and penalty settings are not used. Code that a
    checkpoint brings is run only where that was asked for (see ``trust``).

    Raises ModelError for a checkpoint that does not load or has no chat template.
    """

    def __init__(
        self,
        checkpoint: str | Path,
        *,
        max_new_tokens: int = 16,
        **how: Any,
    ) -> None:
        self.loaded = load_any(checkpoint, LoadOptions(**how))
        self.processor, self.model, self.device = (
            self.loaded.processor,
            self.loaded.model,
            self.loaded.device,
        )
        self.checkpoint, self.max_new_tokens = str(checkpoint), max_new_tokens
        self.stops = stop_tokens(self.model)
        self.state_key = self.loaded.key
        self._markup = markup(self.processor.tokenizer)
        # An answer goes on right behind its prompt.
        self.processor.tokenizer.padding_side = "left"
        pad = self.processor.tokenizer.pad_token_id
        if pad is None:
            self.processor.tokenizer.pad_token = self.processor.tokenizer.eos_token
            pad = self.processor.tokenizer.pad_token_id
        # generate() fills what it is not told from the checkpoint's settings; these are greedy and no more.
        own = self.model.generation_config
        self.model.generation_config = GenerationConfig(
            bos_token_id=own.bos_token_id,
            eos_token_id=own.eos_token_id,
            pad_token_id=pad,
            decoder_start_token_id=own.decoder_start_token_id,
            do_sample=False,
            num_beams=1,
            max_new_tokens=max_new_tokens,
        )

    def settings(self) -> dict[str, Any]:
        """Weights, config, processor, dtype, prompt format and generation: all that decides the answers."""
        return {
            "family": self.model.config.model_type,
            "scheduling": "static only",
            **self.loaded.settings(),
            "prompt": self.processor.chat_template,
            "generation": {
                "method": "greedy",
                "max_new_tokens": self.max_new_tokens,
                "stops": sorted(self.stops),
            },
        }

    def present(self, prompt: Prompt) -> tuple[bool, bool]:
        """Whether the row has an image and text evidence; empty evidence is as absent as a dropped one."""
        evidence = prompt.question if prompt.context is None else prompt.context
        return prompt.has_image, prompt.has_text and bool(evidence)

    def length(self, prompt: Prompt) -> int:
        """Tokens of the prompt without its image; raises SampleError for a special token in the text."""
        refuse_markup(body(prompt.question, prompt.context), self._markup)
        text = self.processor.apply_chat_template(
            _conversation(prompt, None), add_generation_prompt=True, tokenize=False
        )
        return len(self.processor.tokenizer(text)["input_ids"])

    def encode(self, images: Sequence[Image]) -> tuple[Image, ...]:
        """The images as they are: each row is run whole."""
        return tuple(images)

    @torch.inference_mode()
    def answer(
        self,
        state: Sequence[Image],
        rows: Sequence[int],
        prompts: Sequence[Prompt],
        weights: torch.Tensor | None = None,
    ) -> Answers:
        """Greedy answers to B prompts.

        Raises ModelError for ``weights``: there is nowhere to put them; SampleError for a batch that the
        model's positions cannot hold.
        """
        if weights is not None:
            raise ModelError(
                f"a {self.model.config.model_type} checkpoint takes no modality weights: it is static only"
            )
        texts = [""] * len(prompts)
        confidence, margin = np.zeros(len(prompts), np.float32), np.zeros(len(prompts), np.float32)
        # A batch has an image in every conversation or in none: processors pair them by their order.
        for shown in (True, False):
            part = [i for i, prompt in enumerate(prompts) if prompt.has_image is shown]
            if not part:
                continue
            answers = self._generate(
                [_conversation(prompts[i], state[rows[i]] if shown else None) for i in part]
            )
            confidence[part], margin[part] = answers.confidence, answers.margin
            for i, text in zip(part, answers.texts, strict=True):
                texts[i] = text
        return Answers(tuple(texts), confidence, margin)

    def _generate(self, conversations: Sequence[list[dict[str, Any]]]) -> Answers:
        inputs = self.processor.apply_chat_template(
            list(conversations),
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"padding": True},
        )
        self._check_positions(inputs["input_ids"].shape[1])
        inputs = {name: self._moved(values) for name, values in inputs.items()}
        out = self.model.generate(**inputs, return_dict_in_generate=True, output_logits=True)
        steps = torch.stack(out.logits, dim=1).float().log_softmax(dim=-1)
        best = steps.topk(2, dim=-1).values.cpu()
        spoken = out.sequences[:, -steps.shape[1] :].tolist()
        tokens, sure, gaps = [], [], []
        for row, ids in enumerate(spoken):
            said = next((at for at, token in enumerate(ids) if token in self.stops), len(ids))
            tokens.append(ids[:said])
            counted = best[row, : said + 1]  # the end of the answer is one of its steps
            sure.append(float(counted[:, 0].sum().exp()))
            gaps.append(float((counted[:, 0] - counted[:, 1]).min()))
        texts = self.processor.tokenizer.batch_decode(tokens, skip_special_tokens=True)
        return Answers(
            tuple(text.strip() for text in texts), np.array(sure, np.float32), np.array(gaps, np.float32)
        )

    def _moved(self, values: Any) -> Any:
        """Part of a processor's output where the model is: numbers as it takes them, ids as they are."""
        if isinstance(values, list):
            return [self._moved(value) for value in values]
        if not isinstance(values, torch.Tensor):
            return values
        dtype = self.loaded.torch_dtype if values.is_floating_point() else values.dtype
        return to_device(values, self.device, dtype)

    def _check_positions(self, prompt: int) -> None:
        most = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        needed = prompt + self.max_new_tokens
        if most is not None and needed > most:
            raise SampleError(f"the prompt and its answer take {needed} tokens, the model holds {most}")


def _conversation(prompt: Prompt, image: Image | None) -> list[dict[str, Any]]:
    """What a user says: the image first, then the text."""
    question, context = prompt.question, prompt.context
    if not prompt.has_text:
        question, context = (question, None) if context is not None else ("", None)
    content: list[dict[str, Any]] = [{"type": "text", "text": body(question, context)}]
    if image is not None:
        content.insert(0, {"type": "image", "image": Pictures.fromarray(image)})
    return [{"role": "user", "content": content}]
