"""The smoke test: answers are read, nonsense must be refused cleanly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mlops.errors import InputError
from mlops.rollout import smoke
from mlops.rollout.probe import Sample
from mlops.rollout.smoke import Case

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mock import MockerFixture

CHAT = Case(name="chat", messages=({"role": "user", "content": "hi"},), matches="(?i)hello|hi")
STREAM = Case(name="stream", messages=({"role": "user", "content": "hi"},), stream=True)
BAD = Case(name="bad", body={"no": "question"}, expect="error")
NONSENSE = "broken characters, signs or a loop instead of an answer"
STAND_IN = "I'm a lot to be a lot of the favorite.\nI'm to be the favorite\nI think I'm a little.\nYeah\nI am a lot."
"""What the small model of `local` says to everything."""


def sample(**fields: Any) -> Sample:
    """Return a good answer of green, but for some fields."""
    given = {"pin": "green", "deployment": "green", "status": 200, "seconds": 1, "text": "Hello!"}
    return Sample(**given | fields)


@pytest.mark.parametrize(
    ("case", "answer", "wrong"),
    [
        (CHAT, sample(), None),
        (CHAT, sample(text="bonjour"), "'(?i)hello|hi' is not in the answer"),
        (CHAT, sample(text=" "), "an empty answer"),
        (CHAT, sample(text="h\ufffdi"), NONSENSE),
        (STREAM, sample(text="the " * 60), NONSENSE),
        (STREAM, sample(text="!!!!####"), NONSENSE),
        (STREAM, sample(text="0"), "'[^\\\\W\\\\d_]' is not in the answer"),
        (STREAM, sample(text="да"), None),
        (STREAM, sample(text=STAND_IN), None),
        (CHAT, sample(deployment="blue"), "green was asked and did not answer"),
        (CHAT, sample(status=424), "no answer"),
        (CHAT, sample(status=0), "the connection failed"),
        (STREAM, sample(status=404), None),
        (STREAM, sample(status=424, cause="model_error"), "no answer"),
        (BAD, sample(status=424, text="no question"), None),
        (BAD, sample(status=400, text=""), None),
        (BAD, sample(text=""), None),
        (BAD, sample(status=500, text=""), "not the client's error that it should be"),
        (BAD, sample(status=503, text=""), "not the client's error that it should be"),
        (BAD, sample(text="42"), "an answer to what is no question"),
        (BAD, sample(status=424, text="Traceback (most recent call last)"), "a traceback instead of an error"),
    ],
)
def test_answers_are_judged_by_what_they_say(case: Case, answer: Sample, wrong: str | None) -> None:
    """A status of 200 is not enough, and not always needed."""
    assert smoke.problem(case, answer, "green") == wrong


def test_the_shipped_cases_cover_what_a_chat_must_do() -> None:
    """A chat, a conversation, a stream, a long input, another script, nonsense, and that it survived that."""
    cases = {case.name: case for case in smoke.load()}
    assert len(cases["long input"].question) > 2000
    assert cases["stream"].stream
    assert cases["bad input"].expect == "error"
    assert not cases["unicode"].question.isascii()


def test_a_report_shows_what_was_asked_and_said(mocker: MockerFixture) -> None:
    """Long texts end between words with a sign of it; no answer to nonsense is told as what was due."""
    asked = (Case(name="long", messages=({"role": "user", "content": "word " * 99},)), BAD)
    mocker.patch("mlops.rollout.smoke.load", return_value=asked)
    probe = mocker.Mock(ask=lambda *_, **__: sample(), post=lambda *_, **__: sample(status=400, text=""))
    long, bad = smoke.run(probe, deployment="green")
    assert long.question.endswith("word …")
    assert long.answer == "Hello!"
    assert bad.question == '[a request that is no conversation: {"no": "question"}]'
    assert bad.answer == "[no answer, and none was due: status 400]"


def test_a_bad_case_is_named(tmp_path: Path) -> None:
    """File, case and rule."""
    path = tmp_path / "smoke.json"
    path.write_text('[{"name": "x", "expects": "answer"}]')
    with pytest.raises(InputError, match=r"smoke.json: case 0.expects must be mended: Extra inputs are not permitted"):
        smoke.load(path)
