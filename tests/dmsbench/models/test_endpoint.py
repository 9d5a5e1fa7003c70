"""Models behind an API, against a real server process that misbehaves on demand."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dmsbench.errors import DmsbenchError, HangingModelError, ModelError, UnknownNameError
from dmsbench.models.base import Prompt
from dmsbench.models.endpoint.model import EndpointModel
from dmsbench.models.endpoint.options import EndpointOptions
from dmsbench.models.endpoint.waiting import asked_to_wait
from dmsbench.models.endpoint.wire import read_reply, request
from dmsbench.models.spec import parse
from dmsbench.runner.find import runs
from dmsbench.runner.rows import Outcome
from tests.dmsbench.models.openai_server import digest

SERVER = Path(__file__).with_name("openai_server.py")
KEY = "a-very-secret-key"


@contextmanager
def serving(*words: str) -> Iterator[str]:
    """A server process; its address."""
    process = subprocess.Popen([sys.executable, str(SERVER), *words], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving() as address:
        yield address


def plan(server: str, *words: str) -> None:
    """What befalls the next requests; forgets what was seen."""
    request = urllib.request.Request(f"{server}/plan", json.dumps(words).encode(), method="POST")  # noqa: S310
    with urllib.request.urlopen(request) as reply:  # noqa: S310
        reply.read()


def seen(server: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{server}/seen") as reply:  # noqa: S310
        found: dict[str, Any] = json.load(reply)
    return found


def model(server: str, **options: Any) -> EndpointModel:
    return EndpointModel(
        EndpointOptions(f"{server}/v1", **{"model": "org/one", **options}), delays=lambda _attempt: 0.01
    )


def picture(seed: int, size: tuple[int, int] = (9, 7)) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def expected(server: str, image: Any, prompt: Prompt, **options: Any) -> str:
    """The server's answer, of a request made here."""
    from dmsbench.models.endpoint.wire import data_url

    return digest(request(prompt, data_url(image), EndpointOptions(server, **options), "m", 1))


@pytest.mark.parametrize(
    "befalls",
    [
        *("429", "bare 429", "500", "503", "cut", "hang up", "malformed", "other", "slow"),
        *("drip", "huge", "bomb", "latin", "error inside"),
    ],
)
def test_what_passes_is_asked_again_and_costs_nothing(server: str, befalls: str) -> None:
    asked = model(server, timeout=0.6 if befalls in ("slow", "drip") else 60.0)
    images = [picture(1), picture(2, (5, 11))]
    prompts = [Prompt(f"what is {n}?") for n in range(12)]
    rows = [n % 2 for n in range(12)]
    plan(server, *["ok"] * 3, befalls, befalls, "ok", befalls)
    answers = asked.answer(asked.encode(images), rows, prompts)
    assert answers.failed == {}
    assert answers.texts == tuple(
        expected(server, images[row], prompt) for row, prompt in zip(rows, prompts, strict=True)
    )
    chats = seen(server)["chats"]
    assert len(chats) == 12 + 3
    assert [chat["word"] for chat in chats].count(befalls) == 3


def test_each_pixel_and_word_arrives(server: str) -> None:
    """The server's digest is of pixels decoded there: computed here from the array itself."""
    import hashlib

    image, asked = picture(3), model(server)
    found = hashlib.blake2b(digest_size=6)
    found.update(b"(7, 9)" + image.tobytes())
    found.update(b"a cat\nwhat is it?")
    answers = asked.answer(asked.encode([image]), [0], [Prompt("what is it?", "a cat")])
    assert answers.texts == (found.hexdigest(),)


@pytest.mark.parametrize(
    ("prompt", "content"),
    [
        (Prompt("q", "c"), ["image_url", "c\nq\nbe short"]),
        (Prompt("q", "c", has_text=False), ["image_url", "q\nbe short"]),
        (Prompt("q", has_text=False), ["image_url"]),
        (Prompt("q", has_image=False), "q\nbe short"),
        (Prompt("q", None, has_image=False, has_text=False), ""),
    ],
)
def test_what_is_absent_is_not_sent(prompt: Prompt, content: object) -> None:
    sent = request(prompt, "data:", EndpointOptions("http://h", instruction="be short"), "m", 5)
    (turn,) = sent["messages"]
    found = turn["content"]
    assert content == (
        found if isinstance(found, str) else [part.get("text", part["type"]) for part in found]
    )


