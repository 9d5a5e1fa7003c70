"""Requests and replies of ``/chat/completions`` as plain data."""

from __future__ import annotations

import base64
import io
import json
import math
from dataclasses import dataclass
from typing import Any

from PIL import Image as Pictures

from dmsbench.models.base import Image, Prompt
from dmsbench.models.endpoint.options import EndpointOptions
from dmsbench.models.prompts import body

#: Characters of what a server says that are read, and that are shown once no key is in them.
_READ, _SHOWN = 20_000, 300
#: How far above 0 rounding may lift a log-probability.
_SLACK = 1e-3
#: The least log-probability that is taken for one: -9999 stands for none at all at some servers.
_LEAST = -1e9


class MalformedReplyError(Exception):
    """A reply that is no chat completion: a fault of the server, perhaps a passing one."""


class NoAnswerError(Exception):
    """A chat completion without a text: asking again would not help."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. ``confidence``: product of the probabilities of the tokens that the server lists, which is
    mostly without the end of the answer. ``margin``: see ``Answers``. None where the server does not say."""

    text: str
    confidence: float | None = None
    margin: float | None = None


def data_url(image: Image) -> str:
    """A picture (uint8, H×W×3) as a PNG in a data URL: every pixel arrives as it is."""
    file = io.BytesIO()
    Pictures.fromarray(image).save(file, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def request(
    prompt: Prompt, picture: str, options: EndpointOptions, model: str, max_new_tokens: int
) -> dict[str, Any]:
    """The body that asks one prompt about one picture (a data URL).

    The picture stands first, as a server that keeps prefixes can use it again. An absent picture leaves the
    message without one; an absent text without its evidence: the context where there is one, else the
    question, whose instruction goes with it.
    """
    question, context = prompt.question, prompt.context
    if not prompt.has_text:
        question, context = (question, None) if context is not None else ("", None)
    text = body(question, context)
    if options.instruction and question:
        text = f"{text}\n{options.instruction}"
    content: Any = text
    if prompt.has_image:
        content = [{"type": "image_url", "image_url": {"url": picture}}]
        if text:
            content.append({"type": "text", "text": text})
    return {
        "model": model,
        "messages": [{"role": "user", "content": content}],
        options.length_field: max_new_tokens,
        **({} if options.temperature is None else {"temperature": options.temperature}),
        **({"logprobs": True, "top_logprobs": 2} if options.logprobs else {}),
    }


def read_reply(raw: bytes) -> Reply:
    """A reply's answer; raises MalformedReplyError or NoAnswerError."""
    try:
        found = json.loads(raw)
        if isinstance(found, dict) and found.get("error") and not found.get("choices"):
            # Gateways that have answered 200 before they ask whom they stand for.
            raise MalformedReplyError(f"no chat completion: {error_message(raw)}")
        choice = found["choices"][0]
        message = choice["message"]
        content, refusal = message.get("content"), message.get("refusal")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise MalformedReplyError(f"no chat completion ({type(error).__name__})") from None
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        content = "".join(text for text in texts if isinstance(text, str))
    # A refusal in words is an answer, and a wrong one: left out it would flatter the model.
    text = content if isinstance(content, str) else refusal
    # What a filter took away the model may have said: an empty answer would be put down to it.
    filtered = choice.get("finish_reason") == "content_filter"
    if not isinstance(text, str) or (filtered and not text.strip()):
        raise NoAnswerError(
            f"the server sent no text (finish_reason: {str(choice.get('finish_reason'))[:40]})"
        )
    # Half a surrogate pair is no text that a file can hold.
    text = text.encode("utf-8", "replace").decode().strip()
    return Reply(text, *_certainty(choice.get("logprobs")))


def read_models(raw: bytes) -> tuple[str, ...]:
    """The names that ``/models`` lists; raises MalformedReplyError."""
    try:
        names = [entry["id"] for entry in json.loads(raw)["data"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise MalformedReplyError(f"no list of models ({type(error).__name__})") from None
    return tuple(name for name in names if isinstance(name, str))


def error_message(raw: bytes) -> str:
    """What a reply that is an error says, in one line. It may quote the key and be long: ``shortened``."""
    try:
        found = json.loads(raw)
        error = found.get("error", found)
        text = error.get("message") if isinstance(error, dict) else error
        text = text or found.get("detail") or found.get("message") or found
    except (ValueError, AttributeError, RecursionError):
        text = raw[:_READ].decode("utf-8", "replace")
    return " ".join(str(text)[:_READ].split())


def shortened(text: str) -> str:
    """The beginning of what a server says. Only once no key is in it: half of one would not be found."""
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _certainty(logprobs: Any) -> tuple[float | None, float | None]:
    tokens = _tokens(logprobs) if isinstance(logprobs, dict) else None
    if not isinstance(tokens, list) or not tokens:
        return None, None
    values, gaps = [], []
    for token in tokens:
        value = _logprob(token)
        if value is None:
            return None, None
        values.append(value)
        best = token.get("top_logprobs")
        found = map(_logprob, best) if isinstance(best, list) else ()
        known = sorted((one for one in found if one is not None), reverse=True)
        gaps.append(known[0] - known[1] if len(known) > 1 else None)
    margin = None if None in gaps else min(gap for gap in gaps if gap is not None)
    return min(1.0, math.exp(sum(values))), margin


def _tokens(logprobs: dict[str, Any]) -> Any:
    """The answer's tokens, which some servers list as the older completions did. The likeliest tokens alone
    say nothing: that the answer is made of them is not known."""
    values = logprobs.get("token_logprobs")
    if logprobs.get("content") is not None or not isinstance(values, list):
        return logprobs.get("content")
    best = logprobs.get("top_logprobs")
    if not isinstance(best, list) or len(best) != len(values):
        best = [None] * len(values)
    return [
        {
            "logprob": value,
            "top_logprobs": [{"logprob": one} for one in known.values()] if isinstance(known, dict) else None,
        }
        for value, known in zip(values, best, strict=True)
    ]


def _logprob(token: Any) -> float | None:
    value = token.get("logprob") if isinstance(token, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not _LEAST <= value <= _SLACK:
        return None
    return min(0.0, float(value))
