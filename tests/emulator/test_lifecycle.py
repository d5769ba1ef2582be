"""The emulator starts once, stops whole, survives `kill -9` and forgets when told to."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psutil
import pytest
from azure.ai.ml.entities import AmlCompute

from mlops.emulator import daemon
from mlops.emulator.store import Store
from mlops.emulator.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from azure.ai.ml import MLClient

    from mlops.emulator.home import Home

    Connect = Callable[[Home], MLClient]
    RunProgram = Callable[[str, Home], subprocess.CompletedProcess[str]]

_PROGRAM = """
import os
from azure.ai.ml import MLClient
from azure.ai.ml.entities import AmlCompute
from azure.identity import DefaultAzureCredential

names = ("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZURE_WORKSPACE_NAME")
ml = MLClient(DefaultAzureCredential(), *(os.environ[name] for name in names))
ml.compute.begin_create_or_update(AmlCompute(name="cpu", size="Standard_DS3_v2")).result()
print([compute.name for compute in ml.compute.list()])
"""


def _create(ml: MLClient) -> None:
    ml.compute.begin_create_or_update(AmlCompute(name="cpu", size="Standard_DS3_v2")).result()


def _names(ml: MLClient) -> list[str]:
    return [compute.name for compute in ml.compute.list()]


def _cli(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mlops.emulator", *args], capture_output=True, text=True, timeout=60, check=False
    )


def _pid(home: Home) -> int:
    answer = daemon.health(home)
    assert answer is not None
    return int(answer["pid"])


def test_an_unmodified_program_needs_only_the_variables_of_env(own_home: Path, run_program: RunProgram) -> None:
    """A program written for Azure ML runs here with environment variables and nothing else."""
    home, _ = daemon.start(own_home)
    assert run_program(_PROGRAM, home).stdout == "['cpu']\n"


def test_state_survives_a_kill(own_home: Path, connect: Connect) -> None:
    """After `kill -9` the next start has the same address and the same resources."""
    home, _ = daemon.start(own_home)
    _create(connect(home))
    pid = _pid(home)
    os.kill(pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [])
    again, started = daemon.start(own_home)
    assert started
    assert again == home
    assert _names(connect(again)) == ["cpu"]


def test_concurrent_starts_end_with_one_emulator(own_home: Path) -> None:
    """However many start it at once, one emulator runs, and every start succeeds."""
    args = [sys.executable, "-m", "mlops.emulator", "start", "--home", str(own_home)]
    starts = [subprocess.Popen(args, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = [start.communicate(timeout=60)[0] for start in starts]
    assert [start.returncode for start in starts] == [0] * 4
    assert sum("was running already" in text for text in said) == 3
    home = daemon.open_home(own_home)
    served_by = [p for p in psutil.process_iter(["cmdline"]) if str(own_home) in (p.info["cmdline"] or [])]
    assert [process.pid for process in served_by] == [_pid(home)]


def test_concurrent_first_uses_agree_on_the_port(tmp_path: Path) -> None:
    """Whoever opens a new home first chooses its port: a start that saw another one would wait for it in vain."""
    with ThreadPoolExecutor(8) as pool:
        for number in range(8):
            homes = pool.map(daemon.open_home, [tmp_path / str(number)] * 8)
            assert len({home.port for home in homes}) == 1


def test_a_taken_port_is_said_in_one_line(own_home: Path) -> None:
    """A port that another program uses is named, with what to do."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        outcome = _cli("start", "--home", str(own_home), "--port", str(port))
    assert outcome.returncode == 2
    assert f"Port {port} cannot be used" in outcome.stderr
    assert "Traceback" not in outcome.stderr


@pytest.mark.parametrize("port", ["0", "99999", "http"])
def test_what_is_no_port_is_refused_before_it_is_kept(own_home: Path, port: str) -> None:
    """A number that no port has is one sentence, and no home is made for it."""
    outcome = _cli("start", "--home", str(own_home), "--port", port)
    assert outcome.returncode == 2
    assert f"a port is a number from 1 to 65535, not {port}" in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert not own_home.exists()


