"""The studio in Chromium, run by `nox -s browser`: every page and state, what moves, who can read it."""

from __future__ import annotations

import re
import shutil
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from mlops.reports import data_card, decision, run_report
from mlops.runs import find
from mlops.studio.app import application
from mlops.studio.views import release
from tests.reports.conftest import hostile
from tests.reports.test_decision import ANSWERS, make

if TYPE_CHECKING:
    from tests.studio.conftest import ToySource

PAGES = (
    "/",
    "/releases/first",
    "/releases/worse",
    "/releases/slow",
    "/releases/taken-back",
    "/releases/edited",
    "/releases/first/report",
    "/releases/first/files/data-card.html",
    "/releases/first/files/decision.html",
    "/jobs",
    "/jobs/running",
    "/jobs/done",
    "/jobs/broken",
    "/jobs/waiting",
    "/jobs/hostile",
    "/models",
    "/endpoints",
    "/jobs/nobody",
)
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
DESK, PHONE = {"width": 1280, "height": 800}, {"width": 360, "height": 740}


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Return the system's Chromium."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.exit("neither chromium nor google-chrome is on the PATH: install one, as with `apt install chromium`")
    with sync_playwright() as playwright:
        # Root, as in a container, has no sandbox to enter.
        yield playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])


@pytest.fixture(scope="session")
def documents() -> dict[str, str]:
    """Return the pages that stages leave in a run's folder."""
    return {"data-card.html": data_card.html(hostile()), "decision.html": decision.html(make(), ANSWERS)}


