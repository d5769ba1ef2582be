"""The shapes of the service's request bodies: which fields hold text, numbers, lists and objects.

Only types are checked here; what the values may be is for the rules of each resource.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Required

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from mlops.emulator.errors import ArmError
from mlops.emulator.fields import Count, Duration, Flag, Labels, Object, Objects, Resource, Text, Texts, shape
from mlops.emulator.online import shapes as online

if TYPE_CHECKING:
    from mlops.emulator.store import Document


@shape
class _Job(Labels, TypedDict, total=False):
    jobType: Required[str]
    displayName: Text
    experimentName: Text
    command: Text
    codeId: Text
    computeId: Text
    environmentId: Text
    environmentVariables: Texts
    inputs: Objects
    outputs: Objects
    jobs: Objects
    settings: Object
    resources: Object
    limits: Object
    distribution: Object
    identity: Object
    services: Objects
    searchSpace: Object
    trial: Object
    objective: Object
    samplingAlgorithm: Object
    sourceJobId: Text
    componentId: Text


@shape
class _Asset(Labels, TypedDict, total=False):
    isAnonymous: Flag
    dataUri: Text
    dataType: Text
    codeUri: Text
    modelUri: Text
    modelType: Text
    flavors: Objects
    jobName: Text
    stage: Text
    image: Text
    condaFile: Text
    build: Object
    osType: Text
    inferenceConfig: Object
    componentSpec: Object
    referencedUris: list[str] | None
    autoDeleteSetting: Object


@shape
class _Scale(TypedDict, total=False):
    minNodeCount: Count
    maxNodeCount: Count
    nodeIdleTimeBeforeScaleDown: Duration


@shape
class _Machines(TypedDict, total=False):
    vmSize: Text
    vmPriority: Text
    scaleSettings: _Scale | None
    osType: Text
    subnet: Object


@shape
class _Compute(TypedDict, total=False):
    computeType: Required[str]
    properties: _Machines | None
    description: Text


@shape
class _Credentials(TypedDict, total=False):
    credentialsType: Text
    secrets: Object


@shape
class _Datastore(Labels, TypedDict, total=False):
    datastoreType: Text
    accountName: Text
    containerName: Text
    fileShareName: Text
    filesystem: Text
    storeName: Text
    oneLakeWorkspaceName: Text
    credentials: _Credentials | None


@shape
class _JobResource(Resource, TypedDict):
    properties: _Job


@shape
class _AssetResource(Resource, TypedDict):
    properties: _Asset


@shape
class _ComputeResource(Resource, TypedDict):
    properties: _Compute


@shape
class _DatastoreResource(Resource, TypedDict):
    properties: _Datastore


@shape
class _OtherResource(Resource, TypedDict, total=False):
    properties: Object


@shape
class _RunQuery(TypedDict):
    runId: str


@shape
class _RunChange(TypedDict, total=False):
    displayName: Text
    description: Text
    hidden: Flag
    tags: Texts
    properties: Texts


@shape
class _Uris(TypedDict):
    values: list[str]


@shape
class _AssetReference(TypedDict, total=False):
    assetId: Required[str]
    blobUri: Text


@shape
class _Import(TypedDict):
    properties: dict[str, Text]


@shape
class _SecretsQuery(TypedDict, total=False):
    expirableSecret: Flag
    expireAfterHours: Count


# By method and the end of the route, with `{}` for its variables; the first that fits counts.
_SHAPES: dict[str, Any] = {
    "PUT /jobs/{}": _JobResource,
    "PUT /tempdatarefs/{}/versions/{}": _AssetReference,
    "POST /datarefs/{}/versions/{}": _AssetReference,
    "POST /registries/{}/import": _Import,
    "POST /listSecrets": _SecretsQuery,
    "PUT /versions/{}": _AssetResource,
    "PUT /computes/{}": _ComputeResource,
    "PUT /onlineEndpoints/{}": online.EndpointResource,
    "PUT /onlineEndpoints/{}/deployments/{}": online.DeploymentResource,
    "PUT /datastores/{}": _DatastoreResource,
    "POST /regenerateKeys": online.Keys,
    "POST /getLogs": online.LogRequest,
    "POST /rundata": _RunQuery,
    "PATCH /experiments/{}/runs/{}": _RunChange,
    "POST /batchGetResolvedUris": _Uris,
    "PUT ": _OtherResource,
    "PATCH ": _OtherResource,
}


def check(method: str, route: str, body: Document) -> None:
    """Raise the 400 if the body has not the shape that the route, such as `/a/{b}/c`, asks for."""
    adapter = _adapter(method, route)
    if adapter is None:
        return
    try:
        adapter.validate_python(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _invalid(f"The value of '{where}' is invalid: {first['msg']}.") from None


@cache
def _adapter(method: str, route: str) -> TypeAdapter[Any] | None:
    end = re.sub("{[^}]*}", "{}", route)
    for pattern, body in _SHAPES.items():
        verb, _, tail = pattern.partition(" ")
        if verb == method and end.endswith(tail):
            return TypeAdapter(body)
    return None


def _invalid(message: str) -> ArmError:
    detail = {"code": "InvalidPropertyValue", "message": message}
    return ArmError(400, "UserError", message, details=(detail,))
