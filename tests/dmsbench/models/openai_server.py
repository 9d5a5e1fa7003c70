"""A server that speaks OpenAI's protocol and misbehaves on demand, as a process of its own.

``python openai_server.py [PORT [DIE_AFTER]]`` prints its port. It answers with a digest of the pixels and
words that it was sent. ``POST /plan`` sets what befalls the next chat requests, one word each; words in
square brackets within a question befall that question each time; ``GET /seen`` tells of what was asked.
``DIE_AFTER``: chat requests after which the process is gone.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import io
import json
import os
import sys
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote

from PIL import Image

LOCK = threading.Lock()
PLAN: list[str] = []
SEEN: dict[str, Any] = {"chats": [], "under_way": 0, "most": 0, "limited": []}
DIE_AFTER = 0


def digest(body: dict[str, Any]) -> str:
    """What the model says of a request."""
    found = hashlib.blake2b(digest_size=6)
    content = body["messages"][0]["content"]
    for part in [{"type": "text", "text": content}] if isinstance(content, str) else content:
        if part["type"] == "text":
            found.update(part["text"].encode())
        else:
            kind, _, data = part["image_url"]["url"].partition(",")
            assert kind == "data:image/png;base64"
            picture = Image.open(io.BytesIO(base64.b64decode(data)))
            found.update(str(picture.size).encode() + picture.convert("RGB").tobytes())
    return found.hexdigest()


def completion(body: dict[str, Any], text: str | None) -> dict[str, Any]:
    logprobs = None
    if body.get("logprobs"):
        step = {"token": "a", "logprob": -0.25, "top_logprobs": [{"logprob": -1.75}, {"logprob": -0.25}]}
        logprobs = {"content": [step, {**step, "top_logprobs": [{"logprob": -0.25}, {"logprob": -0.75}]}]}
    message = {"role": "assistant", "content": text}
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": logprobs}]}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def reply(self, status: int, value: object, headers: dict[str, str] | None = None) -> None:
        raw = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"Content-Length": str(len(raw)), **(headers or {})}.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(raw)

    def do_GET(self) -> None:
        if self.path.endswith("/models"):
            self.reply(200, {"data": [{"id": "org/only"}]})
        else:
            with LOCK:
                self.reply(200, SEEN)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/plan":
            with LOCK:
                PLAN[:] = body
                SEEN.update(chats=[], most=0, limited=[])
            self.reply(200, {})
            return
        said = digest(body)
        content = body["messages"][0]["content"]
        words = content if isinstance(content, str) else content[-1].get("text", "")
        with LOCK:
            SEEN["under_way"] += 1
            SEEN["most"] = max(SEEN["most"], SEEN["under_way"])
            word = PLAN.pop(0) if PLAN else words.partition("[")[2].partition("]")[0] or "ok"
            SEEN["chats"].append(
                {
                    "time": time.monotonic(),
                    "word": word,
                    "text": words,
                    "key": self.headers.get("Authorization"),
                    "body": {name: value for name, value in body.items() if name != "messages"},
                }
            )
            if DIE_AFTER and len(SEEN["chats"]) > DIE_AFTER:
                os._exit(1)
        try:
            self.misbehave(word, body, said)
        except (BrokenPipeError, ConnectionResetError):
            pass  # who asked no longer waits
        finally:
            with LOCK:
                SEEN["under_way"] -= 1

    def misbehave(self, word: str, body: dict[str, Any], said: str) -> None:
        good = completion(body, said)
        if word == "429":
            self.reply(429, {"error": {"message": "slow down"}}, {"Retry-After": "0.4"})
        elif word == "date":
            # Whole seconds: the next but one is between one and two from now.
            self.reply(429, {"error": {}}, {"Retry-After": formatdate(int(time.time()) + 2, usegmt=True)})
        elif word == "bare 429":
            self.reply(429, b"")
        elif word == "tomorrow":
            self.reply(429, {"error": {"message": "quota"}}, {"Retry-After": "86400"})
        elif word == "spent":
            spent = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "400ms"}
            self.reply(200, good, spent)
        elif word == "spent for long":
            spent = {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "24h"}
            self.reply(200, good, spent)
        elif word == "401":
            self.reply(401, {"error": {"message": f"bad key {self.headers.get('Authorization')}"}})
        elif word.isdigit():
            self.reply(int(word), {"error": {"message": f"no luck with {word}"}})
        elif word == "away":
            self.reply(307, {}, {"Location": "http://elsewhere.invalid/v1"})
        elif word in ("leak", "leak plainly"):
            # The key where a message is cut off, and as JSON and HTML write it.
            key = str(self.headers.get("Authorization")).removeprefix("Bearer ")
            said_of_it = f"{'x' * 290}{key} {json.dumps(key)} {html.escape(key)} {quote(key, safe='')}"
            error = {"error": {"message": said_of_it}}
            self.reply(400, said_of_it.encode() if word == "leak plainly" else error)
        elif word == "echo":
            self.reply(200, completion(body, f"it was {self.headers.get('Authorization')}"))
        elif word == "filtered":
            filtered = completion(body, "")
            filtered["choices"][0]["finish_reason"] = "content_filter"
            self.reply(200, filtered)
        elif word == "parts":
            parts = completion(body, said)
            middle = len(said) // 2
            parts["choices"][0]["message"]["content"] = [
                {"type": "thinking", "thinking": "hm"},
                {"type": "text", "text": said[:middle]},
                {"type": "text", "text": said[middle:]},
            ]
            self.reply(200, parts)
        elif word == "error inside":
            self.reply(200, {"error": {"message": "the provider is overloaded", "code": 502}})
        elif word == "latin":
            self.reply(200, json.dumps(completion(body, "é"), ensure_ascii=False).encode("latin-1"))
        elif word == "huge":
            self.reply(200, b" " * (17 * 2**20))
        elif word == "bomb":
            self.reply(200, gzip.compress(b" " * 2**26), {"Content-Encoding": "gzip"})
        elif word == "drip":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            for _ in range(40):
                self.wfile.write(b" ")
                time.sleep(0.05)
            self.close_connection = True
        elif word == "nologprobs":
            self.reply(400, {"error": {"message": "logprobs is not supported"}})
        elif word == "slow":
            time.sleep(1.2)
            self.reply(200, good)
        elif word == "nap":
            time.sleep(0.05)
            self.reply(200, good)
        elif word == "cut":
            raw = json.dumps(good).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw[: len(raw) // 2])
            self.close_connection = True
        elif word == "hang up":
            self.close_connection = True
        elif word == "malformed":
            self.reply(200, b'{"choices": [{"message"')
        elif word == "other":
            self.reply(200, {"choices": []})
        elif word == "silent":
            self.reply(200, completion(body, None))
        elif word == "plain":
            self.reply(200, completion({}, said))
        else:
            self.reply(200, good)


class Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        pass  # who asked is gone


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    DIE_AFTER = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    server = Server(("127.0.0.1", port), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()