def test_confidence_is_the_product_and_the_margin_the_least_gap(server: str) -> None:
    asked = model(server)
    answers = asked.answer(asked.encode([picture(1)]), [0], [Prompt("q")])
    assert answers.confidence[0] == pytest.approx(math.exp(-0.5))
    assert answers.margin[0] == pytest.approx(0.5)
    outcome = Outcome.of(answers, 0)
    assert (outcome.status, outcome.confidence) == ("ok", pytest.approx(math.exp(-0.5)))


@pytest.mark.parametrize(("options", "word"), [({"logprobs": False}, "ok"), ({}, "plain")])
def test_a_confidence_that_is_not_stated_is_unknown_and_no_error(
    server: str, options: dict[str, Any], word: str
) -> None:
    asked = model(server, **options)
    plan(server, word)
    answers = asked.answer(asked.encode([picture(1)]), [0], [Prompt("q")])
    outcome = Outcome.of(answers, 0)
    assert (outcome.status, outcome.confidence, outcome.margin) == ("ok", None, None)


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("500", "the server says 500: no luck with 500"),
        ("400", "the server refused it (400): no luck with 400"),
        ("413", "the server refused it (413): no luck with 413"),
        ("silent", "the server sent no text (finish_reason: stop)"),
        ("malformed", "no chat completion (JSONDecodeError)"),
        ("latin", "no chat completion (UnicodeDecodeError)"),
        ("error inside", "no chat completion: the provider is overloaded"),
        ("filtered", "the server sent no text (finish_reason: content_filter)"),
        ("202", "the server refused it (202): no luck with 202"),
        ("huge", "a reply of more than 16,777,216 bytes"),
    ],
)
def test_a_row_without_an_answer_costs_itself_alone(server: str, word: str, reason: str) -> None:
    asked = model(server, retries=2, concurrency=1)
    prompts = [Prompt("one"), Prompt(f"two [{word}]"), Prompt("three")]
    plan(server)
    answers = asked.answer(asked.encode([picture(1)]), [0, 0, 0], prompts)
    assert dict(answers.failed) == {1: reason}
    assert [Outcome.of(answers, n).status for n in range(3)] == ["ok", "model_error", "ok"]
    tried = sum(chat["word"] == word for chat in seen(server)["chats"])
    assert tried == (1 if word in ("400", "413", "silent", "filtered", "202") else 3)


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("401", r"refuses the key .*give key=VARIABLE"),
        ("404", r"knows no such address or model"),
        ("402", r"asks to be paid"),
        ("away", r"redirects to http://elsewhere\.invalid/v1"),
        ("nologprobs", r"try logprobs=no"),
    ],
)
def test_what_no_request_gets_past_ends_the_run(server: str, word: str, reason: str) -> None:
    asked = model(server)
    with pytest.raises(ModelError, match=reason):
        asked.answer(asked.encode([picture(1)]), [0], [Prompt(f"[{word}]")])


def test_a_server_that_refuses_everything_is_not_asked_a_hundred_thousand_times(server: str) -> None:
    asked = model(server)
    with pytest.raises(ModelError, match="refused the first 20 requests"):
        asked.answer(asked.encode([picture(1)]), [0] * 50, [Prompt(f"{n} [400]") for n in range(50)])


def test_a_server_that_is_gone_ends_the_run_with_what_to_do() -> None:
    with serving() as address:
        asked = model(address, retries=1)
        state = asked.encode([picture(1)])
        assert asked.answer(state, [0], [Prompt("q")]).failed == {}
    with pytest.raises(HangingModelError, match=r"20 requests in a row .*the same command continues"):
        asked.answer(state, [0] * 30, [Prompt(str(n)) for n in range(30)])


def test_a_date_is_waited_for(server: str) -> None:
    asked = model(server, concurrency=1)
    plan(server, "date")
    assert asked.answer(asked.encode([picture(1)]), [0, 0], [Prompt("a"), Prompt("b")]).failed == {}
    first, second = (chat["time"] for chat in seen(server)["chats"][:2])
    assert 0.9 <= second - first < 3


