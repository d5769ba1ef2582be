"""GitHub and Azure on this machine: act runs workflows without containers, the emulator is what their jobs sign in to.

Stand-ins replace GitHub's own actions: artifacts are folders, the cache is this environment, the checkout is this one.
Jobs have folders of their own and share nothing but artifacts, outputs and the emulator.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mlops.emulator import daemon
from mlops.records import STAGES, unseal
from tests.releases import SMALL

ROOT: Final = Path(__file__).parents[2]
STAND_INS: Final = Path(__file__).with_name("stand_ins")


@dataclass(frozen=True)
class Run:
    """A run of a workflow: how it ended, and what its log says."""

    returncode: int
    log: str

    def jobs(self, result: str) -> set[str]:
        """Return the jobs that ended so, by their last name."""
        return {name.rpartition("/")[2] for name in re.findall(rf"\[([^\]]+?) *\] 🏁  Job {result}", self.log)}


@dataclass(frozen=True)
class GitHub:
    """One repository's GitHub, and the Azure that its jobs sign in to."""

    folder: Path

    @property
    def checkout(self) -> Path:
        """Return a clone of what is committed."""
        return self.folder / "checkout"

    @property
    def artifacts(self) -> Path:
        """Return where artifacts are kept."""
        return self.folder / "artifacts"

    def record(self, artifact: str, stage: str) -> Any:
        """Return a record that a job kept."""
        path = self.artifacts / artifact / f"{stage}.json"
        return unseal(STAGES[stage], path.read_bytes(), where=str(path))

    def told(self) -> list[str]:
        """Return the words that a job told `gh` since this was last asked."""
        path = self.folder / "told"
        words = path.read_text().split("\0")[:-1] if path.exists() else []
        path.unlink(missing_ok=True)
        return words

    def traffic_writes(self) -> int:
        """Return how often traffic was written since the emulator was started."""
        requests = daemon.request(daemon.open_home(self.folder / "emulator"), "/_emulator/requests")
        puts = [request for request in requests if request["method"] == "PUT" and request["status"] == 200]
        return len([request for request in puts if re.search(r"/onlineEndpoints/[^/]+$", request["path"])])

    def run(
        self,
        workflow: str,
        event: str,
        *options: str,
        payload: Any = None,
        settings: Mapping[str, str] = SMALL,
        **variables: str,
    ) -> Run:
        """Let an event start a workflow, and wait for its end; act puts settings above what a job itself says."""
        (self.folder / "event.json").write_text(json.dumps(payload or {}))
        shared = (
            dict(settings)
            | variables
            | {
                "AZUREML_EMULATOR_HOME": str(self.folder / "emulator"),
                "STAND_INS": str(STAND_INS),
                "STAND_IN_VENV": sys.prefix,
                "STAND_IN_ARTIFACTS": str(self.artifacts),
                "TERM": "dumb",
                "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")),
            }
        )
        command = ["act", event, "--workflows", f".github/workflows/{workflow}.yml", *options]
        command += ["--platform", "ubuntu-latest=-self-hosted", "--eventpath", str(self.folder / "event.json")]
        command += [word for name, value in shared.items() for word in ("--env", f"{name}={value}")]
        command += [word for stand_in in _stand_ins() for word in ("--local-repository", stand_in)]
        number = len(list(self.folder.glob("*.log")))
        with (self.folder / f"{number}-{workflow}.log").open("w+", encoding="utf-8") as log:
            path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
            environment = _outside() | {"XDG_CACHE_HOME": str(self.folder / "cache"), "PATH": path}
            ended = subprocess.run(command, cwd=self.checkout, env=environment, stdout=log, stderr=log, check=False)
            log.seek(0)
            return Run(ended.returncode, log.read())


def dispatch(**inputs: str) -> dict[str, Any]:
    """Return what a person who starts a workflow by hand says to it."""
    return {"inputs": inputs}


def _outside() -> dict[str, str]:
    """Return the variables of this process, less those of a GitHub that runs it."""
    ours = ("ACTIONS_", "GITHUB_", "RUNNER_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def _stand_ins() -> set[str]:
    """Return which folder stands in for which pinned action."""
    text = "\n".join(path.read_text() for path in (ROOT / ".github").rglob("*.yml"))
    pinned = re.findall(r"^ *(?:- )?uses: (([\w.-]+)/([\w.-]+)@[0-9a-f]{40})", text, re.MULTILINE)
    return {f"{action}={STAND_INS / name}" for action, _, name in pinned if (STAND_INS / name).is_dir()}
