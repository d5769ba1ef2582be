"""Who we are to Azure: a credential that is still good when a job of many hours ends."""

from __future__ import annotations

import os
import sys
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

# What Entra says when a federated sign-in fails, and what mends it.
REMEDIES: Final = {
    "AADSTS700016": "AZURE_CLIENT_ID is not an application of tenant AZURE_TENANT_ID: compare both with the portal",
    "AADSTS700213": "the app has no federated credential for this repository and environment: add one whose subject "
    "is repo:OWNER/NAME:environment:ENVIRONMENT",
    "AADSTS70021": "the federated credential's issuer or subject is another one: compare it with the subject above",
    "AADSTS90002": "AZURE_TENANT_ID is not a tenant's id",
}


def sign_in() -> TokenCredential:
    """Return a credential that a token was just had with; on a terminal the browser is the last resort.

    Raises AzureError with what each credential said, and how to mend it, if none works or Entra cannot be reached.
    """
    from azure.core import exceptions
    from azure.identity import InteractiveBrowserCredential

    credential = _credential()
    try:
        credential.get_token(MANAGEMENT_SCOPE)
    except exceptions.ClientAuthenticationError as error:
        if sys.stdin.isatty():
            print(f"no silent sign-in works here, opening a browser: {error.message}", file=sys.stderr)
            return InteractiveBrowserCredential()
        raise AzureError(f"no Azure credential works here: {error.message}\n{_remedy(error.message)}") from None
    except exceptions.AzureError as error:
        raise AzureError(
            f"Entra could not be asked for a token: {error.message}\n"
            "To mend it: check the network, HTTPS_PROXY and NO_PROXY, and run again."
        ) from None
    return credential


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


def _credential() -> TokenCredential:
    """Return GitHub's identity where it is offered: asked anew for every token, it does not expire (AADSTS700024)."""
    from azure.identity import ClientAssertionCredential, DefaultAzureCredential

    if all(os.environ.get(name) for name in (*REQUEST, *IDS)):
        client_id, tenant_id = (os.environ[name] for name in IDS)
        return ClientAssertionCredential(tenant_id, client_id, github_token)
    return DefaultAzureCredential()


def _remedy(message: str) -> str:
    # The longest code first: AADSTS70021 is how AADSTS700213 begins.
    codes = sorted(REMEDIES, key=len, reverse=True)
    if known := next((REMEDIES[code] for code in codes if code in message), None):
        return f"To mend it: {known}."
    if os.environ.get("GITHUB_ACTIONS"):
        missing = [name for name in (*REQUEST, *IDS) if not os.environ.get(name)]
        return f"To mend it: give the job `permissions: id-token: write` and set {', '.join(missing)}."
    return "To mend it: sign in with `az login`, or set AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_CLIENT_SECRET."