def test_commands_are_for_people_and_programs(own_home: Path) -> None:
    """`status` exits 0 while it runs and 1 when not, `stop` twice is no error; `env` is the same in all its forms."""
    missing = _cli("status", "--home", str(own_home))
    assert missing.returncode == 2
    assert missing.stderr.endswith(f"start one: mlops emulator start --home {own_home}.\n")
    assert _cli("start", "--home", str(own_home)).returncode == 0
    home = daemon.open_home(own_home)
    running = _cli("status", "--home", str(own_home))
    assert running.returncode == 0
    assert "onlineEndpoints" in running.stdout
    status = json.loads(_cli("status", "--home", str(own_home), "--json").stdout)
    assert (status["running"], status["url"], status["jobs"], status["faults"]) == (True, home.url, 0, [])
    assert f"Azure ML emulator at {home.url}" in _cli("logs", "--home", str(own_home)).stdout

    variables = json.loads(_cli("env", "--home", str(own_home), "--json").stdout)
    del variables["MLFLOW_TRACKING_TOKEN"]  # each is minted anew
    script = f"{_cli('env', '--home', str(own_home)).stdout}\nenv"
    shell = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True)
    assert {f"{name}={value}" for name, value in variables.items()} <= set(shell.stdout.splitlines())
    dotenv = _cli("env", "--home", str(own_home), "--dotenv").stdout
    assert variables.items() <= dict(shlex.split(line)[0].split("=", 1) for line in dotenv.splitlines()).items()

    assert _cli("stop", "--home", str(own_home)).returncode == 0
    assert _cli("status", "--home", str(own_home)).returncode == 1
    assert json.loads(_cli("status", "--home", str(own_home), "--json").stdout)["running"] is False
    assert _cli("logs", "--home", str(own_home), "--follow").returncode == 0
    assert _cli("stop", "--home", str(own_home)).stdout == "The emulator was not running.\n"
    stopped = _cli("env", "--home", str(own_home))
    assert (stopped.returncode, stopped.stdout) == (2, "")
    assert stopped.stderr.endswith(f"is not running; start it: mlops emulator start --home {own_home}.\n")


@pytest.mark.parametrize("running", [True, False])
def test_reset_forgets_everything_but_the_address(own_home: Path, connect: Connect, *, running: bool) -> None:
    """`reset` empties a running and a stopped emulator alike; clients keep working without a restart."""
    home, _ = daemon.start(own_home)
    _create(connect(home))
    (home.blobs / "azureml" / "file.txt").write_text("left by a job")
    if not running:
        daemon.stop(home)
    daemon.reset(home)
    daemon.start(own_home)
    assert _names(connect(home)) == []
    assert not list(home.blobs.rglob("*.txt"))


def test_the_request_log_proves_writes(own_home: Path, connect: Connect) -> None:
    """Every control-plane request is written down with its status, in order."""
    home, _ = daemon.start(own_home)
    _create(connect(home))
    log = daemon.request(home, "/_emulator/requests")
    writes = [entry for entry in log if entry["method"] == "PUT"]
    assert [(write["path"].rpartition("/")[2], write["status"]) for write in writes] == [("cpu", 201)]
    assert daemon.request(home, f"/_emulator/requests?since={log[-1]['sequence']}") == []


def test_children_of_a_killed_emulator_are_ended(tmp_path: Path) -> None:
    """The next start ends the orphans of a killed emulator, but for those meant to survive."""

    async def scenario() -> tuple[bool, bool]:
        store = Store(tmp_path / "state.db")
        killed = Supervisor(store)
        args, env, log = ["sleep", "60"], dict(os.environ), tmp_path / "log"
        orphan = await killed.start_process(args, cwd=tmp_path, env=env, log=log)
        job = await killed.start_process(args, cwd=tmp_path, env=env, log=log, survives=True)
        restarted = Supervisor(store)
        await restarted.stop_orphans()
        alive = restarted.is_alive(orphan.pid), restarted.is_alive(job.pid)
        await restarted.stop_all()
        await asyncio.gather(orphan.wait(), job.wait())
        return alive

    assert asyncio.run(scenario()) == (False, True)


def test_a_recycled_pid_is_left_alone(tmp_path: Path) -> None:
    """A process that merely has the number of a former child is not ended."""
    store = Store(tmp_path / "state.db")
    store.put("/_emulator/processes/1", {"pid": os.getpid(), "created": 0.0, "survives": False})
    asyncio.run(Supervisor(store).stop_orphans())
    assert psutil.pid_exists(os.getpid())
