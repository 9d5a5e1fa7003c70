"""What ``endpoint:URL`` and its options say. No torch and no HTTP in here."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from dmsbench.errors import DmsbenchError, UnknownNameError

#: What a specification of a model behind an API begins with.
PREFIX = "endpoint:"
OPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "model": "the model's name at the server, by default the only one that it lists",
        "key": "the environment variable that holds the key; never the key itself",
        "instruction": "a sentence without commas that follows every question",
        "max_new_tokens": "longest answer, in tokens (16; captions 64)",
        "logprobs": "yes, or no for a server that gives none: confidence is unknown then",
        "temperature": "a number from 0 to 2, or default: not sent (0)",
        "length_field": "max_tokens or max_completion_tokens: what the server calls the longest answer",
        "concurrency": "requests under way at once (8)",
        "retries": "how often a request that failed is sent again (6)",
        "timeout": "seconds that a request may take (120)",
        "served": "what stands for the address in the keys of records, where that changes",
    }
)
_CHOICES = MappingProxyType(
    {"logprobs": ("yes", "no"), "length_field": ("max_tokens", "max_completion_tokens")}
)
#: Least and most of each number.
_BOUNDS: Mapping[str, tuple[type, float, float]] = MappingProxyType(
    {
        "max_new_tokens": (int, 1, 1_000_000),
        "temperature": (float, 0, 2),
        "concurrency": (int, 1, 1024),
        "retries": (int, 0, 100),
        "timeout": (float, 0.001, 86_400),
    }
)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")


@dataclass(frozen=True, slots=True)
class EndpointOptions:
    """One server and how it is asked. ``url`` is the API's base, without a slash at its end."""

    url: str
    model: str | None = None
    key: str | None = None
    """Name of an environment variable."""
    instruction: str | None = None
    max_new_tokens: int | None = None
    """None: the task's own."""
    logprobs: bool = True
    temperature: float | None = 0.0
    """None: the server's own."""
    length_field: str = "max_tokens"
    concurrency: int = 8
    retries: int = 6
    timeout: float = 120.0
    """Seconds."""
    served: str | None = None

    @property
    def server(self) -> str:
        """What names the server in the keys of records."""
        return self.served or self.url


def checked_pairs(text: str, pairs: list[str]) -> dict[str, str]:
    """``key=value`` pairs as a mapping.

    Raises UnknownNameError or DmsbenchError, before anything else where a key was given in place of the name
    of its variable: no message may show one.
    """
    options: dict[str, str] = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        if name == "key" and not _VARIABLE.fullmatch(value):
            raise DmsbenchError(
                "option 'key' of an endpoint takes the name of an environment variable, such as "
                "key=OPENAI_API_KEY, never the key itself: it would be kept with the run"
            )
    for pair in pairs:
        name, _, value = pair.partition("=")
        if name == "fusion" and value not in ("", "static"):
            raise DmsbenchError(
                f"model '{text}': a model behind an API takes no modality weights: it is static only"
            )
        if name not in (*OPTIONS, "fusion"):
            raise UnknownNameError(f"option of model '{text}'", name, OPTIONS)
        if not value:
            raise DmsbenchError(f"model '{text}': option '{name}' needs a value ({OPTIONS.get(name, name)})")
        if name in options:
            raise DmsbenchError(f"model '{text}': option '{name}' is given twice")
        if name != "fusion":
            options[name] = value
    return options


def endpoint_options(text: str, checkpoint: str, options: Mapping[str, str]) -> EndpointOptions:
    """Reads ``endpoint:URL`` with its options; raises UnknownNameError or DmsbenchError naming ``text``."""
    for name, known in _CHOICES.items():
        if name in options and options[name] not in known:
            raise UnknownNameError(name, options[name], known)
    values: dict[str, Any] = {
        name: options[name]
        for name in ("model", "key", "instruction", "served", "length_field")
        if name in options
    }
    values |= {name: _number(text, name, options[name]) for name in _BOUNDS if name in options}
    if "logprobs" in options:
        values["logprobs"] = options["logprobs"] == "yes"
    return EndpointOptions(_address(text, checkpoint.removeprefix(PREFIX)), **values)


def _number(text: str, name: str, value: str) -> float | int | None:
    if name == "temperature" and value == "default":
        return None
    kind, least, most = _BOUNDS[name]
    try:
        number = kind(value) if len(value) < 40 else math.nan
    except ValueError:
        number = math.nan
    if not least <= number <= most:
        what = "a whole number" if kind is int else "a number"
        raise DmsbenchError(f"model '{text}': option '{name}' needs {what} from {least:g} to {most:g}")
    found: float | int = number
    return found


def _address(text: str, url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise DmsbenchError(f"model '{text}': '{url}' is no address ({error})") from None
    if parts.username is not None or parts.password is not None:
        raise DmsbenchError("the address of an endpoint holds a name or password: use key=VARIABLE instead")
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or not url.isprintable():
        raise DmsbenchError(
            f"model '{text}': an endpoint is {PREFIX}http://HOST:PORT/v1 or https, not '{url or 'nothing'}'"
        )
    if parts.query or parts.fragment or " " in url:
        raise DmsbenchError(f"model '{text}': the address of an endpoint has no '?', '#' or blank")
    return url.rstrip("/").removesuffix("/chat/completions")
