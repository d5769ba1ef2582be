"""The infrastructure as code, as far as a parser without Azure's compiler can tell."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pycep import BicepParser

from mlops import bootstrap
from mlops.settings import load

INFRA = Path(__file__).parents[1] / "pipelines" / "infra"
MAIN, QUOTA = INFRA / "main.bicep", INFRA / "quota.bicep"
IDS = {f"MLOPS_WORKSPACE__{name}": "x" for name in ("SUBSCRIPTION_ID", "RESOURCE_GROUP", "NAME")}


@pytest.fixture(scope="module")
def bicep() -> dict[str, Any]:
    """Return the parsed file."""
    return BicepParser().parse(text=MAIN.read_text())


def test_github_signs_in_as_the_bootstrap_command_says(bicep: dict[str, Any]) -> None:
    """Issuer and audience are the same, and the role is given on the workspace only."""
    text = MAIN.read_text()
    assert f"issuer: '{bootstrap.ISSUER}'" in text
    assert f"audiences: ['{bootstrap.AUDIENCE}']" in text
    assert "name: replace('github-${last(split(repository, '/'))}-${environments[0]}', '.', '-')" in text
    assert "subject: '${subjectPrefix}:environment:${environment}'" in text
    assert bicep["resources"]["role"]["config"]["scope"] == "workspace"


def test_sizes_and_quota_are_read_as_the_bootstrap_command_says(bicep: dict[str, Any]) -> None:
    """The same actions and no other, by the same identity, of the whole subscription."""
    text = QUOTA.read_text()
    assert tuple(re.findall(r"'(Microsoft\.MachineLearningServices/.+)'", text)) == bootstrap.READS
    module = bicep["modules"]["quota"]
    scope = module["config"]["scope"]["function"]["type"]
    assert (module["detail"]["path"], scope) == (QUOTA.name, "subscription")
    assert set(module["config"]["params"]) == set(BicepParser().parse(text=text)["parameters"])


def test_nothing_secret_comes_out(bicep: dict[str, Any]) -> None:
    """Two ids are all that GitHub needs."""
    assert set(bicep["outputs"]) == {"clientId", "tenantId"}
    assert "listKeys" not in MAIN.read_text()


@pytest.mark.parametrize("file", [MAIN, QUOTA], ids=lambda file: file.stem)
def test_everything_declared_is_used(file: Path) -> None:
    """A parameter or variable that nothing names is a mistake, as `bicep lint` says, too."""
    bicep = BicepParser().parse(text=file.read_text())
    text = re.sub(r"//.*|@description.*", "", file.read_text())
    declared = [*bicep["parameters"], *bicep.get("variables", ())]
    assert [name for name in declared if len(re.findall(rf"\b{name}\b", text)) < 2] == []


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_the_cluster_is_the_one_of_the_settings(bicep: dict[str, Any], environment: str) -> None:
    """Name, size and nodes are those that `finetune` expects to find."""
    cluster = load(environment, variables=IDS).finetune.cluster
    defaults = {name: parameter.get("default") for name, parameter in bicep["parameters"].items()}
    wanted = (cluster.name, cluster.size, cluster.max_instances)
    assert (defaults["clusterName"], defaults["clusterSize"], defaults["clusterMaxNodes"]) == wanted
