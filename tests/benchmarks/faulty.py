"""A container that answers at once, or as `fault.json` in its folder says: `python faulty.py PORT`."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from pathlib import Path
from typing import Final

from backend import Backend, run

KINDS: Final[dict[str, dict[str, float]]] = {
    "errors +2 %": {"errors": 0.02},
    "errors +5 %": {"errors": 0.05},
    "errors +10 %": {"errors": 0.10},
    "latency x 1.5": {"slower": 1.5},
    "latency x 2": {"slower": 2},
    "latency x 4": {"slower": 4},
    "empty answers, 10 %": {"empty": 0.10},
    "garbled answers, 10 %": {"garbled": 0.10},
}
"""Kinds of regression, as `fault.json` says them: shares of the answers, or a factor."""
ANSWER: Final = "the quick brown fox jumps over the lazy dog"


class _Faulty(Backend):
    def answer(self, head: bytes, body: bytes) -> None:
        asyncio.get_running_loop().create_task(self._answer(head, body))

    async def _answer(self, head: bytes, body: bytes) -> None:
        fault = _fault()
        reply = _reply(head, body, fault)
        if latency := fault.get("latency", 0):
            await asyncio.sleep(latency * random.lognormvariate(0, 0.1) * fault.get("slower", 1))
        self.transport.write(reply)


_seen: tuple[int, dict[str, float]] = (0, {})


def _fault() -> dict[str, float]:
    global _seen  # noqa: PLW0603 - a cache of one file
    try:
        changed = Path("fault.json").stat().st_mtime_ns
    except FileNotFoundError:
        return {}
    if changed != _seen[0]:
        _seen = (changed, json.loads(Path("fault.json").read_text()))
    return _seen[1]


def _reply(head: bytes, body: bytes, fault: dict[str, float]) -> bytes:
    text = ANSWER
    if b'"content"' not in body:
        return _http(b"application/json", b"{}")
    if random.random() < fault.get("errors", 0):  # noqa: S311 - no secret
        return b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
    if random.random() < fault.get("empty", 0):  # noqa: S311 - no secret
        text = ""
    elif random.random() < fault.get("garbled", 0):  # noqa: S311 - no secret
        text = "\ufffd\ufffd"
    if b"/chat/completions" not in head.partition(b"\r\n")[0]:
        return _http(b"application/json", json.dumps({"output": text}).encode())
    events = [{"choices": [{"index": 0, "delta": {"content": f"{word} "}}]} for word in text.split()]
    lines = [*(json.dumps(event) for event in events), "[DONE]"]
    chunks = [f"data: {line}\n\n".encode() for line in lines]
    packed = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    start = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    return start + packed + b"0\r\n\r\n"


def _http(kind: bytes, content: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b" % (kind, len(content), content)


if __name__ == "__main__":
    run(_Faulty, sys.argv[1])
