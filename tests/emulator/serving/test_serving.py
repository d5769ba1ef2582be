"""The container that serves an MLflow model without code."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

MODELS = Path(__file__).parents[1] / "models"
HELLO = [{"role": "user", "content": "hello"}]

pytestmark = pytest.mark.xdist_group("serving")


@contextmanager
def container(model: str) -> Iterator[httpx.Client]:
    """Serve a model and yield a client when it is ready."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    args = [sys.executable, "-m", "mlops.emulator.serving", str(MODELS / model), "--port", str(port)]
    with subprocess.Popen(args) as process, httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        try:
            wait_until_healthy(client, process)
            yield client
        finally:
            process.terminate()


def wait_until_healthy(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    """Return when the container answers its probe."""
    while process.poll() is None:
        try:
            client.get("/health").raise_for_status()
        except httpx.ConnectError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"The container exited with code {process.returncode}.")


@pytest.fixture(scope="module")
def chat() -> Iterator[httpx.Client]:
    """Return a client of a chat model."""
    with container("echo") as client:
        yield client


@pytest.fixture(scope="module")
def table() -> Iterator[httpx.Client]:
    """Return a client of a model that is no chat model."""
    with container("table") as client:
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


def test_openai_stream(chat: httpx.Client) -> None:
    """With `stream`, the answer comes as events that join to the same text and end in `[DONE]`."""
    body = {"messages": [{"role": "user", "content": "one two three"}], "stream": True}
    events = [line.removeprefix("data: ") for line in chat.post("/v1/chat/completions", json=body).iter_lines() if line]
    assert events[-1] == "[DONE]"
    deltas = [json.loads(event)["choices"][0]["delta"] for event in events[:-1]]
    assert "".join(delta.get("content", "") for delta in deltas) == "one two three"


@pytest.mark.parametrize("body", [{}, {"messages": []}, {"messages": ["hello"]}, {"messages": [{"role": "user"}]}])
def test_openai_route_refuses_what_is_no_chat(chat: httpx.Client, body: object) -> None:
    """A request without proper messages is a 400 that says what is wrong."""
    answer = chat.post("/v1/chat/completions", json=body)
    assert answer.status_code == 400
    assert "messages" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("data", "form", "echoed"),
    [
        ({"columns": ["a", "b"], "index": [0], "data": [[1, "x"]]}, "DataFrame", [{"a": 1, "b": "x"}]),
        ([[1, 2], [3, 4]], "ndarray", [[1, 2], [3, 4]]),
        ({"a": [1, 2]}, "dict", {"a": [1, 2]}),
        (["one", "two"], "list", ["one", "two"]),
        ("one", "str", "one"),
    ],
)
def test_other_models_take_azures_input_data(table: httpx.Client, data: object, form: str, echoed: object) -> None:
    """A split table, a list, named tensors and texts reach the model in the form that Azure's script gives them."""
    answer = table.post("/score", json={"input_data": data}).json()
    assert (answer["type"], answer["data"]) == (form, echoed)


def test_other_models_refuse_mlflows_own_format(table: httpx.Client) -> None:
    """MLflow's `dataframe_split` is not Azure's format."""
    answer = table.post("/score", json={"dataframe_split": {"columns": ["a"], "data": [[1]]}})
    assert answer.status_code == 400
    assert "input_data" in answer.text


def test_a_folder_without_mlmodel_is_refused_in_one_line(tmp_path: Path) -> None:
    """What is no MLflow model ends the container with one message that names the folder."""
    args = [sys.executable, "-m", "mlops.emulator.serving", str(tmp_path), "--port", "0"]
    ended = subprocess.run(args, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"{tmp_path} holds no file MLmodel")
    assert "Traceback" not in ended.stderr
