"""A model behind an API, as the runner drives it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from dmsbench.errors import ModelError
from dmsbench.models.base import Answers, Image, Prompt
from dmsbench.models.endpoint.client import Client, Failed
from dmsbench.models.endpoint.options import EndpointOptions
from dmsbench.models.endpoint.wire import data_url, request
from dmsbench.models.prompts import body

#: The shape of the conversation: enters the key of every record.
CONVERSATION = "user: picture, context, question, instruction; v1"


class EndpointModel:
    """A server's model, static only: nothing behind an API takes modality weights.

    Pictures go as PNG, so with every pixel. Whether equal requests have equal answers is the server's
    affair: with temperature 0 they mostly have. The server's weights cannot be seen: its address, or
    ``served``, and the model's name stand for them in the keys of records.

    Raises ModelError where the key's variable is not set, and where the server lists not one model and none
    was named.
    """

    def __init__(
        self,
        options: EndpointOptions,
        *,
        max_new_tokens: int = 16,
        delays: Callable[[int], float] | None = None,
    ) -> None:
        self.options = options
        self.max_new_tokens = options.max_new_tokens or max_new_tokens
        self.client = Client(options, _key(options.key), delays=delays)
        self.model = options.model or _only(options, self.client.models())
        self.state_key = json.dumps(["endpoint", options.server, self.model])

    def settings(self) -> dict[str, Any]:
        """Server, model, conversation and generation; how often and how fast it is asked decides nothing."""
        options = self.options
        return {
            "family": "endpoint",
            "scheduling": "static only",
            "server": options.server,
            "model": self.model,
            "prompt": CONVERSATION,
            "instruction": options.instruction,
            "image": "png",
            "generation": {
                "temperature": "the server's" if options.temperature is None else options.temperature,
                options.length_field: self.max_new_tokens,
                "logprobs": options.logprobs,
            },
        }

    def length(self, prompt: Prompt) -> int:
        """Characters of the text, in place of its tokens: the server's tokenizer is not known."""
        return len(body(prompt.question, prompt.context))

    def encode(self, images: Sequence[Image]) -> tuple[str, ...]:
        """The pictures as they will be sent."""
        return tuple(map(data_url, images))

    def answer(
        self,
        state: Sequence[str],
        rows: Sequence[int],
        prompts: Sequence[Prompt],
        weights: torch.Tensor | None = None,
    ) -> Answers:
        """Answers B prompts, as many at once as ``concurrency`` allows; what ``Client.ask`` raises, too.

        Raises ModelError for ``weights``.
        """
        if weights is not None:
            raise ModelError("a model behind an API takes no modality weights: it is static only")
        found = self.client.ask(
            [
                request(prompt, state[row], self.options, self.model, self.max_new_tokens)
                for row, prompt in zip(rows, prompts, strict=True)
            ]
        )
        replies = [None if isinstance(one, Failed) else one for one in found]
        confidence = [np.nan if one is None or one.confidence is None else one.confidence for one in replies]
        margin = [np.nan if one is None or one.margin is None else one.margin for one in replies]
        return Answers(
            tuple("" if one is None else one.text for one in replies),
            np.array(confidence, np.float32),
            np.array(margin, np.float32),
            stated=~np.isnan(confidence),
            failed={index: one.reason for index, one in enumerate(found) if isinstance(one, Failed)},
        )


def _key(variable: str | None) -> str | None:
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ModelError(f"the environment variable {variable} (option key) is not set: put the key there")
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise ModelError(f"the environment variable {variable} (option key) holds what no key can be")
    return key


def _only(options: EndpointOptions, listed: tuple[str, ...]) -> str:
    if len(listed) == 1:
        return listed[0]
    known = ", ".join(listed[:10]) + (", …" if len(listed) > 10 else "")
    raise ModelError(f"{options.url} lists {len(listed)} models{': ' + known if known else ''}; give model=")
