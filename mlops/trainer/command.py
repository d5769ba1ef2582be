"""Run a command of the trainer without the Hub, and report a user's mistake as one message."""

import os
import sys
from collections.abc import Callable

from .errors import TrainerError


def run_command(command: Callable[[], None]) -> int:
    """Give the exit code: 0 done, 2 a user's mistake.

    A job reads and writes the folders it is given; the Hub is closed so that no library asks it for more. That is
    read when the libraries are imported, so the commands import them later. So is MLflow's telemetry, whose thread
    changes the environment while other requests read it.
    """
    os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_PROGRESS_BARS="1", MLFLOW_DISABLE_TELEMETRY="true")
    try:
        command()
    except TrainerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0
