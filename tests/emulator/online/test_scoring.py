"""The data plane: who answers a request, and what the client sees of the answer."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.emulator.online.online import PIN
from tests.waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from mlops.emulator.pytest_plugin import Emulator
    from tests.emulator.online.online import Online

pytestmark = pytest.mark.xdist_group("endpoints")


def test_without_traffic_only_pinned_requests_are_answered(online: Online) -> None:
    """A deployment with 0 percent answers those who name it; others get 404, as does an unknown name."""
    online.route({})
    wait_for(lambda: online.ask("hello").status_code == 404)
    assert "positive weight" in online.ask("hello").text
    assert online.ask("hello", pin="green").headers[PIN] == "green"
    assert online.ask("hello", pin="purple").status_code == 404


def test_replies_carry_the_tracing_headers(online: Online) -> None:
    """A reply names its deployment, has a new request id, and gives back 40 characters of the client's own."""
    headers = online.ask("hello", pin="blue", **{"x-ms-client-request-id": "c" * 50, "x-request-id": "mine"}).headers
    assert headers[PIN] == "blue"
    assert str(uuid.UUID(headers["x-request-id"])) == headers["x-ms-request-id"]
    assert headers["x-ms-client-request-id"] == "c" * 40
    assert headers.get_list("server") == ["azureml-frontdoor"]
    assert headers["azureml-model-session"] == "blue"


def test_invoke_of_the_sdk(online: Online, tmp_path: Path) -> None:
    """The SDK's own `invoke` answers the container's text."""
    request = tmp_path / "request.json"
    request.write_text('{"input_data": {"input_string": [{"role": "user", "content": "hi"}], "parameters": {}}}')
    answer = online.ml.online_endpoints.invoke(online.name, deployment_name="green", request_file=request)
    assert '"output": "hi"' in answer


def test_other_routes_of_the_container_are_reached(online: Online) -> None:
    """Beside `/score`, what the container serves is under the endpoint's address, streams included."""
    url = online.url.replace("/score", "/v1/chat/completions")
    body = {"messages": [{"role": "user", "content": "one two"}], "stream": True}
    with online.client.stream("POST", url, json=body, headers={PIN: "green"}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert list(filter(None, answer.iter_lines()))[-1] == "data: [DONE]"


def test_a_slow_model_is_a_408(online: Online) -> None:
    """What takes longer than the request timeout is cut off."""
    answer = online.ask("sleep 2.5", pin="blue")
    assert (answer.status_code, answer.headers[PIN]) == (408, "blue")
    wait_for(lambda: online.ask("hello", pin="blue").status_code == 200)


def test_a_failing_container_is_a_424_that_tells_its_status(online: Online) -> None:
    """The container's own status is hidden behind 424, and named in a header."""
    answer = online.ask("fail now", pin="green")
    assert answer.status_code == 424
    assert answer.headers["ms-azureml-model-error-statuscode"] == "500"
    assert answer.headers["ms-azureml-model-error-reason"] == "model_error"
    assert answer.headers[PIN] == "green"


def test_too_many_pending_requests_are_a_429(online: Online) -> None:
    """One request at a time in one container: the third at once is refused, the second waits."""
    answers = asyncio.run(online.ask_all(["sleep 0.4"] * 3, pin="blue"))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 429]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["ms-azureml-model-error-reason"] == "too_many_pending_request"
    assert (refused.content, refused.headers[PIN]) == (b"", "blue")
    assert "retry-after" not in refused.headers


def test_a_crashed_container_is_started_again(online: Online) -> None:
    """The request that crashes it is a 424, those until it is back too; its log shows the back-off."""
    first, meanwhile = online.ask("exit", pin="green"), online.ask("hello", pin="green")
    assert (first.status_code, first.headers["ms-azureml-model-error-statuscode"]) == (424, "502")
    assert meanwhile.status_code == 424
    assert meanwhile.headers["ms-azureml-model-error-reason"] in {"model_error", "model_not_ready"}
    wait_for(lambda: online.ask("hello", pin="green").status_code == 200)
    log = online.ml.online_deployments.get_logs("green", online.name, lines=10_000)
    assert "exited with code 3" in log
    assert "Back-off" in log


def test_faults_strike_the_data_plane(online: Online, azureml_emulator: Emulator) -> None:
    """A deployment is slow, fails or crashes on demand; the front door refuses, delays or breaks off."""
    inject = azureml_emulator.faults.injected
    path = f"/endpoints/{online.name}/*"
    with inject("slow", endpoint=online.name, deployment="blue", latency_s=2.5):
        assert online.ask("hello", pin="blue").status_code == 408
    with inject("model-error", endpoint=online.name, deployment="green", status=503, count=1):
        answer = online.ask("hello", pin="green")
        assert (answer.status_code, answer.headers["ms-azureml-model-error-statuscode"]) == (424, "503")
        assert online.ask("hello", pin="green").status_code == 200
    with inject("status", path=path, status=500, count=1, retry_after_s=1):
        answer = online.ask("hello", pin="green")
        assert (answer.status_code, answer.headers["retry-after"]) == (500, "1")
    with inject("latency", path=path, latency_s=0.5):
        assert online.ask("hello", pin="green").elapsed.total_seconds() > 0.5
    with inject("reset", path=path, count=1), pytest.raises(httpx.TransportError):
        online.ask("hello", pin="green")
    with inject("crash", endpoint=online.name, deployment="green"):
        assert online.ask("hello", pin="green").status_code == 424
    wait_for(lambda: online.ask("hello", pin="green").status_code == 200)
