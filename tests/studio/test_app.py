"""The studio's pages over a toy workspace, as a browser without scripts gets them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from starlette.testclient import TestClient

from mlops.rollout.probe import Sample
from mlops.studio.app import HEADERS, application

if TYPE_CHECKING:
    from tests.studio.conftest import ToySource

PAGES = ("/", "/releases/first", "/jobs", "/jobs/running", "/jobs/hostile", "/models", "/endpoints")
FIRST = {
    "/": "There is no run here yet.",
    "/jobs": "No job has been submitted yet.",
    "/models": "No model has been registered yet",
    "/endpoints": "There is no endpoint yet",
}
QUESTION = {"messages": [{"role": "user", "content": "Hello"}], "deployment": ""}


@pytest.fixture
def client(toy: ToySource) -> TestClient:
    """Return a browser that runs no scripts."""
    return TestClient(application(toy), base_url="http://127.0.0.1")


@pytest.mark.parametrize("path", PAGES)
def test_every_page_comes_with_a_strict_policy(client: TestClient, path: str) -> None:
    """Nothing from elsewhere, no inline script, no inline style, no frame around it."""
    reply = client.get(path)
    assert reply.status_code == 200
    assert {name: reply.headers[name] for name in HEADERS} == HEADERS
    assert "unsafe" not in reply.headers["content-security-policy"]
    assert " style=" not in reply.text
    assert "<script>" not in reply.text


def test_what_a_stranger_wrote_is_text(client: TestClient) -> None:
    """Markup, template code and marks that turn the direction of writing, in names and in logs."""
    page = client.get("/jobs/hostile").text
    assert "&lt;img src=x onerror=alert(1)&gt;{{ 7*7 }}\N{REPLACEMENT CHARACTER}" in page
    assert "<img" not in page


def test_a_release_is_one_line_from_data_to_traffic(client: TestClient) -> None:
    """Seven stages; the one that said no is marked, what came after it was not reached."""
    page = client.get("/releases/worse").text
    assert page.count("not reached") == 3
    assert '<li class="refused"><span class="stage">gate</span> <span class="fact">rejected</span>' in page
    assert "100 % of the traffic" in client.get("/releases/first").text


def test_a_release_that_was_taken_back_says_so(client: TestClient) -> None:
    """Where it is listed, on its page, and in its report: what it ended with is not what is."""
    told = "rolled back 2026-11-22 12:00 UTC"
    for path in ("/", "/releases/taken-back", "/releases/taken-back/report"):
        assert told in client.get(path).text
    assert told not in client.get("/releases/first").text


def test_a_rollout_that_ended_without_its_stage_says_so(client: TestClient) -> None:
    """It is not still to come, though its stage left no record."""
    for path in ("/", "/releases/lost", "/releases/lost/report"):
        page = client.get(path).text
        assert '<li class="since"><span class="stage">rollout</span> <span class="fact">rolled back 2126' in page
        assert "still to come" not in page


def test_a_record_that_was_edited_is_not_believed(client: TestClient) -> None:
    """The page says so and shows nothing of it; the other releases are shown."""
    assert "was changed after it was written" in client.get("/releases/edited").text
    assert "/releases/first" in client.get("/").text


@pytest.mark.parametrize(
    "path",
    [
        "/releases/%2E%2E",
        "/releases/nobody",
        "/releases/first/files/rollout.json",
        "/releases/first/files/..%2Fworse%2Fgate.json",
        "/releases/first/files/%2Fetc%2Fpasswd",
        "/nowhere",
    ],
)
def test_only_runs_and_their_documents_are_answered(client: TestClient, path: str) -> None:
    """No name leads out of a run's folder, and records and data are no documents."""
    assert client.get(path).status_code == 404


def test_a_release_has_its_report(client: TestClient) -> None:
    """With the data card in it, whole."""
    page = client.get("/releases/first/report").text
    assert "<h1>Release first</h1>" in page
    assert "&lt;h1&gt;Data card&lt;/h1&gt;" in page


def test_a_document_runs_nothing(client: TestClient) -> None:
    """A data card is shown as it is, under a policy that allows its style and nothing else."""
    reply = client.get("/releases/first/files/data-card.html")
    assert "<h1>Data card</h1>" in reply.text
    assert "script-src" not in reply.headers["content-security-policy"]
    assert reply.headers["content-security-policy"].startswith("default-src 'none'")


