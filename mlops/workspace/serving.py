"""What serves and what could: endpoints with their deployments, and the versions of a registered model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlops.workspace import states
from mlops.workspace.errors import azure_errors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from mlops.workspace.client import Workspace


@dataclass(frozen=True)
class Serving:
    """A deployment; `weight` and `mirrored` are percentages of the endpoint's requests."""

    name: str
    weight: int
    mirrored: int
    model: str
    state: str
    instance_type: str
    instance_count: int


@dataclass(frozen=True)
class ServingEndpoint:
    """An endpoint with all its deployments, those without traffic included."""

    name: str
    state: str
    scoring_uri: str
    tags: Mapping[str, str]
    deployments: tuple[Serving, ...]


@dataclass(frozen=True)
class ModelVersion:
    """A version of a registered model, with its lineage in tags and its card as description."""

    name: str
    version: str
    created: datetime | None
    description: str
    tags: Mapping[str, str]


def serving_endpoints(workspace: Workspace) -> list[ServingEndpoint]:
    """Return the workspace's online endpoints by name."""
    with azure_errors("list the endpoints"):
        found = sorted(workspace.ml.online_endpoints.list(), key=lambda endpoint: str(endpoint.name))
        return [_endpoint(workspace, endpoint) for endpoint in found]


def model_versions(workspace: Workspace, name: str) -> list[ModelVersion]:
    """Return the versions of a registered model, youngest first; none if there is no such model."""
    from azure.core.exceptions import ResourceNotFoundError

    with azure_errors(f"list the versions of model {name}"):
        try:
            found = list(workspace.ml.models.list(name=name))
        except ResourceNotFoundError:
            return []
    versions = [_version(model) for model in found]
    return sorted(versions, key=lambda model: str(model.created), reverse=True)


def _endpoint(workspace: Workspace, found: Any) -> ServingEndpoint:
    weights, mirrored = found.traffic or {}, found.mirror_traffic or {}
    deployments = tuple(
        Serving(
            name=deployment.name,
            weight=int(weights.get(deployment.name, 0)),
            mirrored=int(mirrored.get(deployment.name, 0)),
            model=_short(str(deployment.model)),
            state=states.word(deployment.provisioning_state),
            instance_type=str(deployment.instance_type),
            instance_count=int(deployment.instance_count or 0),
        )
        for deployment in sorted(workspace.ml.online_deployments.list(found.name), key=lambda one: str(one.name))
    )
    return ServingEndpoint(
        found.name, states.word(found.provisioning_state), str(found.scoring_uri or ""), found.tags or {}, deployments
    )


def _short(model: str) -> str:
    """Return `name:version` of a model's id, whichever way it is written."""
    name, found, version = model.partition("/models/")[2].partition("/versions/")
    return f"{name}:{version}" if found else model.removeprefix("azureml:")


def _version(model: Any) -> ModelVersion:
    created = model.creation_context.created_at if model.creation_context else None
    return ModelVersion(model.name, str(model.version), created, model.description or "", model.tags or {})