def test_a_limit_without_a_time_holds_back_all_requests(server: str) -> None:
    """Else each of many requests finds out by itself, and uses up its retries on it."""
    asked = EndpointModel(
        EndpointOptions(f"{server}/v1", model="org/one", concurrency=2), delays=lambda _attempt: 0.5
    )
    plan(server, "bare 429", "nap")
    assert asked.answer(asked.encode([picture(1)]), [0] * 4, [Prompt(str(n)) for n in range(4)]).failed == {}
    chats = seen(server)["chats"]
    limited = next(chat["time"] for chat in chats if chat["word"] == "bare 429")
    # One more may have been under way when the limit was told.
    assert sum(0 <= chat["time"] - limited < 0.45 for chat in chats) <= 2


def test_content_in_parts_is_one_text(server: str) -> None:
    asked = model(server)
    image, prompt = picture(1), Prompt("q")
    plan(server, "parts")
    assert asked.answer(asked.encode([image]), [0], [prompt]).texts == (expected(server, image, prompt),)


@pytest.mark.parametrize("word", ["429", "spent"])
def test_nothing_is_sent_while_the_server_asks_to_wait(server: str, word: str) -> None:
    asked = model(server, concurrency=1)
    plan(server, word)
    assert asked.answer(asked.encode([picture(1)]), [0, 0], [Prompt("a"), Prompt("b")]).failed == {}
    first, second = (chat["time"] for chat in seen(server)["chats"][:2])
    assert second - first >= 0.38


def test_a_wait_of_a_day_ends_the_run(server: str) -> None:
    asked = model(server)
    with pytest.raises(HangingModelError, match=r"asks to wait 8(6400|6399) s"):
        asked.answer(asked.encode([picture(1)]), [0], [Prompt("[tomorrow]")])


def test_an_answer_that_spent_the_budget_of_a_day_is_kept(server: str) -> None:
    asked = model(server)
    state = asked.encode([picture(1)])
    assert asked.answer(state, [0], [Prompt("[spent for long]")]).failed == {}
    with pytest.raises(HangingModelError, match=r"asks to wait 86\d{3} s .*the same command continues"):
        asked.answer(state, [0], [Prompt("q")])


def test_no_more_requests_are_under_way_than_asked_for(server: str) -> None:
    asked = model(server, concurrency=3)
    plan(server, *["nap"] * 12)
    asked.answer(asked.encode([picture(1)]), [0] * 12, [Prompt(str(n)) for n in range(12)])
    assert seen(server)["most"] == 3


def test_a_call_that_is_broken_off_leaves_a_client_that_works(server: str) -> None:
    import signal

    class RungError(BaseException):
        pass

    def ring(*_: object) -> None:
        raise RungError

    asked = model(server)
    state = asked.encode([picture(1)])
    previous = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(RungError):
            asked.answer(state, [0], [Prompt("[slow]")])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert asked.answer(state, [0], [Prompt("q")]).failed == {}


def test_an_end_right_after_an_interruption_is_a_quiet_one() -> None:
    """The second Ctrl-C: requests are under way at a server that neither answers nor hangs up."""
    import asyncio
    import signal
    import socket

    def ring(*_: object) -> None:
        raise KeyboardInterrupt

    with socket.create_server(("127.0.0.1", 0)) as silent:
        asked = model(f"http://127.0.0.1:{silent.getsockname()[1]}", concurrency=64)
        previous = signal.signal(signal.SIGALRM, ring)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.3)
            asked.client.ask([{"n": n} for n in range(200)])
        except KeyboardInterrupt:
            began = time.monotonic()
            asked.client.close()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, previous)
    assert time.monotonic() - began < 4
    # Tasks left behind would complain on standard error when the interpreter ends.
    assert asyncio.all_tasks(asked.client._loop) == set()


def test_a_batch_that_took_too_long_is_not_asked_for_twice(server: str) -> None:
    """The time limit breaks it off, the engine halves it: what was answered is there."""
    from dmsbench.runner.patience import Patience

    asked, patience = model(server, concurrency=2), Patience(0.6)
    image = picture(1)
    state, prompts = asked.encode([image]), [Prompt(f"{n} [nap]") for n in range(3)] + [Prompt("[slow]")]
    plan(server)
    answers, trouble = patience.tried(lambda: asked.answer(state, [0] * 4, prompts))
    assert answers is None and trouble is not None and "--time-limit" in trouble.reason
    answers, trouble = patience.tried(lambda: asked.answer(state, [0] * 3, prompts[:3]))
    assert trouble is None
    assert answers.texts == tuple(expected(server, image, prompt) for prompt in prompts[:3])
    assert len(seen(server)["chats"]) == 4
    # Once they were handed over they are forgotten.
    asked.answer(state, [0], prompts[:1])
    assert len(seen(server)["chats"]) == 5


