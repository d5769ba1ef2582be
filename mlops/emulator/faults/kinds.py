"""Every fault that can be asked for: what it strikes, and what it does there."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

# What the service says when it throttles or is busy.
_RETRY = {"429": 1, "503": 1}

_Glob = Annotated[str, Field(min_length=1, max_length=1000)]


class Fault(BaseModel):
    """What all faults share: what they match, and how often they strike it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    count: int | None = Field(None, ge=1, description="strike so many times, then never again (default: always)")

    def matches(self, **facts: str) -> bool:
        """Return whether every fact fits the pattern of its name, without case; `*` stands for anything."""
        return all(fnmatchcase(fact.lower(), getattr(self, name).lower()) for name, fact in facts.items())


class Drawn(Fault):
    """A fault that may strike by chance."""

    rate: float | None = Field(None, gt=0, le=1, description="strike this share of what matches, such as 0.3")
    seed: int = Field(0, description="the same seed strikes the same ones in the same order")


class _OnRoute(Drawn):
    method: _Glob = Field("*", description="HTTP method: GET, PUT, …")
    path: _Glob = Field("*", description="pattern of the path, such as '*/onlineEndpoints/*'")


class _OnDeployment(Drawn):
    endpoint: _Glob = Field("*", description="pattern of the endpoint's name")
    deployment: _Glob = Field("*", description="pattern of the deployment's name")


class Status(_OnRoute):
    """Answer an error instead of what was asked for."""

    kind: Literal["status"] = "status"
    status: int = Field(503, ge=400, le=599, description="HTTP status (default: 503)")
    retry_after_s: int | None = Field(None, ge=0, description="Retry-After in seconds (default: 1 on 429 and 503)")
    after: bool = Field(False, description="do what was asked for first, so that only the answer is lost")

    @model_validator(mode="before")
    @classmethod
    def _say_when(cls, given: dict[str, Any]) -> dict[str, Any]:
        return {"retry_after_s": _RETRY.get(str(given.get("status", 503)))} | given


class Latency(_OnRoute):
    """Wait before doing what was asked for."""

    kind: Literal["latency"] = "latency"
    latency_s: float = Field(1.0, ge=0, le=3600, description="seconds (default: 1)")


class Reset(_OnRoute):
    """Break the connection off without an answer."""

    kind: Literal["reset"] = "reset"
    after: bool = Field(False, description="do what was asked for first, so that only the answer is lost")


class Operation(_OnRoute):
    """Accept a long-running operation as ever, then let it fail or never end."""

    kind: Literal["operation"] = "operation"
    outcome: Literal["fail", "hang"] = Field("fail", description="fail, or hang until the fault is cleared")
    code: str = Field("InternalServerError", description="error code of an operation that fails")
    message: str = Field("The operation failed.", description="error message of an operation that fails")


class Preemption(Fault):
    """Take the machine away from a running job, as happens with low priority: it is queued and starts again."""

    kind: Literal["preemption"] = "preemption"
    count: int | None = Field(1, ge=1, description="preempt so many times (default: once)")
    job: _Glob = Field("*", description="pattern of the job's or step's run name")


class Crash(_OnDeployment):
    """Kill the containers of a deployment when a request reaches them."""

    kind: Literal["crash"] = "crash"
    count: int | None = Field(1, ge=1, description="kill so many times (default: once)")


class Slow(_OnDeployment):
    """Let a deployment take longer; its request timeout goes on counting."""

    kind: Literal["slow"] = "slow"
    latency_s: float = Field(1.0, ge=0, le=3600, description="seconds (default: 1)")


class ModelError(_OnDeployment):
    """Let a deployment's container answer an error, which clients see as 424."""

    kind: Literal["model-error"] = "model-error"
    status: int = Field(500, ge=400, le=599, description="the container's own HTTP status (default: 500)")


class Propagation(Drawn):
    """Let writes of an endpoint's traffic take longer until they have effect on the data plane."""

    kind: Literal["propagation"] = "propagation"
    endpoint: _Glob = Field("*", description="pattern of the endpoint's name")
    delay_s: float = Field(10.0, ge=0, le=3600, description="seconds (default: 10)")


class Canceled(Drawn):
    """Refuse to update an endpoint or to touch its deployments: 409 OperationCanceled, as if displaced by another."""

    kind: Literal["canceled"] = "canceled"
    endpoint: _Glob = Field("*", description="pattern of the endpoint's name")


class Token(Drawn):
    """Issue tokens that expire early; an expired one is refused with 401."""

    kind: Literal["token"] = "token"
    lifetime_s: int = Field(0, ge=0, description="seconds until they expire (default: 0, expired already)")


class Quota(Drawn):
    """Say that the quota for a machine size is used up, to clusters and deployments."""

    kind: Literal["quota"] = "quota"
    size: _Glob = Field("*", description="pattern of the size, such as 'Standard_NC*'")


KINDS: dict[str, type[Fault]] = {
    kind.model_fields["kind"].default: kind
    for kind in (
        Status,
        Latency,
        Reset,
        Operation,
        Preemption,
        Crash,
        Slow,
        ModelError,
        Propagation,
        Canceled,
        Token,
        Quota,
    )
}
