"""Real questions to a deployment over HTTP, retries off, each answer attributed by the response header."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PIN = "azureml-model-deployment"
"""Request header: which deployment must answer. Response header: which one did."""

Message = dict[str, str]


@dataclass(frozen=True)
class Sample:
    """One request: who answered, how, and after how many seconds.

    Status 0 is a connection that failed; who answered is then who was asked, if that was said.
    """

    deployment: str | None
    status: int
    seconds: float
    text: str

    @property
    def ok(self) -> bool:
        """Return whether a person would call it an answer: the server says 200 even when its engine failed."""
        return self.status == httpx.codes.OK and bool(self.text.strip())


@dataclass(frozen=True)
class Probe:
    """A client of one endpoint."""

    scoring_uri: str
    key: str
    timeout_s: float
    max_new_tokens: int
    temperature: float = 0.0
    """0 always gives the same answer; more is livelier."""

    def ask(self, messages: Sequence[Mapping[str, str]], *, deployment: str | None = None) -> Sample:
        """Send a conversation, pinned to a deployment if one is given; return what came back."""
        headers = {"Authorization": f"Bearer {self.key}"} | ({PIN: deployment} if deployment else {})
        parameters = {
            "do_sample": self.temperature > 0,
            "temperature": self.temperature,
            "top_p": 0.9,
            "max_new_tokens": self.max_new_tokens,
        }
        body = {"input_data": {"input_string": list(messages), "parameters": parameters}, "params": {}}
        start = time.perf_counter()
        try:
            response = httpx.post(self.scoring_uri, json=body, headers=headers, timeout=self.timeout_s)
        except httpx.HTTPError as error:
            return Sample(deployment, 0, time.perf_counter() - start, str(error))
        seconds = time.perf_counter() - start
        return Sample(response.headers.get(PIN, deployment), response.status_code, seconds, _text(response))


def _text(response: httpx.Response) -> str:
    """Return the answer's text, empty if there is none in the reply."""
    if response.status_code != httpx.codes.OK:
        return response.text
    try:
        reply = response.json()
    except ValueError:
        return ""
    return str(reply.get("output") or "") if isinstance(reply, dict) else ""
