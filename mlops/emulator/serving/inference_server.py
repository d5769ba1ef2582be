"""Azure's own inference server, on loopback; run as a file, by the Python of the deployment's environment.

It takes the arguments of `azmlinfsrv` and knows nothing else of this project.
"""

from __future__ import annotations

from azureml_inference_server_http import amlserver  # type: ignore[import-untyped]  # it ships no types


def main() -> None:
    """Serve until told to stop."""
    amlserver.DEFAULT_HOST = "127.0.0.1"  # by itself it listens on every interface
    amlserver.run()


if __name__ == "__main__":
    main()
