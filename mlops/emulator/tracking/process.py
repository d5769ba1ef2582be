"""The process that is the MLflow server, on a socket that it is given: `process.py SOCKET DATABASE`.

MLflow itself, with triggers in its database for what Azure ML does beyond it. It answers only who
shows the secret in `SECRET_VARIABLE`, which is the emulator: MLflow's own server knows no tokens.
"""

from __future__ import annotations

import hmac
import os
import socket
import sqlite3
import sys
from contextlib import closing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, Scope

SECRET_HEADER = "X-Emulator-Secret"  # noqa: S105 - its name
SECRET_VARIABLE = "AZUREML_EMULATOR_MLFLOW_SECRET"  # noqa: S105 - its name

# Logged models and artifacts lie where `azureml://jobs/<run>/outputs/artifacts/paths/<path>` finds them,
# and what a step of a pipeline measures is also on the pipeline's run. Trials of a sweep stay apart.
_TRIGGERS = """
CREATE TRIGGER IF NOT EXISTS azureml_artifacts AFTER INSERT ON runs BEGIN
    UPDATE runs SET artifact_uri = 'mlflow-artifacts:/ExperimentRun/dcid.' || NEW.run_uuid
    WHERE run_uuid = NEW.run_uuid;
END;
CREATE TRIGGER IF NOT EXISTS azureml_models AFTER INSERT ON logged_models WHEN NEW.source_run_id IS NOT NULL BEGIN
    UPDATE logged_models
    SET artifact_location = 'mlflow-artifacts:/ExperimentRun/dcid.' || NEW.source_run_id || '/' || NEW.name
    WHERE model_id = NEW.model_id;
END;
CREATE VIEW IF NOT EXISTS azureml_roots AS
    SELECT run_uuid, value AS root FROM tags
    WHERE key = 'mlflow.rootRunId' AND value <> run_uuid AND value IN (SELECT run_uuid FROM runs)
    AND run_uuid NOT IN (SELECT run_uuid FROM tags WHERE key = 'hyperparameters');
"""
_METRICS = """
CREATE TRIGGER IF NOT EXISTS azureml_{table}_{event} AFTER {event} ON {table} BEGIN
    INSERT OR REPLACE INTO {table} (key, value, timestamp, step, is_nan, run_uuid)
    SELECT NEW.key, NEW.value, NEW.timestamp, NEW.step, NEW.is_nan, root FROM azureml_roots
    WHERE run_uuid = NEW.run_uuid;
END;
"""


def main(listener: str, database: str) -> None:
    """Make the database ready, then serve until told to stop."""
    import uvicorn

    _prepare(database)
    os.environ["_MLFLOW_SERVER_FILE_STORE"] = f"sqlite:///{database}"
    from mlflow.server.fastapi_app import app

    guarded = _guard(app, os.environ.pop(SECRET_VARIABLE))
    config = uvicorn.Config(guarded, log_level="warning", ws="none")
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(listener))])


def _prepare(database: str) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    SqlAlchemyStore(f"sqlite:///{database}", "mlflow-artifacts:/")  # type: ignore[no-untyped-call] # makes the tables
    with closing(sqlite3.connect(database)) as connection:
        connection.executescript(_TRIGGERS)
        for table, event in (("metrics", "INSERT"), ("latest_metrics", "INSERT"), ("latest_metrics", "UPDATE")):
            connection.executescript(_METRICS.format(table=table, event=event))


def _guard(app: ASGI3Application, secret: str) -> ASGI3Application:
    name = SECRET_HEADER.lower().encode()

    async def answer(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        shown = dict(scope["headers"]).get(name, b"") if scope["type"] == "http" else secret.encode()
        if hmac.compare_digest(shown, secret.encode()):
            await app(scope, receive, send)
        else:
            await send({"type": "http.response.start", "status": 401, "headers": [], "trailers": False})
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    return answer


if __name__ == "__main__":
    main(*sys.argv[1:])
