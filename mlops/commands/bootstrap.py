"""`mlops bootstrap`: make what the first release needs, and say what only an administrator can."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from mlops.commands.parsers import Commands, add_command
from mlops.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops.sections import Settings

REPOSITORY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*/(?!\.+$)[A-Za-z0-9._-]+")
SUBSCRIPTION: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def add(commands: Commands) -> None:
    """Add the command to the command line."""
    parser = add_command(commands, bootstrap, "mlops bootstrap --environment dev --repository OWNER/NAME --dry-run")
    parser.add_argument("--environment", required=True, help="which settings: dev or prod")
    parser.add_argument("--repository", required=True, metavar="OWNER/NAME", help="the repository on GitHub")
    parser.add_argument("--location", default="eastus", help="region of what is created (default: eastus)")
    parser.add_argument("--dry-run", action="store_true", help="print what would be made, and make nothing")


def bootstrap(environment: str, repository: str, location: str, dry_run: bool) -> None:
    """Make workspace, cluster and endpoint unless they are there; print the commands for identity and GitHub."""
    from mlops import bootstrap as commands
    from mlops import settings

    if not REPOSITORY.fullmatch(repository):
        raise InputError(f"--repository {repository}: must be OWNER/NAME, as in the address of the repository")
    loaded = settings.load(environment)
    if loaded.workspace.emulator:
        raise InputError(
            f"--environment {environment}: the emulator makes this workspace itself; choose an environment of Azure, "
            "such as dev or prod"
        )
    if not SUBSCRIPTION.fullmatch(loaded.workspace.subscription_id):
        raise InputError(
            f"workspace.subscription_id = {loaded.workspace.subscription_id!r}: must be an id as "
            "`az account show --query id` prints it"
        )
    place = commands.Place(
        environment=environment,
        repository=repository,
        subscription_id=loaded.workspace.subscription_id,
        resource_group=loaded.workspace.resource_group,
        workspace=loaded.workspace.name,
        location=location,
    )
    _print("Before: somebody who may create resource groups runs", commands.group(place))
    _make(loaded, location, dry_run=dry_run)
    _print("Then: somebody who may assign roles runs", commands.identity(place))
    _print("And an administrator of the repository runs", commands.github(place))


def _make(loaded: Settings, location: str, *, dry_run: bool) -> None:
    """Make what is missing, in order; what comes after something missing is missing, too."""
    from mlops.workspace import client, cluster, endpoints, setup

    workspace, wanted, endpoint = loaded.workspace, loaded.finetune.cluster, loaded.deploy.endpoint
    steps: list[tuple[str, Callable[[], bool], Callable[[], object]]] = [
        (
            f"workspace {workspace.name}",
            lambda: setup.has_workspace(workspace),
            lambda: setup.create_workspace(workspace, location),
        ),
        (
            f"cluster {wanted.name} of at most {wanted.max_instances} {wanted.size}, which costs nothing while idle",
            lambda: setup.has_cluster(workspace, wanted.name),
            lambda: cluster.ensure_cluster(client.connect(workspace), wanted, section="finetune.cluster"),
        ),
        (
            f"endpoint {endpoint}, which costs nothing without a deployment; its name is one in all of the region",
            lambda: endpoints.find(client.connect(workspace), endpoint) is not None,
            lambda: endpoints.create(client.connect(workspace), endpoint),
        ),
    ]
    within = True  # as long as there is no workspace, there is nothing in it to look for
    for what, exists, create in steps:
        if within and exists():
            print(f"exists     {what}")
        elif dry_run:
            within = within and not what.startswith("workspace")
            print(f"to create  {what}")
        else:
            create()
            print(f"created    {what}")


def _print(title: str, lines: list[str]) -> None:
    print(f"\n# {title}:")
    for line in lines:
        print(line)
    print()
