"""An endpoint on an emulator, and controllers that roll out there: what the stage and the commands do, to be killed.

`python controlled.py` forks one for each order that it reads, so that none has to load Azure's SDK anew.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import faulty
import trivial
from rich.console import Console

PLAN: Final[dict[str, Any]] = {
    "steps": [10, 50, 100],
    "bake_s": 0,
    "bake_max_s": 60,
    "post_bake_s": 0,
    "min_requests": 200,
    "concurrency": 8,
    "max_error_rate": 0.01,
    "max_bad_answers": 0.02,
    "max_latency_ratio": 1.25,
    "max_rouge_drop": 0.1,
    "effect_s": 60,
    "write_timeout_s": 60,
    "lease_s": 1,
    "deadline_s": 3600,
    "pause_s": 3600,
    "retain_s": 86_400,
    "keep_failed_s": 0,
}


@contextmanager
def site() -> Iterator[Site]:
    """Start an emulator whose containers can be faulty, and controllers; yield their endpoint."""
    os.environ |= trivial.NO_LIMITS
    command, pipe = [sys.executable, __file__], subprocess.PIPE
    with (
        tempfile.TemporaryDirectory() as folder,
        trivial.serve(Path(folder), faulty.__file__) as endpoint,
        subprocess.Popen(command, cwd=folder, stdin=pipe, stdout=pipe, text=True) as controllers,
    ):
        yield Site(endpoint, controllers)
        controllers.terminate()


@dataclass
class Site:
    """The endpoint, and the controllers that roll out there, each a process of its own."""

    endpoint: trivial.Endpoint
    controllers: subprocess.Popen[str]
    journal: list[dict[str, Any]] = field(default_factory=list)

    def set(self, color: str, **fault: float) -> None:
        """Let a deployment behave so from now on."""
        file = self.endpoint.home.deployments / "chat" / color / "fault.json"
        file.with_suffix(".new").write_text(json.dumps(fault))
        file.with_suffix(".new").replace(file)

    def reset(self) -> None:
        """Give blue everything, and forget the last rollout."""
        found = self.endpoint.ml.online_endpoints.get("chat")
        found.traffic, found.mirror_traffic = {"blue": 100}, {}
        found.tags = {name: value for name, value in found.tags.items() if not name.startswith("rollout-")}
        self.endpoint.ml.online_endpoints.begin_create_or_update(found).result()

    def control(
        self,
        command: str,
        *,
        kill_at: int = -1,
        hear: Callable[[dict[str, Any]], None] = lambda _: None,
        **settings: Any,
    ) -> dict[str, Any]:
        """Run a controller and hear every line of its journal; return the last."""
        order = {"command": command, "kill_at": kill_at, "plan": PLAN | settings}
        stdin, stdout = self.controllers.stdin, self.controllers.stdout
        assert stdin is not None
        assert stdout is not None
        print(json.dumps(order), file=stdin, flush=True)
        while (line := json.loads(stdout.readline()))["kind"] != "exit":
            self.journal.append(line)
            hear(line)
        if line["code"] not in (0, -signal.SIGKILL):
            sys.exit(f"the controller failed: {order}")
        return self.journal[-1]


def _serve() -> None:
    """Fork a controller for each order, and say how it ended."""
    import azure.ai.ml.entities  # noqa: F401 - before the fork, once for all

    import mlops.operations.rollouts  # noqa: F401 - too

    for order in sys.stdin:
        child = os.fork()
        if not child:
            _control(json.loads(order))
            sys.stdout.flush()
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(json.dumps({"kind": "exit", "code": code}), flush=True)


def _control(order: dict[str, Any]) -> None:
    from mlops.errors import HeldError
    from mlops.operations import conversations, rollouts
    from mlops.rollout import journal, preflight

    lines = iter(range(10**6))

    def write(_: journal.Journal, **entry: Any) -> None:
        if next(lines) == order["kill_at"]:
            os.kill(os.getpid(), signal.SIGKILL)
        print(json.dumps(entry), flush=True)

    journal.Journal.write = write  # type: ignore[method-assign]  # its lines go to the benchmark
    site = _operated(order["plan"])
    if order["command"] == "roll_out":
        with rollouts.crew(site, candidate="green", examples=conversations.of_smoke(), id="bench") as crew:
            now = time.time()
            first = preflight.begin(crew.endpoint, site.settings.rollout, id="bench", candidate="green", at=now)
            crew.runner.run(first)
        return
    while True:
        try:
            state = _ordered(site, order["command"])
        except HeldError:
            time.sleep(0.2)  # the one that was killed counts as alive until its lease is over
            continue
        break
    phase = state.phase if state else "ROLLED_BACK" if "green" not in site.find().live else "COMMITTED"
    print(json.dumps({"kind": "end", "phase": phase, "at": time.time()}), flush=True)


def _ordered(site: Any, command: str) -> Any:
    from mlops.operations import rollouts

    if command == "recover":
        return rollouts.recover(site)
    return rollouts.give(site, "abort" if command == "rollback" else "resume", reason=command)


def _operated(plan: dict[str, Any]) -> Any:
    from mlops.operations.site import Site as OperatedSite
    from mlops.settings import load

    given = {f"MLOPS_ROLLOUT__{name.upper()}": str(value) for name, value in plan.items()}
    own = {"MLOPS_WORKSPACE__EMULATOR": "false", "MLOPS_DEPLOY__ENDPOINT": "chat", "MLOPS_DEPLOY__MAX_NEW_TOKENS": "9"}
    return OperatedSite("local", load("local", variables=given | own), Console(quiet=True))


if __name__ == "__main__":
    _serve()
