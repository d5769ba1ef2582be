"""Where assets live: in a workspace or in a registry, which must exist before anything in it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from mlops.emulator.context import STORE, WORKSPACE
from mlops.emulator.errors import ArmError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp.typedefs import Handler

# The registries of this emulator by name, which is all that their assets' ids say of them.
REGISTRIES = "/_emulator/registries"
# All workspaces by `workspaceId`, whichever their resource group.
WORKSPACES = "/_emulator/workspaces"


@web.middleware
async def require(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer 404 to a request about something in a workspace or a registry that does not exist."""
    info = request.match_info
    resource = info.route.resource
    is_itself = resource is not None and resource.canonical == WORKSPACE
    if "workspace" in info and not is_itself:
        check_workspace(request)
    if "registry" in info and request.app[STORE].get(f"{REGISTRIES}/{info['registry']}") is None:
        raise ArmError(404, "ResourceNotFound", f"Registry {info['registry']} was not found.")
    return await handler(request)


def check_workspace(request: web.Request) -> None:
    """Raise Azure's 404 unless the workspace of the request's path exists."""
    info = request.match_info
    if request.app[STORE].get(WORKSPACE.format(**info)) is None:
        raise ArmError(
            404,
            "ResourceNotFound",
            f"The Resource 'Microsoft.MachineLearningServices/workspaces/{info['workspace']}' under resource group "
            f"'{info['group']}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
        )


def id_of(info: Mapping[str, str]) -> str:
    """Return the beginning of the ids of assets: the workspace's ARM id, or `azureml://registries/<name>`."""
    return f"azureml://registries/{info['registry']}" if "registry" in info else WORKSPACE.format(**info)
