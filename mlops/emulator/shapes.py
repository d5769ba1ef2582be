"""The shapes of the service's request bodies: which fields hold text, numbers, lists and objects.

Only types are checked here; what the values may be is for the rules of each resource.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Required

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config
from typing_extensions import TypedDict

from mlops.emulator.errors import ArmError

if TYPE_CHECKING:
    from mlops.emulator.store import Document

# A field that is null is one that was not given.
_Text = str | None
_Flag = bool | None
_Count = int | None
_Object = dict[str, Any] | None
_Objects = dict[str, _Object] | None
_Texts = dict[str, _Text] | None
_Tagged = dict[str, Any] | None

_shape = with_config(ConfigDict(extra="allow", strict=True))


@_shape
class _Labels(TypedDict, total=False):
    description: _Text
    tags: _Texts
    properties: _Object  # the SDK sends numbers here, too
    isArchived: _Flag


@_shape
class _Job(_Labels, total=False):
    jobType: Required[str]
    displayName: _Text
    experimentName: _Text
    command: _Text
    codeId: _Text
    computeId: _Text
    environmentId: _Text
    environmentVariables: _Texts
    inputs: _Objects
    outputs: _Objects
    jobs: _Objects
    settings: _Object
    resources: _Object
    limits: _Object
    distribution: _Object
    identity: _Object
    services: _Objects
    searchSpace: _Object
    trial: _Object
    objective: _Object
    samplingAlgorithm: _Object
    sourceJobId: _Text
    componentId: _Text


@_shape
class _Asset(_Labels, total=False):
    isAnonymous: _Flag
    dataUri: _Text
    dataType: _Text
    codeUri: _Text
    modelUri: _Text
    modelType: _Text
    flavors: _Objects
    jobName: _Text
    stage: _Text
    image: _Text
    condaFile: _Text
    build: _Object
    osType: _Text
    inferenceConfig: _Object
    componentSpec: _Object
    referencedUris: list[str] | None
    autoDeleteSetting: _Object


@_shape
class _Scale(TypedDict, total=False):
    minNodeCount: _Count
    maxNodeCount: _Count
    nodeIdleTimeBeforeScaleDown: _Text


@_shape
class _Machines(TypedDict, total=False):
    vmSize: _Text
    vmPriority: _Text
    scaleSettings: _Scale | None
    osType: _Text
    subnet: _Object


@_shape
class _Compute(TypedDict, total=False):
    computeType: Required[str]
    properties: _Machines | None
    description: _Text


@_shape
class _Endpoint(_Labels, total=False):
    authMode: _Text
    compute: _Text
    keys: _Object
    traffic: _Object
    mirrorTraffic: _Object
    publicNetworkAccess: _Text


@_shape
class _Probe(TypedDict, total=False):
    initialDelay: _Text
    period: _Text
    timeout: _Text
    successThreshold: _Count
    failureThreshold: _Count


@_shape
class _RequestSettings(TypedDict, total=False):
    maxConcurrentRequestsPerInstance: _Count
    requestTimeout: _Text
    maxQueueWait: _Text


@_shape
class _Deployment(_Labels, total=False):
    endpointComputeType: _Text
    instanceType: _Text
    model: _Text
    modelMountPath: _Text
    environmentId: _Text
    environmentVariables: _Texts
    codeConfiguration: _Object
    livenessProbe: _Probe | None
    readinessProbe: _Probe | None
    startupProbe: _Probe | None
    requestSettings: _RequestSettings | None
    scaleSettings: _Object
    dataCollector: _Object
    appInsightsEnabled: _Flag
    egressPublicNetworkAccess: _Text


@_shape
class _Sku(TypedDict, total=False):
    name: _Text
    capacity: _Count


@_shape
class _Resource(TypedDict, total=False):
    location: _Text
    tags: _Texts
    identity: _Object
    kind: _Text
    sku: _Sku | None


@_shape
class _JobResource(_Resource):
    properties: _Job


@_shape
class _AssetResource(_Resource):
    properties: _Asset


@_shape
class _ComputeResource(_Resource):
    properties: _Compute


@_shape
class _EndpointResource(_Resource):
    properties: _Endpoint


@_shape
class _DeploymentResource(_Resource):
    properties: _Deployment


@_shape
class _OtherResource(_Resource, total=False):
    properties: _Object


@_shape
class _Keys(TypedDict, total=False):
    keyType: Required[str]
    keyValue: _Text


@_shape
class _LogRequest(TypedDict, total=False):
    containerType: _Text
    tail: _Count


@_shape
class _RunQuery(TypedDict):
    runId: str


@_shape
class _RunChange(TypedDict, total=False):
    displayName: _Text
    description: _Text
    hidden: _Flag
    tags: _Texts
    properties: _Texts


@_shape
class _Uris(TypedDict):
    values: list[str]


@_shape
class _AssetReference(TypedDict, total=False):
    assetId: Required[str]
    blobUri: _Text


@_shape
class _Import(TypedDict):
    properties: dict[str, _Text]


@_shape
class _SecretsQuery(TypedDict, total=False):
    expirableSecret: _Flag
    expireAfterHours: _Count


# By method and the end of the route, with `{}` for its variables; the first that fits counts.
_SHAPES: dict[str, Any] = {
    "PUT /jobs/{}": _JobResource,
    "PUT /tempdatarefs/{}/versions/{}": _AssetReference,
    "POST /datarefs/{}/versions/{}": _AssetReference,
    "POST /registries/{}/import": _Import,
    "POST /listSecrets": _SecretsQuery,
    "PUT /versions/{}": _AssetResource,
    "PUT /computes/{}": _ComputeResource,
    "PUT /onlineEndpoints/{}": _EndpointResource,
    "PUT /onlineEndpoints/{}/deployments/{}": _DeploymentResource,
    "POST /regenerateKeys": _Keys,
    "POST /getLogs": _LogRequest,
    "POST /rundata": _RunQuery,
    "PATCH /experiments/{}/runs/{}": _RunChange,
    "POST /batchGetResolvedUris": _Uris,
    "PUT ": _OtherResource,
    "PATCH ": _OtherResource,
}


def check(method: str, route: str, body: Document) -> None:
    """Raise the 400 if the body has not the shape that the route, such as `/a/{b}/c`, asks for."""
    shape = _adapter(method, route)
    if shape is None:
        return
    try:
        shape.validate_python(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _invalid(f"The value of '{where}' is invalid: {first['msg']}.") from None


@cache
def _adapter(method: str, route: str) -> TypeAdapter[Any] | None:
    end = re.sub("{[^}]*}", "{}", route)
    for pattern, shape in _SHAPES.items():
        verb, _, tail = pattern.partition(" ")
        if verb == method and end.endswith(tail):
            return TypeAdapter(shape)
    return None


def _invalid(message: str) -> ArmError:
    detail = {"code": "InvalidPropertyValue", "message": message}
    return ArmError(400, "UserError", message, details=(detail,))
