"""Assets: foundation models and components of registries, data and models of the workspace."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from dataclasses import dataclass, field
from difflib import get_close_matches
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mlops.errors import AzureError, RecordError
from mlops.workspace import serving
from mlops.workspace.client import quiet
from mlops.workspace.errors import azure_errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from azure.ai.ml.entities import Model

    from mlops.sections import AssetReference
    from mlops.workspace.client import Workspace

STAGE: Final = "stage"
CANDIDATE, CHAMPION, RETIRED = "candidate", "champion", "retired"
"""What a registered model is; only the rollout moves it on."""
JOB: Final = "finetuning_job"
"""The tag that tells a model from the others of its name, for Azure numbers their versions."""


@dataclass(frozen=True)
class FoundationModel:
    """A model of a registry, with the tags and properties that say how it may be trained; `type` is its format."""

    id: str
    name: str
    version: str
    type: str
    tags: Mapping[str, str]
    properties: Mapping[str, str]
    is_archived: bool


@dataclass(frozen=True)
class Component:
    """A component of a registry or of ours; `inputs` maps each input's name to its specification."""

    id: str
    name: str
    version: str
    inputs: Mapping[str, Any]
    callable: Any = field(repr=False)


def foundation_model(workspace: Workspace, reference: AssetReference) -> FoundationModel:
    """Return a model of a registry.

    Raises AzureError, naming models of similar names, if the registry has no such model or version.
    """
    try:
        return _model(workspace, reference)
    except AzureError as error:
        near = get_close_matches(reference.name, _names(workspace, reference.registry), n=3)
        raise AzureError(f"{error}" + (f". It has {', '.join(near)}" if near else ". Check finetune.model")) from error


def successors(workspace: Workspace, reference: AssetReference) -> Iterator[FoundationModel]:
    """Yield the newest version of each other model of the registry whose name begins with the same word."""
    family = reference.name.split("-")[0].lower()
    for name in _names(workspace, reference.registry):
        if name != reference.name and name.split("-")[0].lower() == family:
            yield _model(workspace, reference.model_copy(update={"name": name, "version": "latest"}))


def _names(workspace: Workspace, registry: str) -> list[str]:
    try:
        with azure_errors(f"list the models of registry {registry}"):
            return sorted({model.name for model in workspace.registry(registry).models.list()})
    except AzureError:  # the registry itself is unknown, which the caller is about to say
        return []


def _model(workspace: Workspace, reference: AssetReference) -> FoundationModel:
    documents: dict[str, Any] = {}

    def keep(response: Any) -> None:
        if "/models/" in response.http_request.url and response.http_response.status_code == HTTPStatus.OK:
            document = response.http_response.json()
            documents[document.get("id", "")] = document.get("properties", {})

    with azure_errors(f"find model {reference.name}:{reference.version} in registry {reference.registry}"):
        models = workspace.registry(reference.registry, raw_response_hook=keep).models
        model = models.get(reference.name, **_which(reference.version))
    # The SDK (1.35) hands on neither: the service's own reply has them.
    document = documents.get(model.id, {})
    metadata = document.get("systemMetadata")
    properties = dict(model.properties or {}) | ({"system_metadata": json.dumps(metadata)} if metadata else {})
    archived = bool(document.get("isArchived"))
    return FoundationModel(model.id, model.name, model.version, model.type, model.tags or {}, properties, archived)


def component(workspace: Workspace, reference: AssetReference) -> Component:
    """Return a component of a registry.

    Raises AzureError if the registry has no such component or version.
    """
    with azure_errors(f"find component {reference.name}:{reference.version} in registry {reference.registry}"):
        found = workspace.registry(reference.registry).components.get(reference.name, **_which(reference.version))
    return Component(found.id, found.name, found.version, found.inputs, found)


def own_component(spec: Path, code: Sequence[Path]) -> Component:
    """Return the component that a file describes; its id is the hash of the file and of the code that it runs."""
    from azure.ai.ml import load_component

    loaded: Any = load_component(spec)
    version = version_of([spec, *sorted(code)])
    return Component(f"{loaded.name}:{version}", loaded.name, version, loaded.inputs, loaded)