def test_what_azure_refuses_is_shown_as_its_sentence(client: TestClient, toy: ToySource) -> None:
    """No traceback, no half page."""
    toy.failure = "could not list the jobs: you are not signed in"
    reply = client.get("/jobs")
    assert reply.status_code == 502
    assert toy.failure in reply.text


def test_a_name_that_leads_here_from_elsewhere_is_refused(client: TestClient) -> None:
    """A page elsewhere that has its own name resolve to 127.0.0.1 reads nothing."""
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400


@pytest.mark.parametrize(
    ("origin", "status"),
    [("http://127.0.0.1", 200), ("https://evil.example", 403), ("http://127.0.0.1:3000", 403), ("null", 403)],
)
def test_a_question_comes_from_the_studios_own_page(
    client: TestClient, toy: ToySource, origin: str, status: int
) -> None:
    """Another page, be it of this machine, a file or a frame, asks no endpoint through it."""
    reply = client.post("/endpoints/chat-local/chat", json=QUESTION, headers={"Origin": origin})
    assert reply.status_code == status
    assert len(toy.asked) == (status == 200)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_can_be_changed(client: TestClient, method: str) -> None:
    """Every page answers GET alone."""
    assert [client.request(method, path).status_code for path in PAGES] == [405] * len(PAGES)


def test_the_chat_says_who_answered(client: TestClient, toy: ToySource) -> None:
    """The deployment's name, how long it took, what it said; a pin is handed on."""
    reply = client.post("/endpoints/chat-local/chat", json=QUESTION)
    assert reply.json() == {"deployment": "blue", "ok": True, "seconds": 0.25, "text": "You said: Hello"}
    pinned = client.post("/endpoints/chat-local/chat", json=QUESTION | {"deployment": "green"})
    assert pinned.json()["deployment"] == "green"
    assert [deployment for _, deployment in toy.asked] == [None, "green"]


@pytest.mark.parametrize(
    ("path", "content", "kind", "status"),
    [
        ("/endpoints/chat-local/chat", json.dumps(QUESTION), "text/plain", 415),
        ("/endpoints/chat-local/chat", "messages=1", "application/x-www-form-urlencoded", 415),
        ("/endpoints/chat-local/chat", "{", "application/json", 400),
        ("/endpoints/chat-local/chat", '{"messages": [], "deployment": ""}', "application/json", 400),
        ("/endpoints/chat-local/chat", json.dumps(QUESTION | {"deployment": "x" * 30_000}), "application/json", 400),
        ("/endpoints/nobody/chat", json.dumps(QUESTION), "application/json", 404),
    ],
)
def test_a_question_that_is_none_reaches_no_endpoint(
    client: TestClient, toy: ToySource, path: str, content: str, kind: str, status: int
) -> None:
    """What a form of another page can send is refused, and what is too long."""
    assert client.post(path, content=content, headers={"Content-Type": kind}).status_code == status
    assert toy.asked == []


def test_a_refused_question_says_why(client: TestClient) -> None:
    """In a field that the chat shows: too long a conversation can only be begun anew."""
    reply = client.post("/endpoints/chat-local/chat", json=QUESTION | {"deployment": "x" * 30_000})
    assert reply.json() == {"detail": "the conversation is empty or too long: start a new one"}


@pytest.mark.parametrize("text", ['{"error": {"code": "424", "message": "no memory left"}}', "no memory left"])
def test_an_error_of_the_model_is_its_sentence(client: TestClient, toy: ToySource, text: str) -> None:
    """Without the document around it."""
    toy.answer = Sample(pin=None, deployment="blue", status=424, seconds=0.1, text=text)
    reply = client.post("/endpoints/chat-local/chat", json=QUESTION).json()
    assert (reply["ok"], reply["deployment"], reply["text"]) == (False, "blue", "no memory left")


def test_a_rollout_under_way_is_shown_as_its_runner_tells_it(client: TestClient, toy: ToySource) -> None:
    """Requests, errors and latency of now, in one line with the phase; that of the tags when the runner lets go."""
    told = "rollout, baking: 12 requests, 1 failed, median 0.42 s; stable 12 requests, 0 failed, median 0.40 s<"
    toy.bake(12)
    assert told in client.get("/endpoints").text
    toy.runner = {**(toy.runner or {}), "stable_requests": 0}
    assert "1 failed, median 0.42 s<" in client.get("/endpoints").text
    toy.bake(12, is_over=True)
    page = client.get("/endpoints").text
    assert told not in page
    assert "rollout second: shifting" in page


