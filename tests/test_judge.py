"""A judge over loopback: asked in both orders, once, and believed only if it says A, B or C."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mlops.errors import InputError, SettingsError
from mlops.judge import WON, preferences
from mlops.sections import JudgeSettings

Asked = list[dict[str, Any]]


class Judge(BaseHTTPRequestHandler):
    """Prefers the longer answer; of equal ones the one it reads first. Says `reply` instead if that is set."""

    asked: Asked
    reply: str | None = None

    def do_POST(self) -> None:
        """Answer as OpenAI's chat completions do."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append({"path": self.path, "key": self.headers["Authorization"], "model": body["model"]})
        pair = json.loads(body["messages"][1]["content"])
        said = self.reply if self.reply is not None else "AB"[len(pair["answer A"]) < len(pair["answer B"])]
        content = json.dumps({"choices": [{"message": {"role": "assistant", "content": said}}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[JudgeSettings, type[Judge]]]:
    """Return the settings of a judge on loopback, and the judge."""
    kind = type("OneJudge", (Judge,), {"asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("JUDGE_API_KEY", "secret")
        yield JudgeSettings(url=f"http://127.0.0.1:{server.server_port}/v1", model="m"), kind
        server.shutdown()


def answer(model: str, key: str, said: str, suite: str = "held_out") -> dict[str, Any]:
    """Return one answered question."""
    return {"model": model, "key": key, "suite": suite, "prompt": "Why?", "prediction": said}


ANSWERS = [
    answer("candidate", "better", "because of the rain"),
    answer("champion", "better", "no"),
    answer("candidate", "equal", "yes"),
    answer("champion", "equal", "yes"),
    answer("candidate", "alone", "yes"),
    answer("candidate", "general", "yes", "general"),
    answer("champion", "general", "yes", "general"),
]


def test_a_preference_for_what_is_read_first_cancels_out(
    judge: tuple[JudgeSettings, type[Judge]], tmp_path: Path
) -> None:
    """Asked both ways round, equal answers are a draw; only held-out questions that both answered are asked."""
    settings, kind = judge
    assert preferences(settings, ANSWERS, "champion", cache=tmp_path) == {"better": 1.0, "equal": 0.5}
    assert {call["path"] for call in kind.asked} == {"/v1/chat/completions"}
    assert {call["key"] for call in kind.asked} == {"Bearer secret"}


def test_what_was_asked_is_not_paid_for_again(judge: tuple[JudgeSettings, type[Judge]], tmp_path: Path) -> None:
    """Two pairs are three different questions, and none the second time."""
    settings, kind = judge
    first = preferences(settings, ANSWERS, "champion", cache=tmp_path)
    assert len(kind.asked) == 3
    assert preferences(settings, ANSWERS, "champion", cache=tmp_path) == first
    assert len(kind.asked) == 3


@pytest.mark.parametrize(("reply", "wins"), [("Answer B", 0.0), ("**A**", 1.0), ("b.", 0.0), ("C", 0.5)])
def test_a_verdict_may_be_dressed(
    judge: tuple[JudgeSettings, type[Judge]], tmp_path: Path, reply: str, wins: float
) -> None:
    """What is said of a pair is read as it is meant; asked the other way round as well, it cancels out."""
    settings, kind = judge
    kind.reply = reply
    assert preferences(settings, ANSWERS, "champion", cache=tmp_path) == {"better": 0.5, "equal": 0.5}
    assert {WON[path.read_text()] for path in tmp_path.iterdir()} == {wins}


@pytest.mark.parametrize("reply", ["I think both", "Both are good", "Cannot say", "A or B", "Answer", ""])
def test_a_judge_that_says_something_else_is_not_believed(
    judge: tuple[JudgeSettings, type[Judge]], tmp_path: Path, reply: str
) -> None:
    """Half a verdict is none, and nothing of it is kept."""
    settings, kind = judge
    kind.reply = reply
    with pytest.raises(InputError, match=f"was asked for A, B or C and said '{reply}'"):
        preferences(settings, ANSWERS, "champion", cache=tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_the_key_is_named_never_shown(
    judge: tuple[JudgeSettings, type[Judge]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without the variable the message names it."""
    settings, _ = judge
    monkeypatch.delenv("JUDGE_API_KEY")
    with pytest.raises(SettingsError, match="the variable JUDGE_API_KEY must hold the key"):
        preferences(settings, ANSWERS, "champion", cache=tmp_path)