def version_of(files: Iterable[Path]) -> str:
    """Return a hash of the names and contents of files, in this order."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def _which(version: str) -> dict[str, str]:
    return {"label": "latest"} if version == "latest" else {"version": version}


def register_data(
    workspace: Workspace, place: str, *, name: str, version: str, tags: Mapping[str, str]
) -> tuple[str, str]:
    """Register a folder, here or in a datastore, as data asset unless that version exists; return its id and URI."""
    from azure.ai.ml.constants import AssetTypes
    from azure.ai.ml.entities import Data
    from azure.core.exceptions import ResourceNotFoundError

    with azure_errors(f"register data asset {name}:{version}"), quiet():
        try:
            asset = workspace.ml.data.get(name, version)
        except ResourceNotFoundError:
            data = Data(name=name, version=version, path=place, type=AssetTypes.URI_FOLDER, tags=dict(tags))
            asset = workspace.ml.data.create_or_update(data)
    return f"azureml:{name}:{version}", str(asset.path).rstrip("/")


def data_version(workspace: Workspace, name: str, version: str) -> str:
    """Return the version that a data asset has, which `latest` stands for; raise AzureError if there is none."""
    with azure_errors(f"find data asset {name}:{version}"), quiet():
        return str(workspace.ml.data.get(name, **_which(version)).version)


def download_data(workspace: Workspace, name: str, version: str, cache: Path) -> Path:
    """Download a data asset below a folder, once; return its own folder there, or the file in it if the asset is one.

    Raises AzureError if there is no such asset or it cannot be read.
    """
    from azure.ai.ml.constants import AssetTypes

    with azure_errors(f"download data asset {name}:{version}"), quiet():
        asset = workspace.ml.data.get(name, **_which(version))
        folder = _download(workspace, asset.path, cache / name / str(asset.version))
    return folder / Path(asset.path).name if asset.type == AssetTypes.URI_FILE else folder


def download_model(workspace: Workspace, name: str, version: str, cache: Path) -> Path:
    """Download a registered model below a folder, once; return its own folder there.

    Raises AzureError, naming the models there are, if there is no such model or it cannot be read.
    """
    try:
        with azure_errors(f"download model {name}:{version}"), quiet():
            model = workspace.ml.models.get(name, **_which(version))
            return _download(workspace, model.path, cache / name / str(model.version))
    except AzureError as error:
        with azure_errors("list the models"):
            known = sorted(f"{model.name}:{model.latest_version}" for model in workspace.ml.models.list())
        raise AzureError(f"{error}. The youngest registered models are {', '.join(known) or 'none'}") from error


def download_file(workspace: Workspace, uri: str, path: Path) -> None:
    """Download a file of a datastore, whole or not at all.

    Raises AzureError if it cannot be read.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder, azure_errors(f"download {uri}"), quiet():
        found = _download(workspace, uri, Path(folder) / "fetched")
        (found / Path(uri).name).replace(path)


def _download(workspace: Workspace, uri: str, folder: Path) -> Path:
    """Download what lies at a URI into a folder, whole or not at all, unless it is there."""
    from azure.ai.ml._artifacts import _artifact_utilities  # the SDK's documentation names no other way

    if not folder.is_dir():
        unfinished = folder.with_name(f"{folder.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        _artifact_utilities.download_artifact_from_aml_uri(uri, str(unfinished), workspace.ml.datastores)
        unfinished.rename(folder)
    return folder


def parts(id: str) -> tuple[str, str] | None:  # noqa: A002 - the word of the records
    """Return name and version of an asset of the workspace, or None of an id that names no such asset.

    >>> parts("azureml:chat:7"), parts("azureml://registries/azureml/models/Phi-4/versions/7")
    (('chat', '7'), None)
    """
    found = re.fullmatch(r"azureml:([^:/]+):([^:/]+)", id)
    return (found[1], found[2]) if found else None


def model_tags(workspace: Workspace, id: str) -> dict[str, str]:  # noqa: A002 - the word of the records
    """Return the tags of a registered model, `azureml:<name>:<version>`; none of another, such as a registry's."""
    if (found := parts(id)) is None:
        return {}
    name, version = found
    with azure_errors(f"look up model {id}"):
        return dict(workspace.ml.models.get(name, version).tags)


def _check_same(model: Model, content: str, tags: Mapping[str, str]) -> None:
    found = (model.tags or {}).get(content)
    if found != tags[content]:
        raise RecordError(
            f"{model.name}:{model.version} is registered already as the model of {tags[JOB]}, and is another model "
            f"({content} {found}, not {tags[content]}). A version is never overwritten: archive that one, and register "
            "again."
        )


def register_model(
    workspace: Workspace, path: str, *, name: str, description: str, tags: Mapping[str, str], content: str
) -> str:
    """Register a job's output as the next version of an MLflow model, unless that job's is there, and return its id.

    `content` names the tag that tells whether what is there is the same model; its other tags may be of an older
    judgement, and are renewed. Raises RecordError if it is another model: a version is never overwritten.
    """
    from azure.ai.ml.constants import AssetTypes
    from azure.ai.ml.entities import Model

    with azure_errors(f"register model {name} of {tags[JOB]}"):
        if model := _model_of(workspace, name, tags[JOB]):
            _check_same(model, content, tags)
        else:
            model = Model(name=name, path=path, type=AssetTypes.MLFLOW_MODEL, tags={STAGE: CANDIDATE})
        merged = {**(model.tags or {}), **tags}
        if merged != model.tags:
            model.description, model.tags = description, merged
            model = workspace.ml.models.create_or_update(model)
    return f"azureml:{name}:{model.version}"


def _model_of(workspace: Workspace, name: str, job: str) -> Model | None:
    """Return the version of a model that a job made, unless it is archived, or None."""
    versions = serving.model_versions(workspace, name)
    version = next((each.version for each in versions if each.tags.get(JOB) == job), None)
    return workspace.ml.models.get(name, version) if version else None


def move(workspace: Workspace, id: str, stage: str) -> None:  # noqa: A002 - the word of the records
    """Tag a registered model as CANDIDATE, CHAMPION or RETIRED."""
    _, name, version = id.split(":")
    with azure_errors(f"tag model {id} as {stage}"):
        model = workspace.ml.models.get(name, version)
        if model.tags.get(STAGE) != stage:
            model.tags = {**model.tags, STAGE: stage}
            workspace.ml.models.create_or_update(model)
