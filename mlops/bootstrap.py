"""The commands that let a GitHub repository work in an Azure workspace, and nothing beside it."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import Final

ISSUER: Final = "https://token.actions.githubusercontent.com"
AUDIENCE: Final = "api://AzureADTokenExchange"
ROLE: Final = "AzureML Data Scientist"
"""May do everything in the workspace but change the workspace itself, its clusters and who has access."""
PROVIDERS: Final = tuple(
    f"Microsoft.{name}" for name in ("MachineLearningServices", "PolicyInsights", "Cdn", "ContainerRegistry")
)
"""What a new subscription lacks: endpoints need the first three, the images of environments the last."""
READS: Final = tuple(f"Microsoft.MachineLearningServices/locations/{what}/read" for what in ("vmSizes", "usages"))
"""What a plan reads of the region, which is the subscription's: no role on the workspace allows it."""
REVIEWED: Final = {"dev": ("dev-override",), "prod": ("prod-override", "prod-traffic")}
"""Environments of GitHub whose jobs wait for a reviewer: to overrule a gate in doubt, to move users' traffic."""


@dataclass(frozen=True)
class Place:
    """Who works where: a repository `OWNER/NAME` in a workspace, as one environment."""

    environment: str
    repository: str
    subscription_id: str
    resource_group: str
    workspace: str
    location: str

    @property
    def identity(self) -> str:
        """Return the name of the managed identity that GitHub's jobs sign in as."""
        # It takes letters, digits, dashes and underscores; a repository may have dots as well.
        return f"github-{self.repository.rpartition('/')[2]}-{self.environment}".replace(".", "-")[:128]

    @property
    def quota_role(self) -> str:
        """Return the name of the role that lets the identity read sizes and quota: one in all of a tenant."""
        return f"{self.identity} quota"

    @property
    def environments(self) -> tuple[str, ...]:
        """Return the environments that GitHub's jobs run in."""
        return (self.environment, *REVIEWED.get(self.environment, ()))

    @property
    def subscription(self) -> str:
        """Return the subscription's resource id."""
        return f"/subscriptions/{self.subscription_id}"

    @property
    def scope(self) -> str:
        """Return the workspace's resource id."""
        return (
            f"{self.subscription}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self.workspace}"
        )


def group(place: Place) -> list[str]:
    """Return the commands that come before anything the SDK can make."""
    return [
        line("az", "account", "set", "--subscription", place.subscription_id),
        *(line("az", "provider", "register", "--namespace", name, "--wait") for name in PROVIDERS),
        line("az", "group", "create", "--name", place.resource_group, "--location", place.location),
    ]


def identity(place: Place) -> list[str]:
    """Return the commands for an identity that only jobs of these environments can sign in as, without a secret."""
    ours = ("--resource-group", place.resource_group)
    credentials = [
        line("az", "identity", "federated-credential", "create", *ours, "--identity-name", place.identity)
        + " "
        + line("--name", name, "--issuer", ISSUER, "--audiences", AUDIENCE)
        + " "
        + f'--subject "${{SUBJECT:?}}:environment:{name}"'
        for name in place.environments
    ]
    return [
        f'SUBJECT="$({_prefix(place)})"',
        line("az", "identity", "create", *ours, "--name", place.identity, "--location", place.location),
        *credentials,
        _assigned(place, ROLE, place.scope),
        line("az", "role", "definition", "create", "--role-definition", json.dumps(_quota(place))),
        _assigned(place, place.quota_role, place.subscription),
    ]


def github(place: Place) -> list[str]:
    """Return the commands for GitHub's environments and their variables; none of them is a secret."""
    said = {
        "AZURE_TENANT_ID": '"$(az account show --query tenantId --output tsv)"',
        "AZURE_CLIENT_ID": _shown(place, "clientId"),
        "AZURE_SUBSCRIPTION_ID": shlex.quote(place.subscription_id),
        "AZURE_RESOURCE_GROUP": shlex.quote(place.resource_group),
        "AZURE_WORKSPACE": shlex.quote(place.workspace),
    }
    lines = []
    for name in place.environments:
        lines.append(_environment(place, name))
        in_it = line("--repo", place.repository, "--env", name)
        lines += [f"gh variable set {variable} {in_it} --body {value}" for variable, value in said.items()]
        if name.endswith("-override"):
            # GitHub makes an environment that a job names, without reviewers: only this one is believed.
            lines.append(f"gh variable set OVERRIDES {in_it} --body reviewed")
    return [*lines, _protection(place)]


def line(*words: str) -> str:
    """Return words as a shell reads them."""
    return shlex.join(words)


def _prefix(place: Place) -> str:
    """Return the command that says how the subject of the repository's tokens begins: with its ids, too, if it is new.

    GitHub Enterprise Server does not say it, and knows names alone.
    """
    address = f"repos/{place.repository}/actions/oidc/customization/sub"
    return line("gh", "api", address, "--jq", f'.sub_claim_prefix // "repo:{place.repository}"')


def _assigned(place: Place, role: str, scope: str) -> str:
    """Return the command that gives a role to the identity."""
    assignment = line("az", "role", "assignment", "create", "--role", role, "--scope", scope)
    principal = f"--assignee-principal-type ServicePrincipal --assignee-object-id {_shown(place, 'principalId')}"
    return f"{assignment} {principal}"


def _quota(place: Place) -> dict[str, object]:
    """Return the definition of the role that reads sizes and quota, and nothing else."""
    return {
        "Name": place.quota_role,
        "Description": "Reads which sizes Azure ML offers in a region, and their quota.",
        "Actions": READS,
        "AssignableScopes": [place.subscription],
    }


def _shown(place: Place, field: str) -> str:
    ours = line("--resource-group", place.resource_group, "--name", place.identity)
    return f'"$(az identity show {ours} --query {field} --output tsv)"'


def _environment(place: Place, name: str) -> str:
    """Return the command for an environment of GitHub; production is for protected branches, a reviewed one asks."""
    made = line("gh", "api", "--method", "PUT", f"repos/{place.repository}/environments/{name}")
    if name.startswith("prod"):
        made += " " + line("-F", "deployment_branch_policy[protected_branches]=true")
        made += " " + line("-F", "deployment_branch_policy[custom_branch_policies]=false")
    if name != place.environment:
        made += " " + line("-f", "reviewers[][type]=User") + ' -F "reviewers[][id]=$(gh api user --jq .id)"'
    return made


def _protection(place: Place) -> str:
    """Return the command by which main takes only what was reviewed, by its owners, too, and `passed`."""
    rules = (
        "required_status_checks[strict]=true",
        "required_status_checks[contexts][]=passed",
        "required_pull_request_reviews[required_approving_review_count]=1",
        "required_pull_request_reviews[require_code_owner_reviews]=true",
        "enforce_admins=true",
        "restrictions=null",
    )
    made = line("gh", "api", "--method", "PUT", f"repos/{place.repository}/branches/main/protection")
    return " ".join([made, *(line("-F", rule) for rule in rules)])
