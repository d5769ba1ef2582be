"""The container that serves an MLflow chat model: `python -m mlops.emulator.serving MODEL_DIR --port P`."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from aiohttp import web

from mlops.emulator.serving import chat
from mlops.emulator.serving.stream import Stream, split

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator

    from mlflow.pyfunc import PyFuncModel

_MODEL: web.AppKey[PyFuncModel] = web.AppKey("model")
_NAME = web.AppKey("name", str)
_STREAMS = web.AppKey("streams", bool)
# One thread: a model computes one answer at a time, but for streams, which take turns.
_WORKER = web.AppKey("worker", ThreadPoolExecutor)

_MAX_BODY = 16 * 1024**2


async def health(_: web.Request) -> web.Response:
    """Answer the probes; the model is loaded before the port is open."""
    return web.Response(text="healthy")


async def models(request: web.Request) -> web.Response:
    """Answer the one model, as OpenAI's list of models."""
    return web.json_response({"object": "list", "data": [{"id": request.app[_NAME], "object": "model"}]})


async def score(request: web.Request) -> web.Response:
    """Answer `input_data` in the format of Azure's foundation-model server.

    As that server, answer 200 in every case: `{}` for what is no such request, and an `error` for
    what the engine refuses.
    """
    try:
        completion = chat.from_foundation_request(await request.json())
    except (chat.InvalidRequestError, json.JSONDecodeError):
        return web.json_response({})
    try:
        answer = await _complete(request, completion)
    except chat.EngineError as error:
        return web.json_response({"output": None, "error": {"status_code": error.status, "body": str(error)}})
    return web.json_response(chat.to_foundation_reply(answer))


async def complete(request: web.Request) -> web.StreamResponse:
    """Answer OpenAI's chat completion, whole or as a stream of events."""
    try:
        body = await request.json()
        if isinstance(body, dict) and body.get("stream"):
            return await _stream(request, body)
        return web.json_response(await _complete(request, body))
    except (chat.EngineError, json.JSONDecodeError) as error:
        return web.json_response({"error": {"message": str(error), "type": "invalid_request_error"}}, status=400)


async def _complete(request: web.Request, body: Any) -> dict[str, Any]:
    query = chat.engine_request(body)
    with _refusals():
        answer = await _compute(request, lambda model: model.predict(query))
    return chat.completion(answer, model=request.app[_NAME])


async def _stream(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    options = body.get("stream_options") or {}
    events = Stream(request.app[_NAME], include_usage=bool(options.get("include_usage")))
    async with aclosing(_pieces(request, body)) as pieces:
        with _refusals():
            piece = await anext(pieces, None)  # what is refused is no stream yet
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        await response.prepare(request)
        await response.write(events.first().encode())
        while piece is not None:
            if text := events.of(piece):
                await response.write(text.encode())
            piece = await anext(pieces, None)
    await response.write(events.last().encode())
    await response.write_eof()
    return response


async def _pieces(request: web.Request, body: dict[str, Any]) -> AsyncGenerator[Any]:
    """Yield what the model does, each as soon as it is there; stop the model when nobody listens any more."""
    if not request.app[_STREAMS]:
        # Faked for models without `predict_stream`: the answer is computed as a whole before its first word is sent.
        for piece in split(await _complete(request, body)):
            yield piece
        return
    query = chat.engine_request(body)
    pieces: Any = await _compute(request, lambda model: model.predict_stream(query))
    try:
        while (piece := await _compute(request, lambda _: next(pieces, None))) is not None:
            yield piece
    finally:
        await _compute(request, lambda _: pieces.close())


async def _compute(request: web.Request, work: Callable[[PyFuncModel], Any]) -> Any:
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(request.app[_WORKER], work, request.app[_MODEL])


@contextmanager
def _refusals() -> Iterator[None]:
    """Raise EngineError for what MLflow refuses: a parameter that the model's signature does not allow."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        raise chat.EngineError(error.message) from error


def build(folder: Path) -> web.Application:
    """Load the model and return the application that serves it."""
    import mlflow.pyfunc

    description = yaml.safe_load((folder / "MLmodel").read_text())
    app = web.Application(client_max_size=_MAX_BODY)
    app[_MODEL] = mlflow.pyfunc.load_model(str(folder))
    app[_NAME] = (description.get("metadata") or {}).get("base_model_name") or folder.name
    app.router.add_get("/", health)
    app.router.add_get("/health", health)
    app.router.add_get("/v1/models", models)
    app[_STREAMS] = bool(description["flavors"]["python_function"].get("streamable"))
    app.router.add_post("/score", score)
    for prefix in ("", "/v1"):
        app.router.add_post(f"{prefix}/chat/completions", complete)
    app.cleanup_ctx.append(_worker)
    return app


async def _worker(app: web.Application) -> AsyncIterator[None]:
    with ThreadPoolExecutor(max_workers=1) as worker:
        app[_WORKER] = worker
        yield


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m mlops.emulator.serving", description=__doc__)
    parser.add_argument("model", type=Path, metavar="MODEL_DIR", help="folder of an MLflow model")
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    arguments = parser.parse_args()
    if not (arguments.model / "MLmodel").is_file():
        sys.exit(f"{arguments.model} holds no file MLmodel: only MLflow models are served without a scoring script.")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stdout)
    # Taken before the model is loaded, which lasts seconds, and opened after.
    port = socket.socket()
    port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    port.bind(("127.0.0.1", arguments.port))
    app = build(arguments.model)
    web.run_app(app, sock=port, print=None, access_log_format='"%r" %s %b %Tf s %{x-request-id}i')


if __name__ == "__main__":
    main()
