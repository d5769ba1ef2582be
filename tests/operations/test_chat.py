"""`mlops chat`, typed into by a pipe, and what it is made of."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from itertools import groupby, pairwise
from typing import TYPE_CHECKING

import httpx
import pytest

from mlops.errors import InputError
from mlops.operations import rollouts
from mlops.operations.chat import Chat
from mlops.operations.local_model import served
from mlops.rollout.probe import Probe, opened
from tests.operations.conftest import ECHO, VARIABLES
from tests.releases import said

if TYPE_CHECKING:
    from tests.operations.conftest import Place

pytestmark = pytest.mark.xdist_group("endpoints")


def chat(place: Place, said: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Say some lines to the endpoint."""
    command = [sys.executable, "-m", "mlops.cli", "chat", "--environment", "local", *arguments]
    variables = os.environ | VARIABLES | {"MLOPS_DEPLOY__ENDPOINT": place.endpoint}
    return subprocess.run(command, input=said, env=variables, capture_output=True, text=True, check=False)


def test_every_answer_says_who_gave_it(place: Place) -> None:
    """The traffic chooses, or the person does; the conversation goes on from line to line, until the input ends."""
    blue, green = chat(place, "hello\nand again\n"), chat(place, "hello\n", "--deployment", "green")
    assert (blue.returncode, green.returncode) == (0, 0), blue.stderr + green.stderr
    assert [line.split(",")[0].split()[-1] for line in blue.stdout.splitlines() if "─ " in line] == ["blue", "blue"]
    assert "and again" in blue.stdout
    assert "─ green, " in green.stdout


def test_a_color_that_is_not_there_is_named(place: Place) -> None:
    """Exit code 2, with those there are."""
    result = chat(place, "hello\n", "--deployment", "red")
    assert result.returncode == 2
    assert result.stderr == f"--deployment red: {place.endpoint} has no such deployment; choose one of blue, green\n"


def test_a_registered_model_answers_without_an_endpoint(place: Place) -> None:
    """It is fetched once, served on this machine, and named as who answered; whoever waits for it is told so."""
    model = f"echo-{place.endpoint}:1"
    result = chat(place, "hello\n", "--model", model)
    assert result.returncode == 0, result.stderr
    assert f"fetching {model} and starting it" in result.stderr
    assert f"─ {model}, " in result.stdout
    assert "hello" in result.stdout


@pytest.mark.parametrize("model", ["nope", "nope:1"])
def test_a_model_that_is_not_there_is_answered_with_those_that_are(place: Place, model: str) -> None:
    """Exit code 2, with the youngest version of each."""
    result = chat(place, "hello\n", "--model", model)
    assert result.returncode == 2
    assert re.search(rf"registered models are .*echo-{place.endpoint}:1", said(result))


def test_a_model_that_cannot_be_served_says_why() -> None:
    """The last line that its server wrote, not a wait without end."""
    with (
        pytest.raises(InputError, match=r"broken cannot be served on this machine: .+"),
        served(ECHO.parent / "broken"),
    ):
        pytest.fail("it cannot be healthy")


def test_an_answer_is_heard_as_it_comes(place: Place) -> None:
    """What was said so far grows, up to the whole answer."""
    endpoint, heard = place.find(), list[str]()
    client = rollouts.probe(place.workspace, endpoint, timeout_s=20, max_new_tokens=20)
    with opened(client) as probe:
        answer = Chat(probe, None).say("one two three", heard.append).text
    grown = [text for text, _ in groupby(heard)]
    assert len(grown) > 2
    assert grown[-1] == answer
    assert all(later.startswith(earlier) for earlier, later in pairwise(grown))


def test_a_container_that_cannot_stream_is_asked_for_the_whole() -> None:
    """Found out with the first question, and remembered."""
    asked = []

    def container(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(200, json={"output": "hi"}) if request.url.path == "/score" else httpx.Response(404)

    client = httpx.Client(transport=httpx.MockTransport(container))
    talk = Chat(Probe("http://x/score", lambda: "key", timeout_s=1, max_new_tokens=1, _client=client), None)
    assert [talk.say("hello", lambda _: None).text for _ in range(2)] == ["hi", "hi"]
    assert asked == ["/v1/chat/completions", "/score", "/score"]
