"""Where the model that serves comes from, by what Azure itself keeps: tags, and no file of any run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mlops.errors import InputError
from mlops.reports.tables import Table
from mlops.workspace import deployments, endpoints
from mlops.workspace.assets import model_tags

if TYPE_CHECKING:
    from mlops.workspace.client import Workspace
    from mlops.workspace.endpoints import Endpoint

MADE: Final = {
    "prepare": "data",
    "finetune": "finetuning_job",
    "evaluate": "evaluation_job",
    "gate": "decision_digest",
}
"""The tag of the model that names what a stage made."""


def table(workspace: Workspace, endpoint: Endpoint) -> Table:
    """Return what each stage made for the deployment that serves, and the digest of its record.

    Raises InputError if nothing serves.
    """
    if endpoint.stable is None:
        raise InputError(f"nothing serves behind {endpoint.name}: make a release first")
    model = endpoints.deployed_model(workspace, endpoint.name, endpoint.stable)
    of_model = model_tags(workspace, model)
    digests = deployments.tags(workspace, endpoint.name, endpoint.stable)
    made = {stage: of_model.get(tag, "") for stage, tag in MADE.items()} | {
        "register": model,
        "deploy": endpoint.stable,
    }
    rows = tuple((stage, what, digests.get(f"record-{stage}", "")[:12]) for stage, what in made.items())
    return Table(f"Run {digests.get('run', 'unknown')}", ("stage", "made", "record"), rows)
