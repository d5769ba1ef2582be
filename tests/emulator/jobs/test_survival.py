"""Jobs outlive a killed emulator: the next one takes them up where they stand and sees them to their end."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from mlops.emulator import daemon

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from azure.ai.ml import MLClient

    from mlops.emulator.home import Home
    from tests.emulator.conftest import Jobs


def test_jobs_of_every_kind_outlive_a_killed_emulator(
    own_home: Path, connect: Callable[[Home], MLClient], jobs_of: Callable[[MLClient], Jobs], tmp_path: Path
) -> None:
    """Killed while a command, a pipeline and a sweep run or wait for their turn, it completes each of them once."""
    from azure.ai.ml import Input, Output, dsl
    from azure.ai.ml.sweep import Choice

    home, _ = daemon.start(own_home)
    ml = connect(home)
    jobs = jobs_of(ml)
    begun, gate = tmp_path / "begun", tmp_path / "gate"
    wait = f"echo $AZUREML_RUN_ID >> {begun}; until test -e {gate}; do sleep 0.05; done"
    make = jobs.command(f"{wait}; echo made > ${{{{outputs.out}}}}/file", outputs={"out": Output(type="uri_folder")})
    read = jobs.command("cat ${{inputs.data}}/file", inputs={"data": Input(type="uri_folder")})
    score = f"{wait}; {jobs.metric('score', '${{inputs.x}}')}"
    trial = jobs.command(score, name="trial", inputs={"x": Input(type="number", default=1.0)})

    @dsl.pipeline
    def flow() -> None:
        made = make()
        was_read = read(data=made.outputs.out)  # noqa: F841 - its name is the step's

    sweep = trial(x=Choice([1, 2])).sweep(
        primary_metric="score", goal="maximize", sampling_algorithm="grid", compute="serverless"
    )
    sweep.set_limits(max_concurrent_trials=1)
    names = [jobs.submit(wait), jobs.start(flow()), jobs.start(sweep)]
    # The emulator runs as many steps at once as there are cores, two at least: the others are queued.
    while not begun.exists() or len(begun.read_text().splitlines()) < 2:
        ml.jobs._runs_operations.get_run_details(names[0])  # noqa: SLF001 - it waits a little, which jobs.get does not
    os.kill(daemon.health(home)["pid"], signal.SIGKILL)
    daemon.start(own_home)
    gate.touch()

    assert [jobs.end(name).status for name in names] == ["Completed"] * 3
    assert jobs.steps(names[1]) == {"made": "Completed", "was_read": "Completed"}
    assert ml.jobs.get(names[2]).properties["score"] == "2.0"
    runs = begun.read_text().splitlines()
    assert len(runs) == len(set(runs)) == 4
