"""The container that serves an MLflow chat model without code."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.waiting import wait_for

MODELS = Path(__file__).parents[1] / "models"
HELLO = [{"role": "user", "content": "hello"}]

pytestmark = pytest.mark.xdist_group("serving")


@contextmanager
def container(model: str | Path) -> Iterator[httpx.Client]:
    """Serve a model, one of the test models if it is a name, and yield a client when it is ready."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    args = [sys.executable, "-m", "mlops.emulator.serving", str(MODELS / model), "--port", str(port)]
    with subprocess.Popen(args) as process, httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        try:
            wait_for(lambda: is_healthy(client, process))
            yield client
        finally:
            process.terminate()


def is_healthy(client: httpx.Client, process: subprocess.Popen[bytes]) -> bool:
    """Return whether the container answers its probe; fail if it has ended."""
    assert process.poll() is None, f"The container exited with code {process.returncode}."
    try:
        return client.get("/health").is_success
    except httpx.ConnectError:
        return False


@pytest.fixture(scope="module")
def chat() -> Iterator[httpx.Client]:
    """Return a client of a chat model."""
    with container("echo") as client:
        yield client


@pytest.fixture(scope="module")
def words() -> Iterator[httpx.Client]:
    """Return a client of a chat model that streams."""
    with container("stream") as client:
        yield client


def score(client: httpx.Client, messages: object, **parameters: object) -> httpx.Response:
    """Send messages in the foundation-model format."""
    body = {"input_data": {"input_string": messages, "parameters": parameters}, "params": {}}
    return client.post("/score", json=body)


def test_chat_model_answers_the_foundation_format(chat: httpx.Client) -> None:
    """`/score` answers the text under `output`, with the message and why it ended."""
    answer = score(chat, HELLO).json()
    assert answer["output"] == "hello"
    assert answer["message"] == {"role": "assistant", "content": "hello"}
    assert answer["finish_reason"] == "stop"
    assert answer["model"] == "echo"


def test_generation_parameters_reach_the_model_in_openai_words(chat: httpx.Client) -> None:
    """`max_new_tokens` becomes `max_tokens`, and `do_sample` false a temperature of 0."""
    asked = [{"role": "user", "content": "parameters"}]
    answer = score(chat, asked, max_new_tokens=7, do_sample=False, temperature=0.6, top_p=0.9).json()
    assert json.loads(answer["output"]) == {"max_tokens": 7, "temperature": 0.0, "top_p": 0.9}


def test_nested_messages_are_an_engine_error_with_status_200(chat: httpx.Client) -> None:
    """A list of lists of messages, as published programs send it, is answered 200 with an error, as on Azure."""
    answer = score(chat, [HELLO])
    assert answer.status_code == 200
    assert answer.json()["output"] is None
    assert answer.json()["error"]["status_code"] == 400


@pytest.mark.parametrize("body", [{}, {"input_data": HELLO}, {"input_data": {"input_string": "hello"}}, []])
def test_what_is_no_request_is_answered_by_an_empty_object(chat: httpx.Client, body: object) -> None:
    """The foundation-model server answers 200 and `{}` to what it cannot make sense of."""
    answer = chat.post("/score", json=body)
    assert (answer.status_code, answer.json()) == (200, {})


def test_a_failing_model_is_no_success(chat: httpx.Client) -> None:
    """An exception in the model itself is a 500, which the front door turns into 424."""
    assert score(chat, [{"role": "user", "content": "fail now"}]).status_code == 500


def test_openai_route(chat: httpx.Client) -> None:
    """`/v1/chat/completions` answers OpenAI's chat completion, `/v1/models` the model."""
    answer = chat.post("/v1/chat/completions", json={"messages": HELLO, "max_tokens": 5}).json()
    assert answer["object"] == "chat.completion"
    assert answer["choices"][0]["message"]["content"] == "hello"
    assert chat.get("/v1/models").json()["data"][0]["id"] == "echo"


def ask(text: str, **options: object) -> dict[str, object]:
    """Return a request for a stream."""
    return {"messages": [{"role": "user", "content": text}], "stream": True, **options}


def events(lines: Iterable[str]) -> list[Any]:
    """Return the data of a whole stream, but for its end, which must be `[DONE]`."""
    data = [line.removeprefix("data: ") for line in lines if line]
    assert data[-1] == "[DONE]"
    return [json.loads(event) for event in data[:-1]]


def text_of(chunks: list[Any]) -> str:
    """Return what the chunks join to."""
    return "".join(choice["delta"].get("content", "") for chunk in chunks for choice in chunk["choices"])


