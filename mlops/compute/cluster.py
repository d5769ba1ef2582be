"""The GPU cluster a training job runs on."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class ClusterSettings(BaseModel):
    """An AmlCompute cluster: used if it exists, created if it does not."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-zA-Z][a-zA-Z0-9-]{1,31}$")
    size: str
    tier: Literal["dedicated", "low_priority"]
    max_instances: int = Field(ge=1)
    idle_s: int = Field(ge=60)
    """Seconds after which an idle node is given back."""
    num_nodes: int = Field(ge=1)
    """Nodes that one training job uses."""

    @model_validator(mode="after")
    def _has_the_nodes(self) -> Self:
        if self.num_nodes > self.max_instances:
            raise ValueError("num_nodes must not be more than max_instances")
        return self
