"""BLIP-2's prompts: the query tokens before everything, even before the BOS, then the text."""

from __future__ import annotations

from typing import Any

from dmsbench.models.base import Prompt
from dmsbench.models.prompts import PromptFormat

#: The formats of the BLIP-2 paper: for decoder-only text models, and for encoder-decoders.
DECODER_FORMAT = ("Question: ", " Answer:")
ENCODER_DECODER_FORMAT = ("Question: ", " Short answer:")


class Blip2Format(PromptFormat):
    """Tokens as the stock Blip2Processor makes them; no text stands before the image.

    The processor tokenises the text as if alone, with the tokenizer's BOS or EOS, and puts the image
    tokens in front. It knows no chat template, so one that a text model's tokenizer brings is not used.
    """

    def __init__(self, tokenizer: Any, image_token: str, *, encoder_decoder: bool) -> None:
        self.encoder_decoder = encoder_decoder
        opening, closing = ENCODER_DECODER_FORMAT if encoder_decoder else DECODER_FORMAT

        def with_image(turns: list[Any], **_: Any) -> str:
            return f"{image_token}{opening}{turns[0]['content'][1]['text']}{closing}"

        super().__init__(tokenizer, image_token, with_image)

    def text(self, prompt: Prompt) -> str:
        """The whole prompt as the stock processor takes it: it writes the image tokens itself."""
        return super().text(prompt).removeprefix(self.image_token)

    def answer_tokens(self, answer: str) -> tuple[int, ...]:
        """The tokens of an answer: a decoder of its own starts afresh, else they follow the prompt."""
        if self.encoder_decoder:
            return tuple(map(int, self.tokenizer(answer, add_special_tokens=False)["input_ids"]))
        return super().answer_tokens(answer)

    def _split(self, text: str) -> tuple[list[int], list[int], list[tuple[int, int]]]:
        encoded = self._encoded(self.before + text + self.after, return_offsets_mapping=True)
        # A special token (BOS, EOS) has the empty span (0, 0), which lies in no text.
        shift = len(self.image_token)
        spans = [(lo + shift, hi + shift) if hi > lo else (0, 0) for lo, hi in encoded["offset_mapping"]]
        return [], list(encoded["input_ids"]), spans

    def _encoded(self, text: str, **options: Any) -> Any:
        return self.tokenizer(text.removeprefix(self.image_token), **options)
