"""Runs the processes of one step, then leaves their exit code in a file; it outlives a killed emulator.

Started by its path with nothing but the standard library, in a session of its own: `launcher.py PLAN`. It begins when
it reads a byte.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

_GRACE_S = 3.0


def main(plan_file: str) -> None:
    """Run the plan: `command`, `exit` (the file to write) and `processes`, each with `environment` and `log`."""
    plan = json.loads(Path(plan_file).read_text())
    if not os.read(sys.stdin.fileno(), 1):
        Path(plan["exit"]).touch()  # without a code: the emulator was killed, and its next start begins anew
        return
    processes = [_start(plan["command"], **process) for process in plan["processes"]]
    code = _wait(processes)
    # Nothing that the command left behind goes on, as nothing does when a container ends.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
    _wait_at_most(processes, _GRACE_S)
    unfinished = Path(plan["exit"] + ".part")
    unfinished.write_text(str(code))
    unfinished.replace(plan["exit"])
    os.killpg(0, signal.SIGKILL)


def _start(command: str, *, environment: dict[str, str], log: str) -> subprocess.Popen[bytes]:
    with Path(log).open("ab") as output:
        return subprocess.Popen(
            ["bash", "-c", command],  # noqa: S607 - the step's own PATH decides, as in its container
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def _wait(processes: list[subprocess.Popen[bytes]]) -> int:
    """Return 0 when all have ended well, else the code of the first that did not."""
    running = {process.pid: process for process in processes}
    while running:
        pid, status = os.wait()
        if process := running.pop(pid, None):
            code = process.returncode = os.waitstatus_to_exitcode(status)
            if code:
                # As bash says it: 128 and the number of the signal that ended it.
                return code if code > 0 else 128 - code
    return 0


def _wait_at_most(processes: list[subprocess.Popen[bytes]], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and any(process.poll() is None for process in processes):
        time.sleep(0.02)


if __name__ == "__main__":
    main(sys.argv[1])
