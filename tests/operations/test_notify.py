"""Messages to people: said once, in the form their channel takes, and never in the way."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from mlops.operations import notify
from mlops.rollout import machine
from mlops.rollout.state import Phase, State
from mlops.sections import NotifySettings
from mlops.settings import load


@pytest.fixture
def state() -> State:
    """Return a rollout that goes back."""
    plan = load("local", variables={}).rollout
    first = machine.start(plan, id="r", candidate="green", fingerprints={}, traffic={"blue": 100}, at=0)
    return replace(first, phase=Phase.ROLLING_BACK, reason="errors: 5 %")


@pytest.fixture
def channel() -> Iterator[tuple[str, list[Any]]]:
    """Return the address of a channel, and what it was told."""
    told: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/secret", told
    server.shutdown()
    thread.join()
    server.server_close()


def test_slack_and_teams_are_told_who_where_and_why(channel: tuple[str, list[Any]], state: State) -> None:
    """Each in its own form; what people need not know is not said."""
    url, told = channel
    for form in ("slack", "teams"):
        settings = NotifySettings.model_validate({"webhook": url, "format": form})
        assert notify.send(settings, "chat-prod", state) is None
        assert notify.send(settings, "chat-prod", replace(state, phase=Phase.BAKING)) is None
        assert notify.send(settings, "chat-prod", replace(state, phase=Phase.SHIFTING, step=1)) is None
    slack, teams = told
    assert slack["text"] == "*Rollout of green on chat-prod is going back*\nblue 100 %. errors: 5 %"
    assert teams["attachments"][0]["content"]["body"][0]["text"] == "Rollout of green on chat-prod is going back"


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/secret", "no address: secret"])
def test_a_channel_that_is_not_there_blocks_nothing_and_stays_secret(url: str, state: State) -> None:
    """What went wrong is a sentence without the address."""
    settings = NotifySettings.model_validate({"webhook": url})
    problem = notify.send(settings, "chat-prod", state)
    assert problem is not None
    assert "secret" not in problem
    assert "secret" not in repr(settings)


def test_without_a_channel_nobody_is_told(state: State) -> None:
    """The step summary says it anyway."""
    assert notify.send(NotifySettings(), "chat-prod", state) is None
