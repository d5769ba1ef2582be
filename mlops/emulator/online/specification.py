"""What a deployment asks for: its defaults filled in, its limits checked, the containers it means."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import isodate  # type: ignore[import-untyped]  # it ships no types

from mlops.emulator.environments import machine
from mlops.emulator.online.container import Probe
from mlops.emulator.online.containers import Spec

if TYPE_CHECKING:
    from mlops.emulator.online.images import Image
    from mlops.emulator.store import Document

# The defaults and limits of Azure's deployment YAML reference and of its quota page.
_REQUEST_SETTINGS = {"requestTimeout": "PT5S", "maxConcurrentRequestsPerInstance": 1}
_PROBE = {
    "initialDelay": "PT10S",
    "period": "PT10S",
    "timeout": "PT2S",
    "successThreshold": 1,
    "failureThreshold": 30,
}
_MAX_TIMEOUT_S = 180
_MAX_INSTANCES = 50
_NAME = re.compile(r"(?=.{3,32}$)[a-zA-Z](-?[a-zA-Z0-9])+")


def bad_name(kind: str, name: str) -> str | None:
    """Return why the name of an endpoint or a deployment is refused, or None."""
    if _NAME.fullmatch(name):
        return None
    return (
        f"{kind} name [{name}] is invalid: 3 to 32 letters, digits and single dashes, beginning with a letter"
        " and not ending with a dash."
    )


def with_defaults(properties: Document) -> Document:
    """Return the deployment's properties with what the request left out."""
    return {
        "environmentVariables": {},
        "egressPublicNetworkAccess": "Enabled",
        "appInsightsEnabled": False,
        **properties,
        "properties": properties.get("properties") or {},
        "scaleSettings": properties.get("scaleSettings") or {"scaleType": "Default"},
        "requestSettings": _REQUEST_SETTINGS | given(properties.get("requestSettings")),
        "livenessProbe": _PROBE | given(properties.get("livenessProbe")),
        "readinessProbe": _PROBE | given(properties.get("readinessProbe")),
    }


def given(settings: Document | None) -> Document:
    """Return the settings without those that are null, which are as if they were left out."""
    return {key: value for key, value in (settings or {}).items() if value is not None}


def refusal(document: Document) -> str | None:
    """Return the first limit that the deployment's document breaks, or None."""
    properties, instances = document["properties"], document["sku"]["capacity"]
    timeout_s = _seconds(properties["requestSettings"]["requestTimeout"])
    concurrency = properties["requestSettings"]["maxConcurrentRequestsPerInstance"]
    scale = properties["scaleSettings"]["scaleType"]
    checks = (
        (properties.get("endpointComputeType") == "Managed", "Only managed deployments are emulated."),
        (scale == "Default", f"Managed deployments take the scale type Default only, not {scale}."),
        (1 <= instances <= _MAX_INSTANCES, f"Instance count must be 1 to {_MAX_INSTANCES}, not {instances}."),
        (0 < timeout_s <= _MAX_TIMEOUT_S, f"Request timeout must be at most {_MAX_TIMEOUT_S} s, not {timeout_s:g} s."),
        (concurrency >= 1, f"Max concurrent requests per instance must be at least 1, not {concurrency}."),
        (properties["livenessProbe"]["successThreshold"] == 1, "Liveness probe success threshold must be 1."),
        *_probe_checks("Liveness", properties["livenessProbe"]),
        *_probe_checks("Readiness", properties["readinessProbe"]),
    )
    return next((reason for passed, reason in checks if not passed), None)


def spec(document: Document, image: Image) -> Spec:
    """Return the containers of a deployment that runs an image."""
    properties = document["properties"]
    settings = properties["requestSettings"]
    return Spec(
        command=(str(image.python), *image.arguments),
        environment={
            **machine.variables(image.python),
            **image.variables,
            **given(properties["environmentVariables"]),
        },
        folder=image.folder,
        instances=document["sku"]["capacity"],
        concurrency=settings["maxConcurrentRequestsPerInstance"],
        liveness=_probe(properties["livenessProbe"]),
        readiness=_probe(properties["readinessProbe"]),
        request_timeout_s=_seconds(settings["requestTimeout"]),
    )


def _probe_checks(kind: str, probe: Document) -> list[tuple[bool, str]]:
    values = {name: _seconds(probe[name]) for name in ("initialDelay", "period", "timeout")}
    values |= {name: probe[name] for name in ("successThreshold", "failureThreshold")}
    return [(value >= 1, f"{kind} probe {name} must be at least 1, not {value:g}.") for name, value in values.items()]


def _probe(probe: Document) -> Probe:
    return Probe(
        initial_delay_s=_seconds(probe["initialDelay"]),
        period_s=_seconds(probe["period"]),
        timeout_s=_seconds(probe["timeout"]),
        successes=probe["successThreshold"],
        failures=probe["failureThreshold"],
    )


def _seconds(duration: str) -> float:
    return float(isodate.parse_duration(duration).total_seconds())
