"""What stands in for Azure's images: the server that each kind of deployment runs, and what it finds there."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from mlops.emulator.environments import interpreter, machine
from mlops.emulator.serving import chat

if TYPE_CHECKING:
    from aiohttp import web

    from mlops.emulator.online.storage_initializer import Files
    from mlops.emulator.store import Document

_SERVING = Path(chat.__file__).parent
_MLFLOW_SCRIPT = _SERVING / "mlflow_resources" / "mlflow_score_script.py"
_PROJECT = _SERVING.parents[2]
# Azure installs it beside what an MLflow model without code asks for.
_SERVER_PACKAGE = "azureml-inference-server-http"


@dataclass(frozen=True, kw_only=True)
class Image:
    """A server: its Python and arguments, of which the last will be a port, its variables and its working folder."""

    python: Path
    arguments: tuple[str, ...]
    variables: dict[str, str]
    folder: Path

    def as_json(self) -> dict[str, Any]:
        """Return it as it is kept over a restart of the emulator."""
        return {key: str(value) if isinstance(value, Path) else value for key, value in asdict(self).items()}

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Image:
        """Return the image that was kept."""
        paths = {key: Path(kept[key]) for key in ("python", "folder")}
        return cls(arguments=tuple(kept["arguments"]), variables=kept["variables"], **paths)


async def build(app: web.Application, document: Document, files: Files, *, log: Path) -> Image:
    """Return what a deployment runs; its log says in which Python.

    Raise ArmError when its environment cannot be built.
    """
    properties = document["properties"]
    if files.code:
        python = await interpreter.find(app, properties.get("environmentId"), log=log)
        script = files.code / properties["codeConfiguration"]["scoringScript"]
        return _inference_server(python, script, files.model, folder=script.parent)
    model = files.model or Path()  # never missing here: the deployment would have been refused
    description = yaml.safe_load((model / "MLmodel").read_text())
    if chat.is_chat(description):
        machine.note(log, f"Azure's image for foundation models is not run: {machine.OWN} stands in for it.")
        return _foundation_model(model, folder=log.parent)
    python = await _model_python(app, properties, model, log=log)
    return _inference_server(python, _MLFLOW_SCRIPT, model, folder=log.parent)


async def _model_python(app: web.Application, properties: dict[str, Any], model: Path, *, log: Path) -> Path:
    if properties.get("environmentId"):
        return await interpreter.find(app, properties["environmentId"], log=log)
    conda_file = model / "conda.yaml"
    text = conda_file.read_text() if conda_file.is_file() else None
    return await interpreter.provide(app, text, name="The model's environment", log=log, also=(_SERVER_PACKAGE,))


def _inference_server(python: Path, script: Path, model: Path | None, *, folder: Path) -> Image:
    """Return Azure's inference server; the folder of the scoring script is the root of its app."""
    root = {"AML_APP_ROOT": str(script.parent), "AZUREML_ENTRY_SCRIPT": script.name}
    arguments = ("-P", str(_SERVING / "inference_server.py"), "--entry_script", str(script), "--port")
    return Image(python=python, arguments=arguments, variables=_variables(model) | root, folder=folder)


def _foundation_model(model: Path, *, folder: Path) -> Image:
    variables = _variables(model) | {"PYTHONPATH": str(_PROJECT)}
    arguments = ("-m", "mlops.emulator.serving", str(model), "--port")
    return Image(python=machine.OWN, arguments=arguments, variables=variables, folder=folder)


def _variables(model: Path | None) -> dict[str, str]:
    # One thread per container, since all share this machine; and they share the model: none leaves compiled code in it.
    shared = {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return shared | ({"AZUREML_MODEL_DIR": str(model.parent), "MLFLOW_MODEL_FOLDER": model.name} if model else {})
