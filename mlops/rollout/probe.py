"""Real questions to a deployment over HTTP, retries off, each answer attributed by the response header."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

import httpx

PIN: Final = "azureml-model-deployment"
"""Request header: which deployment must answer. Response header: which one did."""
CAUSE: Final = "ms-azureml-model-error-reason"
STREAM: Final = "v1/chat/completions"
"""Where a deployment that speaks OpenAI's language streams, beside its scoring path."""
_DONE: Final = "[DONE]"

Message = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One request: who was asked and who answered, how, and after how many seconds.

    Status 0 is a connection that failed. `ttfb_s` is known of streams, `tokens` where the reply counts them; else words
    stand for tokens. `example` says which of the held-out conversations it was.
    """

    pin: str | None
    deployment: str | None
    status: int
    seconds: float
    text: str
    ttfb_s: float | None = None
    tokens: int = 0
    cause: str = ""
    example: int = -1

    @property
    def ok(self) -> bool:
        """Return whether the service says that it answered."""
        return self.status == httpx.codes.OK


@dataclass
class Probe:
    """A client of one endpoint; `read_key` is asked again when the key is refused, for somebody may have rotated it."""

    scoring_uri: str
    read_key: Callable[[], str]
    timeout_s: float
    max_new_tokens: int
    temperature: float = 0.0
    """0 always gives the same answer; more is livelier."""
    _key: str = field(default="", repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _client: httpx.Client | None = field(default=None, repr=False)

    def ask(
        self,
        messages: Sequence[Message],
        *,
        deployment: str | None = None,
        stream: bool = False,
        example: int = -1,
        heard: Callable[[str], None] | None = None,
    ) -> Sample:
        """Send a conversation, pinned to a deployment if one is given; return what came back.

        `heard` is told what a stream has said so far, as often as something comes.
        """
        url = self.scoring_uri.rpartition("/")[0] + f"/{STREAM}" if stream else self.scoring_uri
        body = self._streamed(messages) if stream else self._whole(messages)
        sample = self._send(url, body, deployment, key := self._read_key(), heard)
        if sample.status == httpx.codes.UNAUTHORIZED:
            sample = self._send(url, body, deployment, self._read_key(stale=key), heard)
        return replace(sample, example=example)

    def streams(self, messages: Sequence[Message], *, deployment: str) -> bool:
        """Return whether a deployment answers with a stream where one is asked for."""
        sample = self.ask(messages, deployment=deployment, stream=True)
        return sample.ok and sample.ttfb_s is not None

    def post(self, body: Any, *, deployment: str) -> Sample:
        """Send any body, pinned; return what came back."""
        return self._send(self.scoring_uri, body, deployment, self._read_key())

    def _read_key(self, *, stale: str = "") -> str:
        with self._lock:
            if self._key == stale:
                self._key = self.read_key()
            return self._key

    def _whole(self, messages: Sequence[Message]) -> Any:
        parameters = {
            "do_sample": self.temperature > 0,
            "temperature": self.temperature,
            "top_p": 0.9,
            "max_new_tokens": self.max_new_tokens,
        }
        return {"input_data": {"input_string": list(messages), "parameters": parameters}, "params": {}}

    def _streamed(self, messages: Sequence[Message]) -> Any:
        wanted = {"max_tokens": self.max_new_tokens, "temperature": self.temperature}
        return {"messages": list(messages), "stream": True, **wanted}

    def _send(
        self, url: str, body: Any, pin: str | None, key: str, heard: Callable[[str], None] | None = None
    ) -> Sample:
        headers = {"Authorization": f"Bearer {key}"} | ({PIN: pin} if pin else {})
        start = time.perf_counter()
        try:
            with self._open().stream("POST", url, json=body, headers=headers) as response:
                reply = _Reply(start)
                for piece in response.iter_bytes():
                    reply.add(piece)
                    if heard:
                        heard(reply.so_far())
        except httpx.HTTPError as error:
            seconds = time.perf_counter() - start
            return Sample(pin=pin, deployment=pin, status=0, seconds=seconds, text=str(error))
        text, tokens = reply.read(response)
        # An error may come from before the container, which then does not sign it.
        silent = None if response.status_code == httpx.codes.OK else pin
        return Sample(
            pin=pin,
            deployment=response.headers.get(PIN, silent),
            status=response.status_code,
            seconds=time.perf_counter() - start,
            text=text,
            ttfb_s=reply.ttfb_s if reply.is_stream(response) else None,
            tokens=tokens or len(text.split()),
            cause=response.headers.get(CAUSE, ""),
        )

    def _open(self) -> httpx.Client:
        with self._lock:
            if self._client is None:
                # It makes every request once: a retry would hide what users see.
                self._client = httpx.Client(timeout=self.timeout_s)
            return self._client

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()


@contextmanager
def opened(probe: Probe) -> Iterator[Probe]:
    """Yield a probe, and close it."""
    try:
        yield probe
    finally:
        probe.close()


class _Reply:
    """A reply on its way."""

    def __init__(self, start: float) -> None:
        self._start, self._content = start, b""
        self.ttfb_s: float | None = None

    def add(self, piece: bytes) -> None:
        if self.ttfb_s is None:
            self.ttfb_s = time.perf_counter() - self._start
        self._content += piece

    def so_far(self) -> str:
        """Return what the events that came whole have said."""
        whole = self._content.rpartition(b"\n\n")[0].decode(errors="replace")
        return "".join(_pieces(event for event in _events(whole) if event != _DONE))

    @staticmethod
    def is_stream(response: httpx.Response) -> bool:
        return str(response.headers.get("content-type", "")).startswith("text/event-stream")

    def read(self, response: httpx.Response) -> tuple[str, int]:
        """Return the answer's text and its number of tokens; empty and 0 if there is none in the reply."""
        content = self._content.decode(errors="replace")
        if response.status_code != httpx.codes.OK:
            return content, 0
        if self.is_stream(response):
            return _of_events(content)
        try:
            reply = json.loads(content)
        except ValueError:
            return "", 0
        if not isinstance(reply, dict):
            return "", 0
        return str(reply.get("output") or ""), (reply.get("usage") or {}).get("completion_tokens") or 0


def _of_events(content: str) -> tuple[str, int]:
    """Return the text of a stream of events, empty if it was cut off, and the number of its pieces."""
    *events, last = _events(content) or [""]
    pieces = _pieces(events) if last == _DONE else []
    return "".join(pieces), len(pieces)


def _events(content: str) -> list[str]:
    return [line.removeprefix("data: ") for line in content.splitlines() if line.startswith("data: ")]


def _pieces(events: Iterable[str]) -> list[str]:
    try:
        choices = [choice for event in events for choice in json.loads(event)["choices"]]
    except (ValueError, KeyError, TypeError):
        return []
    return [choice["delta"]["content"] for choice in choices if choice.get("delta", {}).get("content")]
