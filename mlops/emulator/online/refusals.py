"""Every answer that the data plane gives itself, with the service's status and headers."""

from __future__ import annotations

import json


class Refusal(Exception):  # noqa: N818 - it is an answer
    """What a client gets instead of a deployment's answer."""

    def __init__(self, status: int, message: str | None, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers or {}

    def body(self) -> bytes:
        """Return the body of the reply: JSON, or nothing."""
        if self.message is None:
            return b""
        return json.dumps({"error": {"code": str(self.status), "message": self.message}}).encode()


def unknown_endpoint(name: str) -> Refusal:
    """Return the 404 for an address behind which there is no endpoint."""
    return Refusal(404, f"Endpoint {name} was not found.")


def unauthorized() -> Refusal:
    """Return the 401 for a request without a valid key or token."""
    return Refusal(401, "The credential is missing, wrong or expired.")


def rate_limited(what: str) -> Refusal:
    """Return the 429 for what is beyond a limit of the whole endpoint."""
    return Refusal(429, f"Rate-limited: the endpoint has reached its limit of {what}.", _reason("rate_limited"))


def no_weight() -> Refusal:
    """Return the 404 for a request that no deployment is to answer."""
    return Refusal(404, "The endpoint doesn't have any valid deployment with positive weight.")


def unknown_deployment(name: str) -> Refusal:
    """Return the 404 for a pinned deployment that does not exist; what Azure answers is nowhere written."""
    return Refusal(404, f"Deployment {name} was not found or does not serve.")


def too_many_pending() -> Refusal:
    """Return the 429 for a request beyond those that a deployment may have in flight: it has no body."""
    return Refusal(429, None, _reason("too_many_pending_request"))


def timed_out() -> Refusal:
    """Return the 408 for a model that takes longer than the request timeout."""
    return Refusal(408, "The deployment did not answer within its request timeout.")


def not_ready(reason: str) -> Refusal:
    """Return the 424 for a deployment none of whose containers is up."""
    return Refusal(424, reason, model_error(503, "model_not_ready"))


def broken(reason: str) -> Refusal:
    """Return the 424 for a container that gave no answer."""
    return Refusal(424, reason, model_error(502))


def model_error(status: int, reason: str = "model_error") -> dict[str, str]:
    """Return the headers that tell the container's own status, which 424 hides."""
    return {"ms-azureml-model-error-statuscode": str(status), **_reason(reason)}


def _reason(reason: str) -> dict[str, str]:
    return {"ms-azureml-model-error-reason": reason}
