"""The studio's web application: a table of routes over pages; nothing but GET, except a question to an endpoint."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from mlops.errors import MlopsError
from mlops.reports import run_report
from mlops.reports.markup import environment
from mlops.runs import find_all
from mlops.studio import views

if TYPE_CHECKING:
    from starlette.requests import Request

    from mlops.reports.release import Release
    from mlops.studio.source import Source

HERE: Final = Path(__file__).parent
HOSTS: Final = ["127.0.0.1", "localhost"]
"""Names a browser may call us by: a page elsewhere whose name leads here is refused."""
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
DOCUMENT_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
"""For documents of a run, which carry their own style and may load and run nothing."""
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
DOCUMENTS: Final = {".html": "text/html", ".svg": "image/svg+xml"}
POLL_S: Final = 1.5
MOST_MESSAGES, MOST_BYTES = 50, 20_000


def application(source: Source) -> Starlette:
    """Return the application that shows a source."""
    routes = [
        Route("/", releases),
        Route("/releases/{run}", release),
        Route("/releases/{run}/report", report),
        Route("/releases/{run}/files/{name}", document),
        Route("/jobs", jobs),
        Route("/jobs/{name}", job),
        Route("/jobs/{name}/live", job_live),
        Route("/models", models),
        Route("/endpoints", endpoints),
        Route("/endpoints/live", endpoints_live),
        Route("/endpoints/{name}/chat", chat, methods=["POST"]),
        Mount("/static", StaticFiles(directory=HERE / "static", packages=[("mlops.reports", "static")])),
    ]
    middleware = [
        Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS),
        Middleware(BaseHTTPMiddleware, dispatch=_with_headers),
    ]
    handlers: dict[Any, Any] = {MlopsError: _refused, HTTPException: _not_found}
    app = Starlette(routes=routes, middleware=middleware, exception_handlers=handlers)
    app.state.source = source
    return app


def releases(request: Request) -> Response:
    """Show every release as one line from data to traffic."""
    return _page(request, "releases", at="releases", releases=views.releases(_source(request)))


def release(request: Request) -> Response:
    """Show one release."""
    found = _release(request)
    folder = _source(request).runs / found.name
    documents = sorted(path.name for path in folder.iterdir() if path.suffix in DOCUMENTS)
    return _page(request, "run", at="releases", release=found, documents=documents)


def report(request: Request) -> Response:
    """Answer the release's report, one page that needs nothing else."""
    found = _release(request)
    return _document(run_report.html(found, _source(request).runs / found.name), ".html")


def document(request: Request) -> Response:
    """Answer a document of a run: its data card, its gate report, a picture."""
    folder = _source(request).runs / _release(request).name
    # Looked up among those there are: no name leads out of the folder.
    found = next((path for path in folder.iterdir() if path.name == request.path_params["name"]), None)
    if found is None or found.suffix not in DOCUMENTS:
        raise HTTPException(HTTPStatus.NOT_FOUND, "the run has no such document")
    return _document(found.read_text(encoding="utf-8"), found.suffix)


def jobs(request: Request) -> Response:
    """Show the youngest jobs."""
    return _page(request, "jobs", at="jobs", jobs=_source(request).jobs())


def job(request: Request) -> Response:
    """Show one job."""
    log = request.query_params.get("log", "")
    view = views.JobWatch(_source(request), request.path_params["name"], log=log).look()
    return _page(request, "job", at="jobs", view=view, chosen=log)


def job_live(request: Request) -> Response:
    """Send what changes on a job's page until the job is over."""
    source, name, log = _source(request), request.path_params["name"], request.query_params.get("log", "")
    watch = views.JobWatch(source, name, log=log)

    def look() -> tuple[dict[str, str], bool]:
        view = watch.look()
        names = ("state", "graph", "metrics", "log")
        shown = {f"job-{part}": _fragment(f"job-{part}", view=view, chosen=log) for part in names}
        return shown, view.job.is_over

    return _live(look)


def models(request: Request) -> Response:
    """Show the versions of the model with lineage and decision."""
    return _page(request, "models", at="models", models=views.model_views(_source(request)))


def endpoints(request: Request) -> Response:
    """Show the endpoints with their traffic, and the chat box."""
    return _page(request, "endpoints", at="endpoints", views=views.endpoint_views(_source(request)))


def endpoints_live(request: Request) -> Response:
    """Send what changes of the endpoints `of` which a page was made, until there are others."""
    source, of = _source(request), request.query_params.get("of", "")

    def look() -> tuple[dict[str, str], bool]:
        found = {view.endpoint.name: view for view in views.endpoint_views(source)}
        parts = ("traffic", "rollout", "answering")
        shown = {f"{part}-{name}": _fragment(part, view=view) for name, view in found.items() for part in parts}
        return shown, ",".join(found) != of

    return _live(look)


