"""From a question to tokens: what stands before the image, what after, and which of them are evidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from dmsbench.data.base import SampleError
from dmsbench.errors import ModelError
from dmsbench.models.base import Prompt

#: Tokens of the longest answer where a specification does not say it: a caption is a sentence or two.
LONGEST: Mapping[str, int] = MappingProxyType({"vqa": 16, "captioning": 64})
#: LLaVA-1.5's format, for checkpoints that bring no chat template.
DEFAULT_FORMAT = ("USER: <image>\n", " ASSISTANT:")
_MARK = "⟦dmsbench⟧"
#: Texts whose tokens are kept; when there are more, all are forgotten (a text is asked in runs of rows).
_KEPT = 1 << 16


@dataclass(frozen=True, slots=True)
class Suffix:
    """The tokens after the image; ``ids[first:last]`` is the text evidence, the rest is template.

    ``asked``: where the question lies, which is the evidence itself where there is no context.
    """

    ids: tuple[int, ...]
    first: int
    last: int
    asked: tuple[int, int]


def markup(tokenizer: Any) -> tuple[str, ...]:
    """The tokenizer's special tokens, sorted."""
    added = getattr(tokenizer, "added_tokens_decoder", {}).values()
    return tuple(sorted({*tokenizer.all_special_tokens, *(str(token) for token in added if token.special)}))


def refuse_markup(text: str, special: Sequence[str]) -> None:
    """Raises SampleError where a sample's text holds a special token: it would be read as markup."""
    found = next((token for token in special if token in text), None)
    if found is not None:
        raise SampleError(f"the text holds the model's special token {found!r}")


def body(question: str, context: str | None) -> str:
    """A sample's text: the context, where there is one, stands before the question."""
    return question if context is None else f"{context}\n{question}"


class PromptFormat:
    """Splits a checkpoint's conversation format at the image.

    The text of a sample goes where the chat template puts the user's text. Everything is tokenised in one
    piece and split at the image token, so that the tokens are those of the stock processor.

    Raises ModelError for a format in which text stands before the image.
    """

    def __init__(self, tokenizer: Any, image_token: str, chat_template: Callable[..., str] | None) -> None:
        self.tokenizer = tokenizer
        self.image_token = image_token
        self.image_id = int(tokenizer.convert_tokens_to_ids(image_token))
        if chat_template is None:
            self.before, self.after = DEFAULT_FORMAT[0].replace("<image>", image_token), DEFAULT_FORMAT[1]
        else:
            turn = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": _MARK}]}
            whole = chat_template([turn], add_generation_prompt=True, tokenize=False)
            if whole.count(_MARK) != 1 or whole.count(image_token) != 1:
                raise ModelError(f"the chat template does not hold one {image_token} and the text once")
            self.before, self.after = whole.split(_MARK)
        if image_token not in self.before:
            raise ModelError("the chat template puts the text before the image: no shared image prefix")
        bos = tokenizer.bos_token
        # As the stock processor does it: a template that writes the BOS itself gets no second one.
        self._special = not (bos is not None and self.before.startswith(bos))
        self._markup = markup(tokenizer)
        self.prefix_ids = tuple(self._split("")[0])
        self._cache: dict[tuple[str, str | None], Suffix] = {}

    def text(self, prompt: Prompt) -> str:
        """The whole prompt, one image token in it, as the stock processor takes it."""
        return self.before + body(prompt.question, prompt.context) + self.after

    def suffix(self, prompt: Prompt) -> Suffix:
        """The tokens after the image.

        Raises SampleError where the sample's own text holds one of the tokenizer's special tokens: it
        would be read as markup, not as text.
        """
        key = (prompt.question, prompt.context)
        known = self._cache.get(key)
        if known is None:
            if len(self._cache) >= _KEPT:
                self._cache.clear()
            known = self._cache[key] = self._suffix(prompt)
        return known

    def first_answer_token(self, answer: str) -> int:
        """The token that an answer begins with, right after the prompt."""
        return self.answer_tokens(answer)[0]

    def answer_tokens(self, answer: str) -> tuple[int, ...]:
        """The tokens of an answer right after the prompt.

        A space parts the two, unless the prompt already ends in white space.
        """
        gap = "" if self.after[-1:].isspace() else " "
        whole = self._encoded(f"{self.before}{self.after}{gap}{answer}")["input_ids"]
        return tuple(map(int, whole[len(self._encoded(self.before + self.after)["input_ids"]) :]))

    def _suffix(self, prompt: Prompt) -> Suffix:
        whole = body(prompt.question, prompt.context)
        refuse_markup(whole, self._markup)
        _, ids, offsets = self._split(whole)
        start, end = len(self.before), len(self.before) + len(whole)
        asked = _within(offsets, end - len(prompt.question), end)
        first, last = (
            asked if prompt.context is None else _within(offsets, start, start + len(prompt.context))
        )
        return Suffix(tuple(ids), first, last, asked)

    def _split(self, text: str) -> tuple[list[int], list[int], list[tuple[int, int]]]:
        encoded = self._encoded(self.before + text + self.after, return_offsets_mapping=True)
        ids = list(encoded["input_ids"])
        at = ids.index(self.image_id)
        return ids[:at], ids[at + 1 :], list(encoded["offset_mapping"])[at + 1 :]

    def _encoded(self, text: str, **options: Any) -> Any:
        return self.tokenizer(text, add_special_tokens=self._special, **options)


def _within(offsets: list[tuple[int, int]], start: int, stop: int) -> tuple[int, int]:
    """The tokens that hold characters of the span, (0, 0) for none."""
    inside = [i for i, (lo, hi) in enumerate(offsets) if lo < stop and hi > start]
    return (inside[0], inside[-1] + 1) if inside else (0, 0)
