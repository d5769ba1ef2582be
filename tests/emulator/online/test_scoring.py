"""The data plane: who answers a request, what the client sees, and that no request is lost on the way."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import ssl
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError

from tests.waiting import wait_for

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

    from mlops.emulator.pytest_plugin import Emulator

MODEL = Path(__file__).parents[1] / "models" / "echo"
PIN = "azureml-model-deployment"

pytestmark = pytest.mark.xdist_group("endpoints")


@dataclass(frozen=True)
class Online:
    """An endpoint with two deployments: blue takes one request at a time for 2 s, green four for 10 s."""

    ml: MLClient
    name: str
    url: str
    headers: dict[str, str]
    client: httpx.Client

    def ask(self, text: str, *, pin: str | None = None, **headers: str) -> httpx.Response:
        """Send one message, pinned to a deployment or not."""
        pinned = {PIN: pin} if pin else {}
        return self.client.post(self.url, json=message(text), headers=pinned | headers)

    def route(self, traffic: dict[str, int], mirror: dict[str, int] | None = None) -> None:
        """Write both maps; they take effect a moment later."""
        endpoint = self.ml.online_endpoints.get(self.name)
        endpoint.traffic, endpoint.mirror_traffic = traffic, mirror or {}
        self.ml.online_endpoints.begin_create_or_update(endpoint).result()

    def settle(self, traffic: dict[str, int]) -> None:
        """Write the traffic and wait until only its deployments have answered a number of requests."""
        self.route(traffic)
        expected = {name for name, weight in traffic.items() if weight}
        # Sixty, because ten answers of a deployment with a weight of 90 may come by chance.
        wait_for(lambda: {self.ask("hello").headers.get(PIN) for _ in range(60)} <= expected)

    def num_requests(self, deployment: str) -> int:
        """Return how many requests a deployment's log shows."""
        return self.ml.online_deployments.get_logs(deployment, self.name, lines=100_000).count('"POST ')

    async def ask_all(self, texts: list[str], *, pin: str) -> list[httpx.Response]:
        """Send messages at once."""
        context = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
        async with httpx.AsyncClient(verify=context, headers=self.headers | {PIN: pin}, timeout=30) as client:
            return await asyncio.gather(*(client.post(self.url, json=message(text)) for text in texts))


def message(text: str) -> dict[str, Any]:
    """Return a chat of one message in the foundation-model format."""
    return {"input_data": {"input_string": [{"role": "user", "content": text}], "parameters": {}}}


def start(ml: MLClient, deployments: dict[str, tuple[int, int]]) -> Online:
    """Return an endpoint with these deployments: their requests at once, and their timeout in milliseconds."""
    from azure.ai.ml.entities import ManagedOnlineDeployment, ManagedOnlineEndpoint, Model, OnlineRequestSettings

    name = f"s-{uuid.uuid4().hex[:8]}"
    model = ml.models.create_or_update(Model(name=name, version="1", path=MODEL, type="mlflow_model"))
    endpoint = ml.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name=name)).result()
    for deployment, (concurrency, timeout_ms) in deployments.items():
        settings = OnlineRequestSettings(
            request_timeout_ms=timeout_ms, max_concurrent_requests_per_instance=concurrency
        )
        what = {"name": deployment, "endpoint_name": name, "model": model.id, "request_settings": settings}
        size = {"instance_type": "Standard_DS3_v2", "instance_count": 1}
        ml.online_deployments.begin_create_or_update(ManagedOnlineDeployment(**what, **size)).result()
    headers = {"Authorization": f"Bearer {ml.online_endpoints.get_keys(name).primary_key}"}
    return Online(ml, name, endpoint.scoring_uri, headers, httpx.Client(headers=headers, timeout=30))


@pytest.fixture(scope="module")
def online(ml: MLClient) -> Iterator[Online]:
    """Return the endpoint of this module."""
    started = start(ml, {"blue": (1, 2000), "green": (4, 10000)})
    yield started
    ml.online_endpoints.begin_delete(started.name).result()
    started.client.close()


def test_without_traffic_only_pinned_requests_are_answered(online: Online) -> None:
    """A deployment with 0 percent answers those who name it; others get 404, as does an unknown name."""
    online.route({})
    wait_for(lambda: online.ask("hello").status_code == 404)
    assert "positive weight" in online.ask("hello").text
    assert online.ask("hello", pin="green").headers[PIN] == "green"
    assert online.ask("hello", pin="purple").status_code == 404


def test_traffic_is_shared_by_weight(online: Online) -> None:
    """Of 300 requests at 70 to 30, each deployment answers its share, within four standard deviations."""
    online.settle({"blue": 70, "green": 30})
    answered = Counter(online.ask("hello").headers[PIN] for _ in range(300))
    assert answered.total() == 300
    assert abs(answered["blue"] - 210) < 4 * (300 * 0.7 * 0.3) ** 0.5


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


