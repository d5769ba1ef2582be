"""Who answered is what the response says, never what was asked for."""

from __future__ import annotations

import httpx
import pytest

from mlops.rollout.probe import PIN, Probe

QUESTION = [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize(
    ("status", "headers", "pin", "attributed"),
    [
        (200, {PIN: "green"}, "green", "green"),
        (200, {PIN: "blue"}, "green", "blue"),
        (200, {}, "green", None),
        (200, {}, None, None),
        (424, {}, "green", "green"),
        (429, {}, None, None),
    ],
)
def test_an_answer_is_attributed_by_its_header_alone(
    status: int, headers: dict[str, str], pin: str | None, attributed: str | None
) -> None:
    """An error without a header is put down to who was asked: it may come from before the container."""
    reply = httpx.MockTransport(lambda _: httpx.Response(status, headers=headers, json={"output": "hello"}))
    probe = Probe("http://x/score", lambda: "key", timeout_s=1, max_new_tokens=1, _client=httpx.Client(transport=reply))
    assert probe.ask(QUESTION, deployment=pin).deployment == attributed
