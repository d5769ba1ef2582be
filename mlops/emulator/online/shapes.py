"""The shapes of what is sent to online endpoints and deployments."""

from __future__ import annotations

from typing import Required

from typing_extensions import TypedDict

from mlops.emulator.fields import Count, Duration, Flag, Labels, Lines, Object, Resource, Text, Texts, shape


@shape
class Probe(TypedDict, total=False):
    """How containers are asked how they are."""

    initialDelay: Duration
    period: Duration
    timeout: Duration
    successThreshold: Count
    failureThreshold: Count


@shape
class RequestSettings(TypedDict, total=False):
    """How long a request may take, and how many at once."""

    maxConcurrentRequestsPerInstance: Count
    requestTimeout: Duration
    maxQueueWait: Duration


@shape
class CodeConfiguration(TypedDict, total=False):
    """The scoring script."""

    codeId: Text
    scoringScript: Required[str]


@shape
class ScaleSettings(TypedDict, total=False):
    """How the number of machines is found."""

    scaleType: Required[str]


@shape
class Endpoint(Labels, TypedDict, total=False):
    """The properties of an endpoint."""

    authMode: Text
    compute: Text
    keys: Object
    traffic: Object
    mirrorTraffic: Object
    publicNetworkAccess: Text


@shape
class Deployment(Labels, TypedDict, total=False):
    """The properties of a deployment."""

    endpointComputeType: Text
    instanceType: Text
    model: Text
    modelMountPath: Text
    environmentId: Text
    environmentVariables: Texts
    codeConfiguration: CodeConfiguration | None
    livenessProbe: Probe | None
    readinessProbe: Probe | None
    startupProbe: Probe | None
    requestSettings: RequestSettings | None
    scaleSettings: ScaleSettings | None
    dataCollector: Object
    appInsightsEnabled: Flag
    egressPublicNetworkAccess: Text


@shape
class EndpointResource(Resource, TypedDict):
    """An endpoint."""

    properties: Endpoint


@shape
class DeploymentResource(Resource, TypedDict):
    """A deployment."""

    properties: Deployment


@shape
class Keys(TypedDict, total=False):
    """Which key is made anew."""

    keyType: Required[str]
    keyValue: Text


@shape
class LogRequest(TypedDict, total=False):
    """Which log is wanted, and how much of it."""

    containerType: Text
    tail: Lines