def test_mirrored_copies_are_of_unpinned_requests_only(online: Online) -> None:
    """The shadow gets copies of requests that name no deployment; clients see the live answer alone."""
    online.settle({"blue": 100})
    before = online.num_requests("green")
    online.route({"blue": 100}, {"green": 50})
    assert {online.ask("hello", pin="blue").status_code for _ in range(20)} == {200}
    assert online.num_requests("green") == before
    assert {online.ask("hello").headers[PIN] for _ in range(40)} == {"blue"}
    wait_for(lambda: online.num_requests("green") > before)


def test_a_shadow_that_hangs_does_not_slow_the_live_answer(online: Online) -> None:
    """With a stopped shadow, live answers come as fast as ever; copies beyond its in-flight limit are dropped."""
    pid = int(online.ask("pid", pin="green").json()["output"])
    online.settle({"blue": 100})
    online.route({"blue": 100}, {"green": 50})
    before = online.num_requests("green")
    wait_for(lambda: online.ask("hello").status_code == 200 and online.num_requests("green") > before)
    os.kill(pid, signal.SIGSTOP)
    try:
        answers = [online.ask("hello") for _ in range(60)]
    finally:
        os.kill(pid, signal.SIGCONT)
    assert {(answer.status_code, answer.headers[PIN]) for answer in answers} == {(200, "blue")}
    # The shadow has four seconds and more to answer in; the slowest live answer waited for none of them.
    assert max(answer.elapsed.total_seconds() for answer in answers) < 2
    online.route({})
    wait_for(lambda: online.ask("hello", pin="green").status_code == 200)


def test_shares_are_right_after_every_change(online: Online) -> None:
    """Through random changes of traffic every request is answered, and every split is kept."""
    online.settle({"blue": 100})
    dice = random.Random(4)  # noqa: S311 - repeatable on purpose
    for blue in [dice.randint(5, 95) for _ in range(4)]:
        online.route({"blue": blue, "green": 100 - blue})
        answers = [online.ask("hello") for _ in range(150)]
        assert {answer.status_code for answer in answers} == {200}
        share = sum(answer.headers[PIN] == "blue" for answer in answers)
        assert abs(share - 1.5 * blue) < 5 * (150 * blue * (100 - blue)) ** 0.5 / 100


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


def test_a_write_may_take_long_to_have_effect(online: Online, azureml_emulator: Emulator) -> None:
    """A delayed write does not undo a later one when its time comes."""
    online.settle({"blue": 100})
    with azureml_emulator.faults.injected("propagation", endpoint=online.name, delay_s=1.5, count=1):
        online.route({})
    online.settle({"green": 100})
    until = time.monotonic() + 2
    while time.monotonic() < until:
        assert online.ask("hello").headers.get(PIN) == "green"


def test_a_name_is_free_when_its_endpoint_is_gone(online: Online, azureml_emulator: Emulator) -> None:
    """A deletion waits for what is being answered; meanwhile the name is taken, and a second deletion conflicts."""
    from azure.ai.ml.entities import ManagedOnlineEndpoint

    other = start(online.ml, {"only": (1, 10000)})
    slow = azureml_emulator.faults.injected("slow", endpoint=other.name, latency_s=1.5)
    with ThreadPoolExecutor() as pool, slow as fault:
        answering = pool.submit(other.ask, "hello", pin="only")
        wait_for(lambda: {each["id"]: each["hits"] for each in azureml_emulator.faults.list()}[fault["id"]])
        deletion = online.ml.online_endpoints.begin_delete(other.name)
        with pytest.raises(HttpResponseError, match="There is already an endpoint with this name"):
            online.ml.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name=other.name))
        with pytest.raises(ResourceExistsError, match="being deleted"):
            online.ml.online_endpoints.begin_delete(other.name)
        assert answering.result().status_code == 200
    deletion.result()
    assert other.ask("hello", pin="only").status_code == 404
    other.client.close()


def test_no_request_is_lost_while_traffic_moves_and_the_old_deployment_goes(online: Online) -> None:
    """Under load, a shift in steps and the deletion of the old deployment lose nothing and end on the new one."""
    online.settle({"blue": 100})
    ended, answered = threading.Event(), list[tuple[int, str | None]]()

    def load() -> None:
        with httpx.Client(headers=online.headers) as client:
            while not ended.is_set():
                answer = client.post(online.url, json=message("hello"))
                answered.append((answer.status_code, answer.headers.get(PIN)))

    thread = threading.Thread(target=load)
    thread.start()
    try:
        online.route({"blue": 50, "green": 50})
        online.route({"green": 100})
        online.ml.online_deployments.begin_delete("blue", online.name).result()
        moved = len(answered)
        wait_for(lambda: len(answered) > moved + 20)
    finally:
        ended.set()
        thread.join()
    assert {status for status, _ in answered} == {200}
    assert {deployment for _, deployment in answered[moved + 1 :]} == {"green"}
