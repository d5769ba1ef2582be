"""Azure's errors as one line: what was asked, what the service said, the request's id, and the fix if it is known."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from mlops.errors import AzureError

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUEST_IDS: Final = ("x-ms-request-id", "x-ms-correlation-request-id", "x-request-id")

# What the service says, and what mends it; the first that fits. Sources are in docs/finetune.md.
FIXES: Final = {
    r"Not enough quota available for \S+": "ask for more under Quotas of the portal, or take a smaller "
    "deploy.instance_type: a deployment needs 20 % more instances than it has, rounded up to whole ones, kept free "
    "for upgrades (sizes with A100 or H100 and ND40rs_v2 are exempt)",
    r"quota|ClusterCoreQuotaReached": "ask for more vCPUs of the size's family under Quotas of the portal (new "
    "subscriptions begin with 0 for GPUs), or choose another size or fewer nodes",
    r"VM size .* not supported|vmSize .* (not supported|retired)": "choose a size that this region still offers; "
    "`mlops plan` lists those the model allows",
    r"in Updating provisioning state|another operation": "something else is being written there: wait and run again",
    r"ModelAssetPathNotFoundInStorage": "the job's output is not in the storage: look whether the job has completed",
    r"not ready after|probes failed": "raise deploy.startup_s if its log ends while it was still loading",
    r"AADSTS700024": "the sign-in outlived its token: in GitHub Actions give the job `permissions: id-token: write`",
    r"locations/(vmSizes|usages)/read": "give this identity the role on the subscription that reads sizes and quota: "
    "`mlops bootstrap` prints the commands, docs/azure.md tells why",
    r"AuthorizationFailed|does not have authorization": "give this identity the role AzureML Data Scientist on the "
    "workspace (and AzureML Compute Operator to create clusters)",
    r"unique within (a|the) region": "somebody in this region has an endpoint of that name, perhaps in another "
    "subscription: choose another deploy.endpoint",
    r"(endpoint|deployment) name .*(invalid|must)": "names of endpoints and deployments begin with a letter and "
    "have 3 to 32 lower-case letters, digits and single dashes",
    r"(cluster|compute) name .*(invalid|must)": "names of clusters and instances begin with a letter and have letters, "
    "digits and dashes; 16 characters are never too many",
    r"name .*(invalid|must)": "names of jobs, models, data and environments have letters, digits, `-` and `_`, and are "
    "255 characters at most",
    r"TooManyRequests": "Azure throttles this subscription: wait some minutes and run again",
    r"SSLError|CERTIFICATE_VERIFY_FAILED": "name your company's authority in REQUESTS_CA_BUNDLE and SSL_CERT_FILE",
    r"host='127\.0\.0\.1'.*Failed to establish a new connection": "start the emulator with `mlops emulator start`",
    r"not found|NotFound|could not be found|does not exist": "check its name and version, and the workspace or "
    "registry of the settings",
    r"ProxyError|Failed to establish a new connection|getaddrinfo": "check the network, and HTTPS_PROXY and NO_PROXY",
}


@contextmanager
def azure_errors(doing: str) -> Iterator[None]:
    """Turn whatever the SDK raises into one AzureError of one line."""
    from azure.core import exceptions

    try:
        yield
    except exceptions.AzureError as error:
        raise AzureError(f"could not {doing}: {describe(error)}") from error


def describe(error: Any) -> str:
    """Return what the service said, its status and request id, and the fix for it where there is one."""
    said = _said(error)
    fix = next(
        (fix for pattern, fix in FIXES.items() if re.search(pattern, f"{_code(error)} {said}", re.IGNORECASE)), None
    )
    return said.rstrip(".") + _trace(error) + (f". To mend it: {fix}" if fix else "")


def _said(error: Any) -> str:
    """Return the service's innermost sentence: online endpoints hide theirs in a JSON string of `details`."""
    document = getattr(error, "error", None)
    for detail in getattr(document, "details", None) or []:
        try:
            reasons = json.loads(detail.message)["errors"].values()
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        return " ".join(reason for group in reasons for reason in group)
    return " ".join(str(getattr(document, "message", None) or error.message or error).split())


def _code(error: Any) -> str:
    return str(getattr(getattr(error, "error", None), "code", None) or "")


def _trace(error: Any) -> str:
    """Return status and request id, with which Azure's support finds the request; nothing if none was answered."""
    response = getattr(error, "response", None)
    if response is None:
        return ""
    id_ = next((response.headers[name] for name in REQUEST_IDS if name in response.headers), None)
    return f" (HTTP {response.status_code}" + (f", request {id_})" if id_ else ")")
