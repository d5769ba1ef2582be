"""Every error the emulator answers, with Azure's own codes and texts; `app.errors` turns them into responses."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any


class ArmError(Exception):
    """An error of the control plane, in Azure Resource Manager's shape."""

    def __init__(self, status: int, code: str, message: str, *, details: tuple[dict[str, Any], ...] = ()) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.details = status, code, message, details

    def body(self) -> dict[str, Any]:
        """Return the JSON document of the reply."""
        component = {"type": "ComponentName", "info": {"value": "managementfrontend"}}
        time = {"type": "Time", "info": {"value": datetime.now(UTC).isoformat()}}
        return {
            "error": {
                "code": self.code,
                "message": self.message,
                "details": list(self.details),
                "additionalInfo": [component, time],
            }
        }


class BlobError(Exception):
    """An error of the storage account: its code is a header, its text XML."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message

    def body(self) -> str:
        """Return the XML document of the reply."""
        return (
            '<?xml version="1.0" encoding="utf-8"?>'
            f"<Error><Code>{self.code}</Code><Message>{self.message}</Message></Error>"
        )


def not_found(what: str) -> ArmError:
    """Return the error for a resource that does not exist; `what` names its kind and name."""
    return ArmError(404, "ResourceNotFound", f"{what} was not found.")


def bad_request(reason: str) -> ArmError:
    """Return the error for a request the service's rules refuse."""
    return ArmError(400, "UserError", reason)


def inferencing_call_failed(reason: str) -> ArmError:
    """Return the 400 with which online endpoints refuse a request: the reason hides in a JSON string."""
    inner = {"errors": {"": [reason]}, "title": "One or more validation errors occurred."}
    detail = {"code": "InferencingClientCallFailed", "message": json.dumps(inner)}
    return ArmError(400, "BadRequest", "The request is invalid.", details=(detail,))


def conflict(reason: str) -> ArmError:
    """Return the error for a write that clashes with what exists or is in progress."""
    return ArmError(409, "Conflict", reason)


def unauthorized() -> ArmError:
    """Return the error for a control-plane request without a bearer token."""
    return ArmError(401, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")


def unknown_route(method: str, path: str) -> ArmError:
    """Return the error for a request that the emulator does not know."""
    return ArmError(404, "NotFound", f"The emulator does not know {method} {path}.")