async def chat(request: Request) -> Response:
    """Put a conversation to an endpoint; answer what it said and which deployment that was.

    Only JSON is taken: no form of another page can send that; nor is a page of another origin answered.
    """
    host = request.headers["host"]
    if request.headers.get("origin", f"http://{host}") != f"http://{host}":
        raise HTTPException(HTTPStatus.FORBIDDEN, f"a question is asked from http://{host} itself")
    if request.headers.get("content-type") != "application/json":
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a question is sent as JSON")
    messages, deployment = _question(await request.body())
    return JSONResponse(await run_in_threadpool(_ask, request, messages, deployment))


def _question(body: bytes) -> tuple[list[dict[str, str]], str | None]:
    try:
        asked = json.loads(body)
        messages = [{"role": str(said["role"]), "content": str(said["content"])} for said in asked["messages"]]
        deployment = str(asked["deployment"]) or None
    except (ValueError, KeyError, TypeError) as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"not a conversation: {error}") from None
    if not 0 < len(messages) <= MOST_MESSAGES or len(body) > MOST_BYTES:
        raise HTTPException(HTTPStatus.BAD_REQUEST, "the conversation is empty or too long: start a new one")
    return messages, deployment


def _ask(request: Request, messages: list[dict[str, str]], deployment: str | None) -> dict[str, Any]:
    source, name = _source(request), request.path_params["name"]
    endpoint = next((found for found in source.endpoints() if found.name == name), None)
    if endpoint is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"there is no endpoint {name}")
    sample = source.ask(endpoint, messages, deployment)
    ok = sample.ok and bool(sample.text.strip())  # the server says 200 even when its engine failed
    text = sample.text if ok else _message(sample.text)
    return {"deployment": sample.deployment, "ok": ok, "seconds": sample.seconds, "text": text}


def _message(reply: str) -> str:
    """Return what a reply that is an error says, without what is around it."""
    try:
        return str(json.loads(reply)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return reply


def _live(look: Callable[[], tuple[dict[str, str], bool]]) -> Response:
    """Send fragments that changed since the page was made, each as one event, until `look` says it is over."""

    async def events() -> AsyncIterator[str]:
        sent = {"notice": ""}
        over = False
        while not over:
            try:
                shown, over = await run_in_threadpool(look)
                shown["notice"] = ""
            except MlopsError as error:
                shown = {"notice": _fragment("notice", text=str(error))}
            for name, html in shown.items():
                if sent.get(name) != html:
                    yield f"event: fragment\ndata: {json.dumps({'id': name, 'html': html})}\n\n"
            sent |= shown
            await asyncio.sleep(0 if over else POLL_S)
        yield "event: over\ndata: {}\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


def _release(request: Request) -> Release:
    runs, name = _source(request).runs, request.path_params["run"]
    # Looked up among those there are: no name leads out of the folder.
    found = next((run for run in find_all(runs) if run.name == name), None)
    if found is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, f"there is no run {name} in {runs}/")
    return views.release(found)


def _source(request: Request) -> Source:
    source: Source = request.app.state.source
    return source


def _fragment(name: str, **shown: Any) -> str:
    return environment("mlops.studio", "mlops.reports").get_template(f"{name}.html.jinja").render(**shown)


def _page(request: Request, name: str, *, status: int = HTTPStatus.OK, **shown: Any) -> Response:
    return HTMLResponse(_fragment(name, workspace=_source(request).title, **shown), status_code=status)


def _document(content: str, suffix: str) -> Response:
    headers = {"Content-Security-Policy": DOCUMENT_POLICY}
    return Response(content, media_type=f"{DOCUMENTS[suffix]}; charset=utf-8", headers=headers)


async def _with_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _refused(request: Request, error: MlopsError) -> Response:
    is_missing = getattr(error.__cause__, "status_code", None) == HTTPStatus.NOT_FOUND
    return _problem(request, HTTPStatus.NOT_FOUND if is_missing else HTTPStatus.BAD_GATEWAY, str(error))


def _not_found(request: Request, error: HTTPException) -> Response:
    is_bare = error.detail == HTTPStatus(error.status_code).phrase
    return _problem(request, error.status_code, f"{error.detail}: {request.url.path}" if is_bare else error.detail)


def _problem(request: Request, status: int, text: str) -> Response:
    """Say what went wrong: to the chat as JSON, to a reader as a page."""
    if request.method == "POST":
        return JSONResponse({"detail": text}, status_code=status)
    return _page(request, "problem", at="", status=status, text=text)