def test_the_key_is_sent_and_never_shown(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    asked = model(server, key="MY_KEY")
    plan(server)
    state = asked.encode([picture(1)])
    asked.answer(state, [0], [Prompt("q")])
    assert seen(server)["chats"][0]["key"] == f"Bearer {KEY}"
    with pytest.raises(ModelError, match=r"bad key Bearer \(key\).*look at \$MY_KEY") as told:
        asked.answer(state, [0], [Prompt("[401]")])
    assert KEY not in str(told.value)
    assert KEY not in json.dumps(asked.settings())


@pytest.mark.parametrize("key", [KEY, 'with"quotes\\and/slash&more'])
@pytest.mark.parametrize("word", ["leak", "leak plainly", "echo"])
def test_no_piece_of_the_key_comes_back_from_a_server_that_quotes_it(
    server: str, monkeypatch: pytest.MonkeyPatch, key: str, word: str
) -> None:
    """Not cut off at the end of a message, not as JSON, HTML or an address writes it, not as an answer."""
    monkeypatch.setenv("MY_KEY", key)
    asked = model(server, key="MY_KEY")
    state = asked.encode([picture(1)])
    plan(server)
    answers = asked.answer(state, [0, 0], [Prompt("first"), Prompt(f"[{word}]")])
    told = json.dumps([answers.texts, dict(answers.failed)])
    assert "(key)" in told if word == "echo" else "xxx" in told
    assert not any(
        key[start : start + 5] in json.loads(told)[1].get("1", "") for start in range(len(key) - 4)
    )
    assert key not in "".join(answers.texts)


def test_a_key_that_is_no_secret_changes_no_answer(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers of one's own mostly take any key: one that is a word may be the answer, too."""
    monkeypatch.setenv("MY_KEY", "it")
    asked = model(server, key="MY_KEY")
    plan(server, "echo")
    assert asked.answer(asked.encode([picture(1)]), [0], [Prompt("q")]).texts == ("it was Bearer it",)


def test_without_a_name_the_only_model_is_taken(server: str) -> None:
    assert model(server, model=None).settings()["model"] == "org/only"


def test_a_key_that_is_not_set_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MY_KEY", raising=False)
    with pytest.raises(ModelError, match=r"MY_KEY .* is not set"):
        model("http://127.0.0.1:9", key="MY_KEY")


def test_only_what_decides_answers_enters_the_settings(server: str) -> None:
    base = model(server).settings()
    assert model(server, concurrency=2, retries=0, timeout=5.0).settings() == base
    for change in ({"logprobs": False}, {"max_new_tokens": 3}, {"instruction": "Be short."}):
        assert model(server, **change).settings() != base
    moved = EndpointOptions("http://other/v1", model="org/one", served="ours")
    assert moved.server == EndpointOptions("http://third/v1", model="org/one", served="ours").server


def test_modality_weights_are_refused(server: str) -> None:
    import torch

    asked = model(server)
    with pytest.raises(ModelError, match="static only"):
        asked.answer(asked.encode([picture(1)]), [0], [Prompt("q")], torch.ones(1, 2))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after": "soon"}, 0.0),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "1e999"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m30.5s"}, 90.5),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "20ms"}, 0.02),
        ({"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "1m"}, 0.0),
        ({"retry-after": "12s"}, 12.0),
        ({"retry-after": "nan"}, 0.0),
        ({"retry-after": "Wed, 99 Foo 2015"}, 0.0),
        ({"retry-after": "9" * 400}, 0.0),
    ],
)
def test_headers_that_ask_to_wait(headers: dict[str, str], seconds: float) -> None:
    assert asked_to_wait(429, headers) == pytest.approx(seconds)


