"""Asks a server: many requests at once, each again where that may help, and no longer where it cannot."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import random
import threading
import weakref
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import httpx2

from dmsbench.errors import HangingModelError, ModelError
from dmsbench.models.endpoint.options import EndpointOptions
from dmsbench.models.endpoint.secrets import Secret
from dmsbench.models.endpoint.waiting import asked_to_wait, backoff
from dmsbench.models.endpoint.wire import (
    MalformedReplyError,
    NoAnswerError,
    Reply,
    error_message,
    read_models,
    read_reply,
    shortened,
)

#: Rows in a row without an answer before the server is given up.
MOST_IN_A_ROW = 20
#: Seconds that a server may ask a client to wait.
LONGEST_WAIT = 900.0
#: Bytes of a reply: a short text and its log-probabilities.
LARGEST_REPLY = 16 * 2**20
#: Statuses that say "not now".
_PASSING = (408, 409, 425, 429)
#: Statuses that no other prompt would get past.
_FINAL = (401, 404, 405)
_CONTINUES = "nothing finished is lost: the same command continues"
#: What a refused request may complain of, and the option that mends it.
_HINTS = {
    "logprobs": "logprobs=no",
    "max_completion_tokens": "length_field=max_completion_tokens",
    "temperature": "temperature=default",
}

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Failed:
    """Why a request has no answer, in one line."""

    reason: str


class _AgainError(Exception):
    """A failure that may pass; ``wait``: seconds that the server asks for; ``limit``: it was asked too much,
    which concerns all requests."""

    def __init__(self, reason: str, wait: float = 0.0, *, limit: bool = False) -> None:
        super().__init__(reason)
        self.wait, self.limit = wait, limit


class Client:
    """Keeps connections to one server. Safe to use from one thread at a time.

    Requests live on an event loop in a thread of its own, so that a call that is broken off by a signal
    leaves nothing half done in the caller's thread. ``delays`` gives the seconds before attempt n + 1.
    """

    def __init__(
        self,
        options: EndpointOptions,
        key: str | None = None,
        *,
        delays: Callable[[int], float] | None = None,
    ) -> None:
        self.options, self._secret = options, Secret(key)
        chance = random.Random()  # noqa: S311 when to ask again decides no record
        self._delay = delays or (lambda attempt: backoff(attempt, chance))
        self._loop = asyncio.new_event_loop()
        self._http = httpx2.AsyncClient(
            timeout=options.timeout,
            headers={} if key is None else {"Authorization": f"Bearer {key}"},
            limits=httpx2.Limits(max_connections=options.concurrency),
        )
        thread = threading.Thread(target=self._loop.run_forever, name="endpoint", daemon=True)
        thread.start()
        self.close = weakref.finalize(self, _shut, self._loop, thread, self._http)
        self._slots = asyncio.Semaphore(options.concurrency)
        self._not_before = 0.0
        self._answered = self._lost = self._refused = 0
        self._kept: dict[bytes, Reply] = {}

    def ask(self, bodies: Sequence[dict[str, Any]]) -> list[Reply | Failed]:
        """The answers to some requests, in their order; one without an answer costs itself alone.

        What was answered before a call was broken off is not asked again by the next: the runner halves a
        batch that took too long, and answers may cost money.

        Raises ModelError where no request can succeed: a wrong key or address, or a server that has refused
        the first ``MOST_IN_A_ROW``; HangingModelError where as many in a row had no answer though each was
        sent again, and where the server asks to wait longer than ``LONGEST_WAIT``.
        """
        return self._run(self._all(bodies))

    def models(self) -> tuple[str, ...]:
        """The models that the server lists; raises ModelError where it does not."""
        found = self._run(self._with_retries(lambda: self._send("GET", "/models", None, read_models)))
        if isinstance(found, Failed):
            raise ModelError(f"{self.options.url}/models: {found.reason}; is the server running?")
        return found

    def _run(self, work: Coroutine[Any, Any, _T]) -> _T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    async def _all(self, bodies: Sequence[dict[str, Any]]) -> list[Reply | Failed]:
        requests = [json.dumps(body).encode() for body in bodies]
        names = [hashlib.blake2b(raw, digest_size=16).digest() for raw in requests]
        tasks = [
            asyncio.ensure_future(self._one(name, raw)) for name, raw in zip(names, requests, strict=True)
        ]
        try:
            found = list(await asyncio.gather(*tasks))
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise
        for name in names:
            self._kept.pop(name, None)
        return found

    async def _one(self, name: bytes, raw: bytes) -> Reply | Failed:
        known = self._kept.get(name)
        if known is not None:
            return known
        found = await self._with_retries(lambda: self._send("POST", "/chat/completions", raw, read_reply))
        if isinstance(found, Failed):
            self._lost += 1
            if self._lost >= MOST_IN_A_ROW:
                raise HangingModelError(
                    f"{self.options.url}: {MOST_IN_A_ROW} requests in a row without an answer, each sent "
                    f"{self.options.retries + 1} times ({found.reason}); {_CONTINUES}"
                )
        else:
            self._kept[name] = found
        return found

    async def _with_retries(self, send: Callable[[], Coroutine[Any, Any, _T]]) -> _T | Failed:
        reason = ""
        for attempt in range(self.options.retries + 1):
            try:
                return await send()
            except NoAnswerError as error:
                self._lost = 0
                return Failed(str(error))
            except _AgainError as error:
                reason = str(error)
                wait = max(error.wait, self._delay(attempt))
                self._hold(wait if error.limit else error.wait)
                if error.wait > LONGEST_WAIT:
                    await self._held()
                if attempt < self.options.retries:
                    await asyncio.sleep(wait)
        return Failed(reason)

    def _hold(self, seconds: float) -> None:
        """No request is begun for so long: a limit is the server's, not the one request's."""
        self._not_before = max(self._not_before, self._loop.time() + seconds)

    async def _held(self) -> None:
        """Waits until a request may be begun; raises HangingModelError where that is too long."""
        while (early := self._not_before - self._loop.time()) > 0:
            if early > LONGEST_WAIT:
                raise HangingModelError(
                    f"{self.options.url} asks to wait {early:.0f} s before the next request; {_CONTINUES}"
                )
            await asyncio.sleep(early)

    async def _send(self, method: str, path: str, raw: bytes | None, read: Callable[[bytes], _T]) -> _T:
        async with self._slots:
            await self._held()
            try:
                status, headers, reply = await asyncio.wait_for(
                    self._exchange(method, path, raw), self.options.timeout
                )
            except (asyncio.TimeoutError, httpx2.TimeoutException):
                raise _AgainError(f"no reply within {self.options.timeout:g} s (timeout)") from None
            except (httpx2.TransportError, httpx2.DecodingError) as error:
                raise _AgainError(self._shown(f"{type(error).__name__}: {error}".rstrip(": "))) from None
        wait = asked_to_wait(status, headers)
        if status == 200:
            self._hold(wait)
            try:
                found = read(reply)
            except MalformedReplyError as error:
                raise _AgainError(shortened(self._shown(str(error)))) from None
            except NoAnswerError as error:
                raise NoAnswerError(shortened(self._shown(str(error)))) from None
            if isinstance(found, Reply):
                found = replace(found, text=self._secret.hidden_in_answer(found.text))
            self._answered += 1
            self._lost = 0
            return found
        self._fail(status, headers, reply, wait)
        raise NoAnswerError(
            shortened(self._shown(f"the server refused it ({status}): {error_message(reply)}"))
        )

    def _fail(self, status: int, headers: httpx2.Headers, reply: bytes, wait: float) -> None:
        """Raises what a status means for the whole run, or that the request may be sent again."""
        said = shortened(self._shown(f"{status}: {error_message(reply)}"))
        where = self.options.url
        if status >= 500 or status in _PASSING:
            raise _AgainError(f"the server says {said}", wait, limit=status == 429)
        if 300 <= status < 400:
            place = self._shown(headers.get("location", "nowhere"))[:200]
            raise ModelError(f"{where} redirects to {place}: give the address where the server is")
        if status == 402:
            raise ModelError(f"{where} asks to be paid ({said}); {_CONTINUES}")
        if status == 401 or (status == 403 and not self._answered):
            hint = "give key=VARIABLE" if self.options.key is None else f"look at ${self.options.key}"
            raise ModelError(f"{where} refuses the key ({said}); {hint}")
        if status in _FINAL:
            raise ModelError(f"{where} knows no such address or model ({said}); most addresses end in /v1")
        self._refused += 1
        if self._answered:
            return
        for word, option in _HINTS.items():
            if word in said:
                raise ModelError(f"{where} refuses the request ({said}); try {option}")
        if self._refused >= MOST_IN_A_ROW:
            raise ModelError(f"{where} has refused the first {MOST_IN_A_ROW} requests ({said})")

    async def _exchange(self, method: str, path: str, raw: bytes | None) -> tuple[int, httpx2.Headers, bytes]:
        reply = bytearray()
        headers = {} if raw is None else {"Content-Type": "application/json"}
        async with self._http.stream(method, self.options.url + path, content=raw, headers=headers) as stream:
            async for some in stream.aiter_bytes():
                reply += some
                if len(reply) > LARGEST_REPLY:
                    raise _AgainError(f"a reply of more than {LARGEST_REPLY:,} bytes")
            return stream.status_code, stream.headers, bytes(reply)

    def _shown(self, text: str) -> str:
        """What a server says, without the key: some quote it."""
        return self._secret.hidden(text)


def _shut(loop: asyncio.AbstractEventLoop, thread: threading.Thread, http: httpx2.AsyncClient) -> None:
    with contextlib.suppress(TimeoutError, asyncio.TimeoutError, RuntimeError):
        asyncio.run_coroutine_threadsafe(_ended(http), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)
    if not thread.is_alive():
        loop.close()


async def _ended(http: httpx2.AsyncClient) -> None:
    """Ends what a call that was broken off has left, then the connections."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    await http.aclose()
