"""Where the model that serves comes from, by what Azure itself keeps: tags, and no file of any run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from mlops.errors import InputError
from mlops.reports.tables import Table
from mlops.workspace import deployments, endpoints
from mlops.workspace.assets import model_tags

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops.workspace.client import Workspace
    from mlops.workspace.endpoints import Endpoint

MADE: Final = {
    "prepare": "data",
    "finetune": "finetuning_job",
    "evaluate": "evaluation_job",
    "gate": "decision_digest",
}
"""The tag of the model that names what a stage made."""


@dataclass(frozen=True)
class Lineage:
    """What each stage made for the deployment that serves, and the digest of its record."""

    run: str
    stages: Mapping[str, tuple[str, str]]

    @property
    def table(self) -> Table:
        """Return it for people."""
        rows = tuple((stage, what, digest[:12]) for stage, (what, digest) in self.stages.items())
        return Table(f"Run {self.run}", ("stage", "made", "record"), rows)

    @property
    def document(self) -> dict[str, Any]:
        """Return it for programs."""
        stages = {stage: {"made": what, "record": digest} for stage, (what, digest) in self.stages.items()}
        return {"lineage": {"run": self.run, "stages": stages}}


def made(workspace: Workspace, endpoint: Endpoint) -> Lineage:
    """Return where the model that serves comes from.

    Raises InputError if nothing serves.
    """
    if endpoint.stable is None:
        raise InputError(f"nothing serves behind {endpoint.name}: make a release first")
    model = endpoints.deployed_model(workspace, endpoint.name, endpoint.stable)
    of_model = model_tags(workspace, model)
    digests = deployments.tags(workspace, endpoint.name, endpoint.stable)
    of_stages = {stage: of_model.get(tag, "") for stage, tag in MADE.items()}
    of_stages |= {"register": model, "deploy": endpoint.stable}
    stages = {stage: (what, digests.get(f"record-{stage}", "")) for stage, what in of_stages.items()}
    return Lineage(digests.get("run", "unknown"), stages)
