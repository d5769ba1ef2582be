"""The GPU cluster a training job runs on."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


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