@pytest.mark.parametrize("unit", [1, 1000])
def test_a_budget_that_comes_back_at_a_time_of_the_clock(unit: int) -> None:
    """Some servers give the seconds, or milliseconds, since 1970, and some a date of ISO 8601."""
    headers = {"x-ratelimit-remaining-requests": "0"}
    for then in (str(int((time.time() + 60) * unit)), time.strftime("%FT%TZ", time.gmtime(time.time() + 60))):
        waited = asked_to_wait(200, headers | {"x-ratelimit-reset-requests": then})
        assert waited == pytest.approx(60, abs=3)


@pytest.mark.parametrize(
    ("logprobs", "confidence", "margin"),
    [
        ({"content": [{"logprob": -0.5}]}, math.exp(-0.5), None),
        ({"content": [{"logprob": -0.5, "top_logprobs": [{"logprob": -0.5}]}]}, math.exp(-0.5), None),
        ({"content": None, "top_logprobs": [{"yes": -0.1, "no": -2.0}]}, None, None),
        ({"top_logprobs": [{"logprob": -0.1}, {"logprob": -2.0}]}, None, None),
        ({"content": [{"top_logprobs": [{"logprob": -0.1}, {"logprob": -2.0}]}]}, None, None),
        ({"tokens": ["a"], "token_logprobs": [-0.5]}, math.exp(-0.5), None),
        (
            {
                "token_logprobs": [-0.5, -0.25],
                "top_logprobs": [{"a": -0.5, "b": -1.5}, {"c": -2.0, "d": -0.25}],
            },
            math.exp(-0.75),
            1.0,
        ),
        ({"token_logprobs": [-0.5, None]}, None, None),
        ({"token_logprobs": []}, None, None),
        ({"token_logprobs": [-0.5], "top_logprobs": [None]}, math.exp(-0.5), None),
        ({"content": [{"logprob": -9999.0}]}, 0.0, None),
        ({"content": [{"logprob": -(10**400)}]}, None, None),
        ({"content": [{"logprob": 0.5}]}, None, None),
        ({"content": ["a"]}, None, None),
        ([], None, None),
    ],
)
def test_confidence_of_what_servers_list(
    logprobs: Any, confidence: float | None, margin: float | None
) -> None:
    reply = {"choices": [{"message": {"content": "a"}, "logprobs": logprobs}]}
    found = read_reply(json.dumps(reply).encode())
    assert found.confidence == (None if confidence is None else pytest.approx(confidence))
    assert found.margin == (None if margin is None else pytest.approx(margin))


def test_a_date_to_wait_for() -> None:
    from email.utils import formatdate

    assert asked_to_wait(503, {"retry-after": formatdate(time.time() + 60, usegmt=True)}) == pytest.approx(
        60, abs=3
    )


@pytest.mark.parametrize(
    ("text", "kind", "reason"),
    [
        ("m=endpoint:", DmsbenchError, "an endpoint is endpoint:http://HOST"),
        ("m=endpoint:localhost:8000/v1", DmsbenchError, "an endpoint is"),
        ("m=endpoint:ftp://h/v1", DmsbenchError, "an endpoint is"),
        ("m=endpoint:http://h:99999/v1", DmsbenchError, "is no address"),
        ("m=endpoint:http://me:word@h/v1", DmsbenchError, "holds a name or password"),
        ("m=endpoint:http://h/v1?key=1", DmsbenchError, "has no '\\?'"),
        ("m=endpoint:http://h/v1,modle=a", UnknownNameError, "did you mean 'model'"),
        ("m=endpoint:http://h/v1,fusion=dms", DmsbenchError, "it is static only"),
        ("m=endpoint:http://h/v1,retries=-1", DmsbenchError, "'retries' needs a whole number from 0 to 100"),
        ("m=endpoint:http://h/v1,timeout=nan", DmsbenchError, "'timeout' needs a number"),
        ("m=endpoint:http://h/v1,logprobs=maybe", UnknownNameError, "logprobs"),
        ("m=endpoint:http://h/v1,model=a,model=b", DmsbenchError, "given twice"),
        ("endpoint:http://h/v1,model=a b*", DmsbenchError, "cannot name a model"),
    ],
)
def test_a_wrong_specification_says_what_is_wrong(text: str, kind: type[DmsbenchError], reason: str) -> None:
    with pytest.raises(kind, match=reason):
        parse(text)


