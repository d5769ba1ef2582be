"""Traffic and mirrors: each deployment gets its share through every change, and no request is lost on the way."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError

from tests.emulator.online.online import PIN, message, start
from tests.waiting import wait_for

if TYPE_CHECKING:
    from mlops.emulator.pytest_plugin import Emulator
    from tests.emulator.online.online import Online

pytestmark = pytest.mark.xdist_group("endpoints")


def test_traffic_is_shared_by_weight(online: Online) -> None:
    """Of 300 requests at 70 to 30, each deployment answers its share, within four standard deviations."""
    online.settle({"blue": 70, "green": 30})
    answered = Counter(online.ask("hello").headers[PIN] for _ in range(300))
    assert answered.total() == 300
    assert abs(answered["blue"] - 210) < 4 * (300 * 0.7 * 0.3) ** 0.5


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
