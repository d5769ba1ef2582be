"""Every error the emulator answers, with Azure's own codes and texts; `app.errors` turns them into responses."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from pathlib import Path


class ArmError(Exception):
    """An error of the control plane, in Azure Resource Manager's shape."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        details: tuple[dict[str, Any], ...] = (),
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.details = status, code, message, details
        self.headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}

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

    def __init__(self, status: int, code: str, message: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.headers = {"x-ms-error-code": code}
        if retry_after_s is not None:
            self.headers["Retry-After"] = str(retry_after_s)

    def body(self) -> str:
        """Return the XML document of the reply."""
        return (
            '<?xml version="1.0" encoding="utf-8"?>'
            f"<Error><Code>{escape(self.code)}</Code><Message>{escape(self.message)}</Message></Error>"
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


def canceled() -> ArmError:
    """Return the error for an operation that another one displaces."""
    return ArmError(409, "OperationCanceled", "The operation was canceled by one with a higher priority.")


def unauthorized(reason: str = "The 'Authorization' header is missing.") -> ArmError:
    """Return the error for a request without a credential that opens this emulator."""
    return ArmError(401, "AuthenticationFailed", f"Authentication failed. {reason}")


def unreadable(reason: str) -> ArmError:
    """Return the error for a request body that cannot be read as what its headers say."""
    text = f"The request content was invalid and could not be read: {reason}."
    return ArmError(400, "InvalidRequestContent", text)


def too_large(limit: int) -> ArmError:
    """Return the error for a request body of more than `limit` bytes."""
    size = f"{limit / 2**20:g} MB"
    return ArmError(413, "RequestContentTooLarge", f"The request content size exceeds the maximum size of {size}.")


def too_slow(limit_s: float) -> ArmError:
    """Return the error for a request body that has not arrived after `limit_s` seconds."""
    return ArmError(408, "RequestTimeout", f"The request's body did not arrive within {limit_s:g} seconds.")


def home_is_gone(root: Path) -> ArmError:
    """Return the error for a request that comes after the emulator's folder was deleted."""
    return ArmError(503, "EmulatorHomeDeleted", f"The emulator's folder {root} was deleted; start the emulator again.")


def unknown_route(method: str, path: str) -> ArmError:
    """Return the error for a request that the emulator does not know."""
    return ArmError(404, "NotFound", f"The emulator does not know {method} {path}.")