@pytest.fixture
def url(toy: ToySource, documents: dict[str, str]) -> Iterator[str]:
    """Return the address of a studio over the toy workspace."""
    for name, content in documents.items():
        (toy.runs / "first" / name).write_text(content)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(application(toy), log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def page(chromium: Browser, url: str) -> Iterator[Page]:
    """Return a tab, closed before the studio is; whatever it complains about fails the test."""
    assert url
    context = chromium.new_context(viewport=DESK)
    page, said = context.new_page(), list[str]()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page
    context.close()
    assert [text for text in said if not re.search("404 .Not Found|400 .Bad Request|ERR_FAILED", text)] == []


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_can_be_read_by_everybody(page: Page, url: str, path: str, scheme: str) -> None:
    """The axe rules for WCAG 2.2 AA find nothing, contrast included; nothing is said on the console."""
    page.emulate_media(color_scheme=scheme)
    page.goto(url + path)
    found = Axe().run(page, options={"runOnly": RULES})
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("path", ["/", "/jobs", "/models", "/endpoints"])
def test_an_empty_workspace_can_be_read_by_everybody(page: Page, url: str, toy: ToySource, path: str) -> None:
    """Before the first release a page says what fills it, to everybody, on a phone, too."""
    toy.empty()
    page.set_viewport_size(PHONE)
    page.goto(url + path)
    expect(page.locator(".empty")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    found = Axe().run(page, options={"runOnly": RULES})
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("path", PAGES)
def test_every_page_fits_a_phone(page: Page, url: str, path: str) -> None:
    """Nothing makes the page itself wider than the screen; wide tables scroll by themselves."""
    page.set_viewport_size(PHONE)
    page.goto(url + path)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_a_running_job_is_followed_to_its_end(page: Page, url: str, toy: ToySource) -> None:
    """Steps, log, curves and state change on the page as they change in the workspace; then it is left alone."""
    page.goto(f"{url}/jobs/running")
    box = page.get_by_role("listitem", name=re.compile("^convert"))
    expect(box).to_have_attribute("aria-label", "convert: NotStarted")
    expect(page.get_by_role("img", name=re.compile("^loss: 39 values"))).to_be_visible()
    toy.logged["s2"] += "step 3\n"
    expect(page.locator(".log")).to_contain_text("step 3")
    started = replace(toy.all_steps["running"][1], name="s3", display_name="convert", logs={})
    toy.all_steps["running"] = [*toy.all_steps["running"], started]
    expect(box).to_have_attribute("aria-label", "convert: Running")
    toy.all_jobs["running"] = replace(toy.all_jobs["running"], status="Completed")
    expect(page.locator("#job-state .pill")).to_have_text("Completed")


def test_who_reads_further_up_in_a_log_stays_there(page: Page, url: str, toy: ToySource) -> None:
    """A growing log is followed at its end only by who is at its end."""
    toy.logged["s2"] = "line\n" * 200
    page.goto(f"{url}/jobs/running")
    log = page.locator(".log")
    at_end = "log => log.scrollTop + log.clientHeight >= log.scrollHeight - 4"
    assert log.evaluate(at_end)
    toy.logged["s2"] += "more\n" * 50
    expect(log).to_contain_text("more")
    assert log.evaluate(at_end)
    log.evaluate("log => { log.scrollTop = 100 }")
    toy.logged["s2"] += "last\n" * 50
    expect(log).to_contain_text("last")
    assert log.evaluate("log => log.scrollTop") == 100


def test_traffic_moves_on_the_page(page: Page, url: str, toy: ToySource) -> None:
    """A shift shows without a reload, in the bar, in numbers and to who only hears it; so does what its step finds."""
    toy.bake(12)
    page.goto(f"{url}/endpoints")
    expect(page.get_by_text("12 requests")).to_be_visible()
    toy.bake(40)
    expect(page.get_by_text("40 requests")).to_be_visible()
    toy.shift(blue=25)
    expect(page.get_by_role("img", name="Traffic: blue 25 percent, green 75 percent")).to_be_visible()
    expect(page.locator(".percent").first).to_have_text("25 %")


def test_the_chat_says_which_color_answered(page: Page, url: str, toy: ToySource) -> None:
    """Asked by keyboard alone: whom the traffic chooses, then whom the person pins; the conversation goes along."""
    page.goto(f"{url}/endpoints")
    page.get_by_role("textbox", name="Your message").fill("Hello <b>you</b>")
    page.keyboard.press("Enter")
    said = page.get_by_role("log", name="Conversation with chat-local")
    expect(said.locator(".said.blue")).to_have_text(re.compile(r"^blue · 0\.25 sYou said: Hello <b>you</b>"))
    page.get_by_role("combobox", name="Answered by").select_option("green")
    page.get_by_role("textbox", name="Your message").fill("Again")
    page.keyboard.press("Enter")
    expect(said.locator(".said.green")).to_contain_text("You said: Again")
    assert [(len(messages), deployment) for messages, deployment in toy.asked] == [(1, None), (3, "green")]


def test_a_conversation_that_is_too_long_is_begun_anew(page: Page, url: str, toy: ToySource) -> None:
    """The refusal says what to do, and there is a button that does it."""
    page.goto(f"{url}/endpoints")
    page.evaluate("document.querySelector('textarea').removeAttribute('maxlength')")
    page.get_by_role("textbox", name="Your message").fill("x" * 20_000)
    page.get_by_role("button", name="Send").click()
    said = page.get_by_role("log", name="Conversation with chat-local")
    expect(said.locator(".failed")).to_have_text(re.compile("No answer.*start a new one"))
    page.get_by_role("button", name="New conversation").click()
    expect(said).to_be_empty()
    assert toy.asked == []


def test_who_can_be_asked_changes_on_the_page(page: Page, url: str, toy: ToySource) -> None:
    """A choice stays while it can; without a deployment there is no chat; an endpoint that is gone is gone."""
    page.goto(f"{url}/endpoints")
    chosen = page.get_by_role("combobox", name="Answered by")
    expect(chosen).to_have_count(1)
    chosen.select_option("green")
    blue, green = toy.doors[0].deployments
    toy.doors = [replace(toy.doors[0], deployments=(green,)), toy.doors[1]]
    expect(chosen.get_by_role("option", name="blue")).to_have_count(0)
    expect(chosen).to_have_value("green")
    toy.doors = [replace(toy.doors[0], deployments=(replace(blue, state="Creating"),)), toy.doors[1]]
    expect(chosen).to_be_hidden()
    toy.doors = toy.doors[1:]
    expect(page.get_by_role("heading", name="chat-local")).to_have_count(0)


def test_a_live_page_says_when_the_studio_is_gone(page: Page, url: str) -> None:
    """Until it is back."""
    page.route("**/live*", lambda route: route.abort())
    page.goto(f"{url}/endpoints")
    notice = page.get_by_text("The studio does not answer")
    expect(notice).to_be_visible()


def test_more_tabs_than_connections_are_served(page: Page, url: str) -> None:
    """A tab out of sight gives its connection back, and follows again when it is looked at."""
    page.add_init_script("Object.defineProperty(document, 'hidden', { get: () => window.away ?? false })")
    page.goto(f"{url}/endpoints")
    with page.expect_event("requestfailed"):  # cut off by the page itself
        page.evaluate("window.away = true; document.dispatchEvent(new Event('visibilitychange'))")
    with page.expect_request("**/live*"):
        page.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")


def test_a_live_page_says_when_the_workspace_does_not_answer(page: Page, url: str, toy: ToySource) -> None:
    """What was shown stays; a notice says what went wrong, until it is right again."""
    page.goto(f"{url}/jobs/running")
    gone = toy.all_jobs.pop("running")
    notice = page.get_by_text("could not look up job running: not found")
    expect(notice).to_be_visible()
    expect(page.get_by_role("heading", name="Steps")).to_be_visible()
    toy.all_jobs["running"] = gone
    expect(notice).to_be_hidden()


def test_the_keyboard_reaches_everything(page: Page, url: str) -> None:
    """The first stop skips to the content; a link of the bar can be followed."""
    page.goto(f"{url}/jobs/running")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    for name in ("Releases", "Jobs", "Models"):
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name=name)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Models")).to_be_visible()


def test_a_report_opens_without_a_network(page: Page, toy: ToySource) -> None:
    """From a file, offline, and asking for nothing."""
    asked = list[str]()
    path = run_report.write(release(find("first", toy.runs)), toy.runs / "first")
    page.context.set_offline(True)
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    expect(page.get_by_role("heading", name="Release first")).to_be_visible()
    page.get_by_text("Data card").click()
    expect(page.frame_locator("iframe").first.get_by_role("heading", name="Examples")).to_be_visible()
    assert asked == [path.as_uri()]
    assert path.stat().st_size < 2_000_000
