"""`mlops studio`: look at jobs, models, endpoints and releases in a browser."""

from __future__ import annotations

from mlops.commands.parsers import Commands, add_command, add_environment


def add(commands: Commands) -> None:
    """Add the command to the command line."""
    parser = add_command(commands, studio, "mlops studio --environment local --port 0")
    add_environment(parser)
    parser.add_argument("--port", type=int, default=8765, help="on 127.0.0.1; 0 takes a free one (default: 8765)")


def studio(environment: str, port: int) -> None:
    """Show jobs, models, endpoints and releases in a browser, until Ctrl-C; it changes nothing."""
    import os
    import socket
    from contextlib import suppress

    import uvicorn

    from mlops.errors import InputError
    from mlops.studio.app import application
    from mlops.studio.source import open_workspace

    try:
        listener = socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise InputError(f"--port {port}: {os.strerror(error.errno or 0)}; give another, or 0 for a free one") from None
    source = open_workspace(environment)
    server = uvicorn.Server(uvicorn.Config(application(source), log_level="warning", timeout_graceful_shutdown=1))
    with suppress(KeyboardInterrupt):  # which is how it is meant to end
        print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        server.run(sockets=[listener])