@pytest.mark.parametrize(
    ("models", "said"), [(("phi:1", "phi:2"), ["0.42"]), (("phi:2", "phi:0"), ["0.40"]), (("phi:2", "phi:1"), [])]
)
def test_what_was_measured_is_shown_for_the_model_that_was_measured(
    client: TestClient, toy: ToySource, models: tuple[str, str], said: list[str]
) -> None:
    """A color that serves another model now says nothing of the one before."""
    deployments = zip(toy.doors[0].deployments, models, strict=True)
    toy.doors = [replace(toy.doors[0], deployments=tuple(replace(one, model=model) for one, model in deployments))]
    page = client.get("/endpoints").text
    assert re.findall(r"<dt>latency</dt><dd>([\d.]+) s", page) == said


def test_endpoints_are_followed_until_there_are_others(client: TestClient) -> None:
    """Traffic, last rollout and who can be asked of each; then the page is told to load itself anew."""
    said = client.get("/endpoints/live?of=chat-local").text
    parts = [json.loads(line.removeprefix("data: "))["id"] for line in said.splitlines() if '"id"' in line]
    assert parts == [
        f"{part}-{name}" for name in ("chat-local", "empty") for part in ("traffic", "rollout", "answering")
    ]
    assert said.endswith("event: over\ndata: {}\n\n")


def test_a_page_that_does_not_exist_is_named(client: TestClient) -> None:
    """A job that there is none of, too, is nowhere rather than somebody's failure."""
    assert "Not Found: /nowhere" in client.get("/nowhere").text
    reply = client.get("/jobs/nobody")
    assert reply.status_code == 404
    assert "could not look up job nobody" in reply.text


def test_a_failed_jobs_error_has_no_codes_of_a_terminal(client: TestClient, toy: ToySource) -> None:
    """As its log has none."""
    toy.all_jobs["broken"] = replace(toy.all_jobs["broken"], error="\x1b[31mValueError\x1b[0m: no such column")
    assert "ValueError: no such column" in client.get("/jobs/broken").text


def test_jobs_are_listed_with_how_long_they_took_and_what_they_cost(client: TestClient) -> None:
    """Where they are over, and where that is known."""
    row = next(row for row in client.get("/jobs").text.split("<tr>") if "/jobs/done" in row)
    assert '<td class="number">3 min 0 s</td><td class="wide number">0.25</td>' in row
    assert "took 3 min 0 s" in client.get("/jobs/done").text


def test_an_evaluations_metrics_are_a_table(client: TestClient) -> None:
    """A row for each, the models beside each other; what is of no model is a tile."""
    page = client.get("/jobs/done").text
    assert '<th class="number">candidate</th><th class="number">base</th>' in page
    assert '<tr><th>loss</th><td class="number">3.1</td><td class="number">3.6</td></tr>' in page
    assert re.findall(r'<div class="tile"><b>\d+</b>(\w+)', page) == ["num_models"]


def test_a_model_card_is_shown_as_what_it_is(client: TestClient) -> None:
    """Headings and lists, but neither markup nor links of a stranger."""
    page = client.get("/models").text
    assert "<h3>Data</h3>\n<ul>\n<li>&lt;img src=x" in page
    assert "evil.example" in page
    assert 'href="https://evil' not in page


def test_a_model_that_serves_nobody_says_so(client: TestClient, toy: ToySource) -> None:
    """Whether it serves is always said."""
    assert "90 % of chat-local, as blue" in client.get("/models").text
    toy.doors = []
    assert "serves nobody" in client.get("/models").text


@pytest.mark.parametrize(("path", "said"), FIRST.items())
def test_an_empty_workspace_says_what_comes_first(client: TestClient, toy: ToySource, path: str, said: str) -> None:
    """Before the first release, every page is there, and says what fills it."""
    toy.empty()
    assert said in client.get(path).text


def test_a_job_that_is_over_is_sent_once_more_and_left(client: TestClient) -> None:
    """Events: each part of the page, then the end."""
    said = client.get("/jobs/broken/live").text
    parts = [json.loads(line.removeprefix("data: "))["id"] for line in said.splitlines() if '"id"' in line]
    assert parts == ["job-state", "job-graph", "job-metrics", "job-log"]
    assert said.endswith("event: over\ndata: {}\n\n")
