"""Who we are to Azure: a credential that is still good when a job of many hours ends."""

from __future__ import annotations

import logging
import os
import re
import sys
import textwrap
from functools import cache
from typing import TYPE_CHECKING, Final

from mlops.errors import AzureError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

MANAGEMENT_SCOPE: Final = "https://management.azure.com/.default"
AUDIENCE: Final = "api://AzureADTokenExchange"
"""What Entra demands of the tokens it exchanges."""
REQUEST: Final = ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")
"""What GitHub gives to a job that may ask for tokens."""
IDS: Final = ("AZURE_CLIENT_ID", "AZURE_TENANT_ID")
LONGEST_S: Final = 60
"""What one request may take, with all that is tried again."""
TRIED: Final = re.compile(r"^\t(\w+): (.*)$", re.MULTILINE)
"""A credential and what it said, in azure-identity's account of a failure."""
NAMED: Final = re.compile(r"^\w+Credential (authentication )?(unavailable\. (?=.))?")
"""How a reason begins with whose it is, and that there is one."""
WIDTH: Final = 100

NETWORK: Final = "the network, HTTPS_PROXY and NO_PROXY, and run again"

# What is said when a sign-in fails, and what mends it.
REMEDIES: Final = {
    "AADSTS700016": "AZURE_CLIENT_ID is not an application of tenant AZURE_TENANT_ID: compare both with the portal",
    "AADSTS700213": "the app has no federated credential for this repository and environment: compare its subjects, "
    "letter by letter, with the one below, and add what `mlops bootstrap` prints; to rename a repository changes it",
    "AADSTS70021": "the federated credential's issuer or subject is another one: compare it with the subject above",
    "AADSTS90002": "AZURE_TENANT_ID is not a tenant's id",
    "HTTPSConnection": f"Entra cannot be reached: check {NETWORK}",
    "Response timeout": f"Entra does not answer: check {NETWORK}",
}


def sign_in() -> TokenCredential:
    """Return a credential that a token was just had with; on a terminal the browser is the last resort.

    Raises AzureError with how to mend it, and what each credential said, if none works or Entra cannot be reached.
    """
    from azure.core import exceptions

    # What azure-identity warns of, the error below tells.
    logging.getLogger("azure.identity").setLevel(logging.ERROR)
    try:
        return _tried(_credential())
    except exceptions.ClientAuthenticationError as error:
        refused = error.message
    except exceptions.AzureError as error:
        raise AzureError(f"Entra could not be asked for a token: check {NETWORK}\n  {error.message}") from None
    if not sys.stdin.isatty():
        raise _refused(refused)
    print("no Azure credential works here yet: sign in with the browser that opens", file=sys.stderr)
    try:
        return _tried(_browser())
    except exceptions.AzureError as error:
        raise _refused(f"{refused}\n\tbrowser: {error.message}") from None


def github_token() -> str:
    """Return a fresh token that says which repository and environment this job runs for; it lives some ten minutes.

    https://docs.github.com/actions/reference/security/oidc. Raises AzureError if GitHub does not give one.
    """
    import httpx

    url, bearer = (os.environ[name] for name in REQUEST)
    try:
        with httpx.Client(transport=httpx.HTTPTransport(retries=3), timeout=30) as client:
            answer = client.get(url, params=_query(url), headers={"Authorization": f"Bearer {bearer}"})
        return str(answer.raise_for_status().json()["value"])
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise AzureError(
            f"GitHub gave this job no OIDC token ({type(error).__name__}): run the job again; if it stays so, "
            "see https://www.githubstatus.com"
        ) from None


def _query(url: str) -> dict[str, str]:
    """Return the request's query: `params` of httpx replaces the one that stands in the address."""
    import httpx

    return {**httpx.URL(url).params, "audience": AUDIENCE}


def _tried(credential: TokenCredential) -> TokenCredential:
    """Return a credential after it gave a token."""
    credential.get_token(MANAGEMENT_SCOPE)
    return credential


def _credential() -> TokenCredential:
    """Return GitHub's identity where it is offered: asked anew for every token, it does not expire (AADSTS700024)."""
    from azure.identity import ClientAssertionCredential, DefaultAzureCredential

    if all(os.environ.get(name) for name in (*REQUEST, *IDS)):
        client_id, tenant_id = (os.environ[name] for name in IDS)
        return ClientAssertionCredential(tenant_id, client_id, github_token, timeout=LONGEST_S)
    return DefaultAzureCredential(timeout=LONGEST_S)


@cache
def _browser() -> TokenCredential:
    """Return the one credential whose browser opens once, however often a token is asked for."""
    from azure.identity import InteractiveBrowserCredential

    return InteractiveBrowserCredential()


def _refused(message: str) -> AzureError:
    """Return what failed and its cure in a line, and below a line for each credential that was tried."""
    tried = TRIED.findall(message)
    said = [_line(name.removesuffix("Credential"), reason) for name, reason in tried] or [f"  {message}"]
    return AzureError("\n".join([f"no Azure credential works here: {_remedy(message)}", *said]))


def _line(name: str, reason: str) -> str:
    """Return what a credential said: its first sentence that tells why."""
    first = NAMED.sub("", " ".join(reason.split())).split(". ")[0].rstrip(".")
    return "  " + textwrap.shorten(f"{name}: {first}", WIDTH - 2, placeholder=" …")


def _remedy(message: str) -> str:
    # The longest code first: AADSTS70021 is how AADSTS700213 begins.
    codes = sorted(REMEDIES, key=len, reverse=True)
    if known := next((REMEDIES[code] for code in codes if code in message), None):
        return known
    if os.environ.get("GITHUB_ACTIONS"):
        return _remedy_on_github()
    return "sign in with `az login`, or set AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_CLIENT_SECRET"


def _remedy_on_github() -> str:
    missing = ", ".join(name for name in (*REQUEST, *IDS) if not os.environ.get(name))
    if not missing:
        return "Entra refused the app of AZURE_CLIENT_ID for the reason below"
    return (
        "give the job `permissions: id-token: write` and the variables that `mlops bootstrap` names; "
        f"missing are {missing}"
    )
