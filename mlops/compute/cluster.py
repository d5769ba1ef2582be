"""The GPU cluster a training job runs on."""

from __future__ import annotations

from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

SERVERLESS: Final = "serverless"
"""The name under which Azure ML lends machines without a cluster."""


class ClusterSettings(BaseModel):
    """An AmlCompute cluster: used if it exists, created if it does not; named `serverless`, machines of Azure ML."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = Field(pattern=r"^[a-zA-Z][a-zA-Z0-9-]{1,31}$")
    size: str
    tier: Literal["dedicated", "low_priority"]
    max_instances: int = Field(ge=1)
    idle_s: int = Field(ge=60)
    """Seconds after which an idle node is given back."""
    num_nodes: int = Field(ge=1)
    """Nodes that one training job uses."""
    identity: str | None = None
    """`system_assigned`, or the ARM id of a user-assigned identity, for a new cluster."""

    @property
    def is_serverless(self) -> bool:
        """Return whether no cluster is wanted."""
        return self.name.lower() == SERVERLESS

    @model_validator(mode="after")
    def _has_the_nodes(self) -> Self:
        if self.num_nodes > self.max_instances:
            raise ValueError("num_nodes must not be more than max_instances")
        if self.is_serverless and self.tier == "low_priority":
            raise ValueError("tier must be dedicated on serverless: a registry's pipeline cannot ask for spot machines")
        return self
