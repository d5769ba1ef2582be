"""Jobs that were submitted: followed to their end, checked, tagged."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Final

from mlops.errors import AzureError, Refusal
from mlops.workspace import history
from mlops.workspace.client import quiet
from mlops.workspace.errors import azure_errors
from mlops.workspace.runs import watch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from mlops.workspace.client import Workspace
    from mlops.workspace.runs import Snapshot

LAST_LINES: Final = 20
LAST_JOBS: Final = 5


def follow(workspace: Workspace, name: str, *, log: Path, on_line: Callable[[str], None]) -> str:
    """Wait for a job's end, writing its log and handing on each line; return its Studio address.

    Raises what `check` does.
    """
    with log.open("w", encoding="utf-8") as file:
        for snapshot in watch(workspace, name):
            for line in snapshot.lines:
                print(line, file=file, flush=True)
                on_line(line)
    check(snapshot, name, log=log)
    return studio_url(workspace, name)


def check(snapshot: Snapshot, name: str, *, log: Path) -> None:
    """Raise AzureError, with the end of the failing step's log, for a job that failed; Refusal for a canceled one."""
    if snapshot.status == "Canceled":
        raise Refusal(f"job {name} was canceled; run the stage again to submit it anew. Its log is {log}")
    if snapshot.status != "Completed":
        step = next((step for step in snapshot.steps if step.status != "Completed"), snapshot.steps[-1])
        lost = "preempt" in step.error.lower()
        advice = (
            "Its node was taken away: run the stage again, or use dedicated nodes" if lost else "Mend what its log says"
        )
        raise AzureError(
            f"job {name} failed in step {step.display_name}: {step.error.strip() or step.status}\n{advice}. "
            f"The end of its log, {log}:\n{_tail(log)}"
        )


def _tail(log: Path) -> str:
    return "\n".join(f"  {line}" for line in log.read_text(encoding="utf-8").splitlines()[-LAST_LINES:])


def cancel(workspace: Workspace, name: str) -> None:
    """Cancel a job and wait until it has ended."""
    with azure_errors(f"cancel job {name}"):
        workspace.ml.jobs.begin_cancel(name).result()


def studio_url(workspace: Workspace, name: str) -> str:
    """Return where a browser shows a job."""
    with azure_errors(f"look up job {name}"):
        return str(workspace.ml.jobs.get(name).studio_url)


def keep_timing(workspace: Workspace, name: str, workload: str, *, tokens_per_s: float, preparation_h: float) -> None:
    """Write how fast a job was into its tags, where the plans of later jobs of the workload find it."""
    set_tags(workspace, name, {workload: json.dumps([tokens_per_s, preparation_h])})


def keep_cost(workspace: Workspace, name: str, usd: float) -> None:
    """Write what a job cost into its tags, where `mlops status` finds it."""
    set_tags(workspace, name, {history.COST: f"{usd:.4f}"})


def timings(workspace: Workspace, workload: str) -> list[tuple[float, float]]:
    """Return tokens per second of a GPU and hours of preparation of the last jobs of a workload."""
    with azure_errors("read the timings of earlier jobs"):
        found = islice(workspace.ml.jobs.list(tag=workload), LAST_JOBS)
        read = [json.loads(job.tags[workload]) for job in found if job and workload in job.tags]
    return [(float(rate), float(hours)) for rate, hours in read]


def tags(workspace: Workspace, name: str) -> Mapping[str, str]:
    """Return the tags of a job."""
    with azure_errors(f"look up job {name}"):
        return dict(workspace.ml.jobs.get(name).tags or {})


def set_tags(workspace: Workspace, name: str, tags: Mapping[str, str]) -> None:
    """Add tags to a job; those it has stay."""
    with azure_errors(f"tag job {name}"):
        workspace.ml.jobs.update(name, tags=dict(tags))


def download(workspace: Workspace, name: str, output: str, folder: Path) -> Path:
    """Download a job's output; return the folder that holds it."""
    with azure_errors(f"download output {output} of job {name}"), quiet():
        workspace.ml.jobs.download(name, output_name=output, download_path=folder)
    return folder / "named-outputs" / output