def test_a_stream_has_openais_form(words: httpx.Client) -> None:
    """The role comes first, then the text, then why it ended; every chunk is of the same completion."""
    answer = words.post("/v1/chat/completions", json=ask("one two three"))
    chunks = events(answer.iter_lines())
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert text_of(chunks) == "one two three "
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None] * 4 + ["stop"]
    assert {(chunk["object"], chunk["model"]) for chunk in chunks} == {("chat.completion.chunk", "stream")}
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert all("usage" not in chunk for chunk in chunks)


def test_a_stream_tells_its_usage_when_asked(words: httpx.Client) -> None:
    """With `include_usage`, one more chunk without choices tells it, and all others hold null."""
    body = ask("one two", stream_options={"include_usage": True})
    *chunks, last = events(words.post("/v1/chat/completions", json=body).iter_lines())
    assert (last["choices"], last["usage"]["completion_tokens"]) == ([], 2)
    assert all(chunk["usage"] is None for chunk in chunks)
    refused = words.post("/v1/chat/completions", json=body | {"stream": False})
    assert refused.status_code == 400
    assert "stream_options" in refused.json()["error"]["message"]


def test_words_arrive_before_the_model_knows_the_next(words: httpx.Client, tmp_path: Path) -> None:
    """Each piece is sent as soon as the model yields it."""
    go_on = tmp_path / "go-on"
    with words.stream("POST", "/v1/chat/completions", json=ask(f"first wait-for:{go_on} last")) as answer:
        lines = filter(None, answer.iter_lines())
        begin = [json.loads(next(lines).removeprefix("data: ")) for _ in range(2)]
        assert text_of(begin) == "first "
        go_on.touch()
        assert text_of(events(lines)).endswith(" last ")


def test_a_model_stops_when_nobody_listens(words: httpx.Client, tmp_path: Path) -> None:
    """A client that leaves ends the model's work, and the next one is served."""
    told, never = tmp_path / "told", " ".join(["on"] * 10**5)
    with words.stream("POST", "/v1/chat/completions", json=ask(f"told-when-left:{told} {never}")) as answer:
        next(answer.iter_lines())
    wait_for(told.exists)
    assert text_of(events(words.post("/v1/chat/completions", json=ask("next")).iter_lines())) == "next "


def test_a_stream_that_fails_is_no_whole_answer(words: httpx.Client) -> None:
    """Before its first word a failing model is a 500; after it the stream breaks off, without `[DONE]`."""
    assert words.post("/v1/chat/completions", json=ask("fail:early")).status_code == 500
    with (
        pytest.raises(httpx.RemoteProtocolError),
        words.stream("POST", "/v1/chat/completions", json=ask("one fail:late")) as answer,
    ):
        events(answer.iter_lines())


def test_mlflows_chat_agents_speak_openai_too(tmp_path: Path) -> None:
    """The last message of an agent is the answer; what it yields are the chunks."""
    import mlflow.pyfunc

    code = Path(__file__).parent / "scripts" / "agent.py"
    mlflow.pyfunc.save_model(str(tmp_path / "agent"), python_model=str(code), pip_requirements=[])
    with container(tmp_path / "agent") as client:
        assert score(client, HELLO).json()["output"] == "hello"
        assert text_of(events(client.post("/v1/chat/completions", json=ask("one two")).iter_lines())) == "one two "


def test_a_model_that_cannot_stream_still_answers_a_stream(chat: httpx.Client) -> None:
    """The whole answer of a model without `predict_stream` comes in words."""
    assert text_of(events(chat.post("/v1/chat/completions", json=ask("one two three")).iter_lines())) == "one two three"


def test_openai_words_of_today(chat: httpx.Client) -> None:
    """`max_completion_tokens` is `max_tokens`, content may be a list of texts, the prefix `/v1` may be missing."""
    parts = [{"type": "text", "text": "para"}, {"type": "text", "text": "meters"}]
    body = {"messages": [{"role": "user", "content": parts}], "max_completion_tokens": 3}
    answer = chat.post("/chat/completions", json=body).json()
    assert json.loads(answer["choices"][0]["message"]["content"]) == {"max_tokens": 3}


@pytest.mark.parametrize("body", [{}, {"messages": []}, {"messages": ["hello"]}, {"messages": [{"role": "user"}]}])
def test_openai_route_refuses_what_is_no_chat(chat: httpx.Client, body: object) -> None:
    """A request without proper messages is a 400 that says what is wrong."""
    answer = chat.post("/v1/chat/completions", json=body)
    assert answer.status_code == 400
    assert "messages" in answer.json()["error"]["message"]


def test_a_folder_without_mlmodel_is_refused_in_one_line(tmp_path: Path) -> None:
    """What is no MLflow model ends the container with one message that names the folder."""
    args = [sys.executable, "-m", "mlops.emulator.serving", str(tmp_path), "--port", "0"]
    ended = subprocess.run(args, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"{tmp_path} holds no file MLmodel")
    assert "Traceback" not in ended.stderr