def test_a_key_in_place_of_its_variable_is_refused_and_not_repeated() -> None:
    for text in (f"m=endpoint:http://h/v1,key={KEY}", f"m=endpoint:http://h/v1,modle=x,key={KEY},key={KEY}"):
        with pytest.raises(DmsbenchError, match="never the key itself") as told:
            parse(text)
        assert KEY not in str(told.value)


def test_a_specification_and_its_names() -> None:
    spec = parse("endpoint:https://h:1/v1/chat/completions,model=org/seven-b,temperature=default,logprobs=no")
    assert spec.name == "seven-b"
    assert spec.endpoint == EndpointOptions(
        "https://h:1/v1", model="org/seven-b", temperature=None, logprobs=False
    )
    assert parse("tiny-llava-scenes").endpoint is None


def dmsbench(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dmsbench", *words],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "COLUMNS": "200", "MY_KEY": KEY},
        check=False,
    )


def test_a_run_goes_on_after_its_server_was_gone(tmp_path: Path) -> None:
    """From the command line to the report; nothing that was answered and kept is asked again."""

    def words(port: int) -> list[str]:
        spec = f"far=endpoint:http://127.0.0.1:{port}/v1,key=MY_KEY,retries=0,served=ours"
        return ["run", "--suite", "smoke", "--limit", "20", "--model", spec]

    with serving("0", "200") as address:
        ended = dmsbench(*words(int(address.rpartition(":")[2])), folder=tmp_path)
    assert ended.returncode == 3, ended.stderr
    assert re.search("20 requests in a row without an answer.*the same command continues", ended.stderr)
    kept = {file: file.stat().st_mtime_ns for file in (tmp_path / "results").rglob("*.parquet")}
    assert kept
    with serving() as address:
        ended = dmsbench(*words(int(address.rpartition(":")[2])), folder=tmp_path)
        assert ended.returncode == 0, ended.stderr
        assert 0 < len(seen(address)["chats"]) < 200
    assert {file: file.stat().st_mtime_ns for file in kept} == kept
    (run,) = runs(tmp_path / "results")
    entry = run.manifest()["models"]["far"]
    assert (entry["errors"], entry["settings"]["server"]) == (0, "ours")
    for file in (tmp_path / "results").rglob("*"):
        assert not file.is_file() or KEY.encode() not in file.read_bytes()


def test_a_model_whose_confidence_is_unknown_is_compared_reported_and_gated(
    server: str, tmp_path: Path
) -> None:
    plan(server)
    spec = f"far=endpoint:{server}/v1,logprobs=no"
    ended = dmsbench(
        *("run", "--suite", "smoke", "--limit", "20", "--model", spec, "--model", "baseline"), folder=tmp_path
    )
    assert ended.returncode == 0, ended.stderr
    ended = dmsbench("compare", "baseline", "far", "--format", "json", folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["overall"]["difference"] < 0
    for command in (["report"], ["leaderboard", "--suite", "smoke"]):
        ended = dmsbench(*command, folder=tmp_path)
        assert ended.returncode == 0, ended.stderr


def test_retrieval_and_fitting_are_refused(tmp_path: Path) -> None:
    from dmsbench.models.retrieval_zoo import RetrievalZoo

    text = "endpoint:http://127.0.0.1:9/v1,model=a"
    with pytest.raises(ModelError, match="does not retrieve"):
        RetrievalZoo().load(parse(text))
    ended = dmsbench("fit", text, "--suite", "context-vqa-corrupt", "--out", "fit", folder=tmp_path)
    assert (ended.returncode, "is behind an API" in ended.stderr) == (2, True), ended.stderr


def test_a_suite_file_may_not_send_a_variable_anywhere(tmp_path: Path) -> None:
    from dmsbench.errors import SuiteError
    from dmsbench.suite import builtin_suites, load_suite

    text = builtin_suites()["smoke"].read_text()
    file = tmp_path / "mine.yaml"
    file.write_text(text.replace("models:", "models:\n  - far=endpoint:http://h/v1,model=a,key=HOME", 1))
    if "models:" not in text:
        file.write_text(text + "\nmodels:\n  - far=endpoint:http://h/v1,model=a,key=HOME\n")
    with pytest.raises(SuiteError, match="may not name the key of an endpoint"):
        load_suite(str(file))
