"""A scoring script that sees the request itself and answers with a response of its own, without any model."""

from __future__ import annotations

from azureml_inference_server_http.api.aml_request import AMLRequest, rawhttp
from azureml_inference_server_http.api.aml_response import AMLResponse


def init() -> None:
    """Load nothing."""


@rawhttp
def run(request: AMLRequest) -> AMLResponse | str:
    """Give the bytes back, or what the query asks for."""
    if request.method == "GET":
        return f"GET {request.full_path}"
    return AMLResponse(request.get_data()[::-1], 201, {"Content-Type": "image/jpeg", "x-mine": "yes"})
