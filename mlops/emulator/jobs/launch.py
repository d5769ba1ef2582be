"""How a step is started: its processes on each node, and the variables that Azure ML gives them."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from mlops import ports
from mlops.emulator import daemon
from mlops.emulator.environments import machine
from mlops.emulator.errors import bad_request
from mlops.emulator.jobs import launcher

if TYPE_CHECKING:
    from asyncio import StreamWriter
    from asyncio.subprocess import Process as AsyncProcess
    from collections.abc import Mapping

    from mlops.emulator.home import Home
    from mlops.emulator.jobs.command import Step
    from mlops.emulator.store import Document

Variables = dict[str, str]

_LOG = "user_logs/std_log.txt"
_FRAMEWORKS = ("pytorch", "mpi", "tensorflow")


@dataclass(frozen=True)
class Process:
    """One process of a step: what it finds beside the step's variables, and its log in the job's folder."""

    environment: Variables
    log: str


def check(step: Step) -> None:
    """Raise ArmError (400) for a kind of distribution that is not known here."""
    if (kind := _kind(step)) and kind not in _FRAMEWORKS:
        raise bad_request(f"Step {step.node}: distribution {kind!r} is not emulated; use {', '.join(_FRAMEWORKS)}.")


def processes(step: Step) -> list[Process]:
    """Return the processes of a step on all its nodes, which are all this machine."""
    kind, nodes = _kind(step), step.num_nodes
    if not kind:
        return [Process({"AZUREML_NODE_COUNT": str(nodes)}, _LOG)]
    if kind == "tensorflow":
        return _tensorflow(step)
    per_node = int(step.distribution.get("process_count_per_instance") or 1)
    port, world = ports.free(), nodes * per_node
    shared = {"AZUREML_NODE_COUNT": str(nodes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    name = _pytorch if kind == "pytorch" else _mpi
    return [
        Process({**shared, **name(rank, world, per_node)}, _log(f"process_{rank:0{len(str(world - 1))}}"))
        for rank in range(world)
    ]


def plan(step: Step, command: str, *, folder: Path, logs: Path) -> list[str]:
    """Write down what the launcher shall do and return its arguments."""
    file = folder / "plan.json"
    (logs / _LOG).parent.mkdir(parents=True, exist_ok=True)
    entries = [{"environment": each.environment, "log": str(logs / each.log)} for each in processes(step)]
    file.write_text(json.dumps({"command": command, "exit": str(folder / "exit"), "processes": entries}))
    return [sys.executable, "-IS", launcher.__file__, str(file)]


def machine_of(python: Path, *, stands_in: bool) -> Variables:
    """Return what a step finds of the machine: the variables that are for everyone, and its Python first on the path.

    A step of the user's sees only its own snapshot; a command that stands in for a component of the
    registry comes from where the emulator itself was imported.
    """
    own = {"PYTHONPATH": str(Path(__file__).parents[3])} if stands_in else {}
    return machine.variables(python) | own


def release(process: AsyncProcess) -> None:
    """Let a launcher begin, once it is noted that it exists."""
    pipe = cast("StreamWriter", process.stdin)  # it was started with one
    pipe.write(b"\n")
    pipe.close()


def variables(
    home: Home, run: Document, step: Step, *, inputs: Mapping[str, str | None], outputs: Mapping[str, str]
) -> Variables:
    """Return what Azure ML tells a step: where it is, who it is, and its inputs and outputs."""
    given = {name: text for name, text in inputs.items() if text is not None}
    data = {name for name in given if step.inputs[name].type != "literal"}
    kinds = {name: "AZURE_ML_INPUT_" if name in data else "AZUREML_PARAMETER_" for name in given}
    found = {f"{kinds[name]}{name}": text for name, text in given.items()}
    written = {f"AZURE_ML_OUTPUT_{name}": path for name, path in outputs.items()}
    return {**daemon.environment(home), **_identity(home, run), **found, **written}


def _identity(home: Home, run: Document) -> Variables:
    _, _, subscription, _, group, *_, workspace = run["workspace"].split("/")
    experiment = run["experimentName"]
    endpoints = ("SERVICE_ENDPOINT", "RUN_HISTORY_SERVICE_ENDPOINT", "EXPERIMENT_SERVICE_ENDPOINT")
    return {
        "AZUREML_RUN_ID": run["runId"],
        "AZUREML_ROOT_RUN_ID": run["rootRunId"],
        "AZUREML_EXPERIMENT_NAME": experiment,
        "AZUREML_EXPERIMENT_SCOPE": f"{run['workspace']}/experiments/{experiment}",
        "AZUREML_WORKSPACE_SCOPE": run["workspace"],
        "AZUREML_WORKSPACE_NAME": workspace,
        "AZUREML_ARM_SUBSCRIPTION": subscription,
        "AZUREML_ARM_RESOURCEGROUP": group,
        "AZUREML_ARM_WORKSPACE_NAME": workspace,
        "AZUREML_ARM_PROJECT_NAME": experiment,
        "AZUREML_DISCOVERY_SERVICE_ENDPOINT": f"{home.url}/discovery",
        "AZUREML_COMPUTE_USE_COMMON_RUNTIME": "true",
        "AZUREML_CR_EXECUTION_WORKING_DIR_PATH": str(home.jobs / run["runId"] / "code"),
        **{f"AZUREML_{name}": home.url for name in endpoints},
    }


def _kind(step: Step) -> str:
    return str(step.distribution.get("distribution_type") or step.distribution.get("type") or "").lower()


def _pytorch(rank: int, world: int, per_node: int) -> Variables:
    return {
        "RANK": str(rank),
        "WORLD_SIZE": str(world),
        "LOCAL_RANK": str(rank % per_node),
        "LOCAL_WORLD_SIZE": str(per_node),
        "NODE_RANK": str(rank // per_node),
        "AZUREML_PROCESS_NAME": f"rank_{rank}",
    }


def _mpi(rank: int, world: int, per_node: int) -> Variables:
    # Fake: Open MPI's variables without its `mpirun`, which this machine need not have.
    return {
        "OMPI_COMM_WORLD_RANK": str(rank),
        "OMPI_COMM_WORLD_SIZE": str(world),
        "OMPI_COMM_WORLD_LOCAL_RANK": str(rank % per_node),
        "OMPI_COMM_WORLD_LOCAL_SIZE": str(per_node),
        "AZUREML_PROCESS_NAME": f"rank_{rank}",
    }


def _tensorflow(step: Step) -> list[Process]:
    counts = {
        "worker": int(step.distribution.get("worker_count") or step.num_nodes),
        "ps": int(step.distribution.get("parameter_server_count") or 0),
    }
    cluster = {role: [f"127.0.0.1:{ports.free()}" for _ in range(count)] for role, count in counts.items() if count}
    return [
        Process(
            {
                "TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": role, "index": index}}),
                "AZUREML_NODE_COUNT": str(step.num_nodes),
                "AZUREML_PROCESS_NAME": f"{role}_{index}",
            },
            _log(f"{role}_{index}"),
        )
        for role, addresses in cluster.items()
        for index in range(len(addresses))
    ]


def _log(process: str) -> str:
    return _LOG.replace(".txt", f"_{process}.txt")
