"""The second step of a fine-tuning job, which learns from preferences: looked up, checked and planned."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mlops.compute.plan import alignment_plan
from mlops.datasets.preferences import read_preferences
from mlops.errors import SettingsError
from mlops.finetuning.interface import check_together
from mlops.finetuning.parameters import follow
from mlops.records import Alignment
from mlops.workspace import assets

if TYPE_CHECKING:
    from mlops.compute.plan import Machines, Throughput
    from mlops.finetuning.parameters import Parameters
    from mlops.records import FinetuningPlan, Split
    from mlops.sections import FinetuneSettings
    from mlops.workspace.assets import Component
    from mlops.workspace.client import Workspace

ASSET: Final = "azureml:"


@dataclass(frozen=True)
class AlignmentStep:
    """What the step is made of, and what it will take."""

    component: Component
    parameters: Parameters
    preferences: Split
    plan: FinetuningPlan

    @property
    def record(self) -> Alignment:
        """Return what is kept of it."""
        return Alignment(
            method="dpo",
            component=self.component.id,
            preferences=self.preferences,
            parameters=self.parameters.values,
            plan=self.plan,
        )

    @property
    def key(self) -> list[Any]:
        """Return what makes it another step."""
        return [self.component.id, self.preferences.sha256, self.parameters.values]

    def __str__(self) -> str:
        """Say it in one line."""
        return (
            f"DPO on {self.preferences.rows:,} preferences of {self.preferences.uri}: {self.plan.tokens:,} tokens, "
            f"{self.plan.hours:.2f} h, {self.plan.usd:.2f} USD"
        )


def alignment_step(
    workspace: Workspace,
    settings: FinetuneSettings,
    component: Component,
    first: Parameters,
    machines: Machines,
    throughput: Throughput,
) -> AlignmentStep:
    """Return the step that follows one of these parameters.

    Raises InputError for a wrong parameter, DataError for a row that is no preference.
    """
    parameters = follow(first, settings.dpo, inputs=component.inputs)
    check_together("finetune.dpo", parameters.values)
    preferences = find_preferences(workspace, str(settings.preferences))
    plan = alignment_plan(preferences, parameters.values, machines, throughput)
    return AlignmentStep(component, parameters, preferences, plan)


def find_preferences(workspace: Workspace, uri: str) -> Split:
    """Return what a file, or a data asset `azureml:NAME:VERSION` that is one, holds."""
    if not uri.startswith(ASSET):
        return read_preferences(Path(uri), uri=uri)
    name, colon, version = uri.removeprefix(ASSET).partition(":")
    if not (colon and version):
        raise SettingsError(f"finetune.preferences = {uri}: name a version, {ASSET}NAME:VERSION")
    with tempfile.TemporaryDirectory() as temporary:
        return read_preferences(assets.download_data(workspace, name, version, Path(temporary)), uri=uri)
