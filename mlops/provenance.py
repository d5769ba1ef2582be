"""Who does something, where, when and with which code: GitHub's word for it, else this machine's."""

from __future__ import annotations

import getpass
import os
import platform
import subprocess
from datetime import UTC, datetime

from mlops.records import Provenance


def here_and_now() -> Provenance:
    """Return what is to be written down of a decision that is made in this process."""
    run = "/".join(os.environ.get(name, "") for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY"))
    where = f"{run}/actions/runs/{os.environ['GITHUB_RUN_ID']}" if "GITHUB_RUN_ID" in os.environ else platform.node()
    return Provenance(
        by=os.environ.get("GITHUB_ACTOR") or getpass.getuser(),
        where=where,
        at=datetime.now(UTC).replace(microsecond=0),
        commit=commit(),
    )


def commit() -> str:
    """Return the commit of the code: GitHub's, else the checkout's, else `unknown`."""
    git = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)  # noqa: S607
    return os.environ.get("GITHUB_SHA") or git.stdout.strip() or "unknown"
