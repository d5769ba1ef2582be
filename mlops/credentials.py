"""Who we are to Azure."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from mlops.errors import AzureError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

MANAGEMENT_SCOPE: Final = "https://management.azure.com/.default"


def sign_in() -> TokenCredential:
    """Return a credential that a token was just had with; on a terminal the browser is the last resort.

    Raises AzureError with what each credential said if none works.
    """
    from azure.core.exceptions import ClientAuthenticationError
    from azure.identity import DefaultAzureCredential, InteractiveBrowserCredential

    credential = DefaultAzureCredential()
    try:
        credential.get_token(MANAGEMENT_SCOPE)
    except ClientAuthenticationError as error:
        if sys.stdin.isatty():
            print(f"no silent sign-in works here, opening a browser: {error.message}", file=sys.stderr)
            return InteractiveBrowserCredential()
        raise AzureError(
            f"no Azure credential works here: {error.message}\n"
            "Sign in with `az login`, or set AZURE_CLIENT_ID, AZURE_TENANT_ID and a federated token."
        ) from None
    return credential
