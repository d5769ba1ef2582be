"""That a rollout loses nothing, sees what is bad, and comes back by itself: `python tests/benchmarks/rollout.py`.

Simulated: 200 rollouts of a candidate as good as the stable one, 200 with a regression, by the real runner and judge.
Real: users ask without pause, every fourth for a stream, while a controller promotes, rolls back, retires, and is
killed with SIGKILL at every line of its journal; then candidates with each kind of regression, ten times each.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trivial
from kept_alive import Connection, is_good
from kept_alive import field as header
from rich.console import Console
from rich.table import Table

SIMULATED, REAL, REQUESTS, CLIENTS, SEED = 200, 10, 100_000, 12, 7
KINDS: dict[str, dict[str, float]] = {
    "errors +2 %": {"errors": 0.02},
    "errors +5 %": {"errors": 0.05},
    "errors +10 %": {"errors": 0.10},
    "latency x 1.5": {"slower": 1.5},
    "latency x 2": {"slower": 2},
    "latency x 4": {"slower": 4},
    "empty answers, 10 %": {"empty": 0.10},
    "garbled answers, 10 %": {"garbled": 0.10},
}
LATENCY_S = 0.02
PAUSE_S = 0.02
"""Between two requests of a user: the controllers need some of this machine, too."""
MOST_FALSE_ABORTS, MOST_MISSED = 0.01, 0.05
PLAN: dict[str, Any] = {
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
KILLED = {"min_requests": 4, "concurrency": 4, "max_latency_ratio": 50}
"""For the kills: short rollouts, judged on nothing that a busy machine could upset."""
ANSWER = "the quick brown fox jumps over the lazy dog"


def main() -> int:
    """Print the table; return 1 if a floor is missed."""
    rows = [*_simulated_rows()]
    os.environ |= trivial.NO_LIMITS
    with (
        tempfile.TemporaryDirectory() as folder,
        trivial.serve(Path(folder), __file__) as endpoint,
        _controllers(Path(folder)) as controllers,
    ):
        site = Site(endpoint, controllers)
        rows += _load_rows(site)
        rows += _real_rows(site)
    table = Table(title="Rollout")
    for column in ("measure", "ours", "peer", "floor", "verdict"):
        table.add_column(column)
    for row in rows:
        table.add_row(row.measure, row.ours, "none publishes it", row.floor, "held" if row.held else "MISSED")
    Console(width=150).print(table)
    return 0 if all(row.held for row in rows) else 1


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    measure: str
    ours: str
    floor: str
    held: bool


# Simulated rollouts: the world of the tests, with answers drawn at random.


def _simulated_rows() -> Iterator[Row]:
    dice = random.Random(SEED)  # noqa: S311 - repeatable on purpose
    same = [_simulate(dice, {}) for _ in range(SIMULATED)]
    aborted = sum(phase != "COMMITTED" for phase in same) / SIMULATED
    told = f"{aborted:.1%} of {SIMULATED}"
    yield Row("false aborts, simulated", told, f"at most {MOST_FALSE_ABORTS:.0%}", aborted <= MOST_FALSE_ABORTS)
    every, missed = SIMULATED // len(KINDS), {}
    for kind, fault in KINDS.items():
        missed[kind] = sum(_simulate(dice, fault) == "COMMITTED" for _ in range(every))
    share = sum(missed.values()) / (every * len(KINDS))
    told = (
        f"{share:.1%} of {every * len(KINDS)} ({ {kind: count for kind, count in missed.items() if count} or 'none' })"
    )
    yield Row("missed regressions, simulated", told, f"at most {MOST_MISSED:.0%}", share <= MOST_MISSED)


def _simulate(dice: random.Random, fault: dict[str, float]) -> str:
    """Return how the rollout of a candidate with a fault ends."""
    world = _world()
    world.dice = random.Random(dice.random())  # noqa: S311 - repeatable on purpose
    world.behavior = {"blue": lambda: _draw(dice, {}), "green": lambda: _draw(dice, fault if world.writes else {})}
    return str(world.roll_out(**PLAN | {"concurrency": 1}).phase)


def _draw(dice: random.Random, fault: dict[str, float]) -> dict[str, Any]:
    """Return how an answer differs: latencies are log-normal, two in a thousand fail in any case."""
    seconds = dice.lognormvariate(0, 0.3) * fault.get("slower", 1)
    if dice.random() < 0.002 + fault.get("errors", 0):
        return {"status": 424, "seconds": seconds, "text": ""}
    if dice.random() < fault.get("empty", 0):
        return {"seconds": seconds, "text": ""}
    if dice.random() < fault.get("garbled", 0):
        return {"seconds": seconds, "text": "\ufffd\ufffd"}
    return {"seconds": seconds}


def _world() -> Any:
    path = Path(__file__).parents[1] / "rollout" / "conftest.py"
    if "world" not in sys.modules:
        spec = importlib.util.spec_from_file_location("world", path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules["world"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules["world"])
    return sys.modules["world"].World()


# Real rollouts: an emulator whose containers run the program at the end of this file.


@contextmanager
def _controllers(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Start what forks a controller for each order, so that none has to load Azure's SDK anew."""
    command, pipe = [sys.executable, __file__, "controllers"], subprocess.PIPE
    with subprocess.Popen(command, cwd=folder, stdin=pipe, stdout=pipe, text=True) as controllers:
        yield controllers
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

    def control(self, command: str, *, kill_at: int = -1, **settings: Any) -> dict[str, Any]:
        """Run a controller; return its last words, none if it was killed."""
        order = {"command": command, "kill_at": kill_at, "plan": PLAN | settings}
        stdin, stdout = self.controllers.stdin, self.controllers.stdout
        assert stdin is not None
        assert stdout is not None
        print(json.dumps(order), file=stdin, flush=True)
        while (line := json.loads(stdout.readline()))["kind"] != "exit":
            self.journal.append(line)
        if line["code"] not in (0, -signal.SIGKILL):
            sys.exit(f"the controller failed: {order}")
        return self.journal[-1]


@dataclass
class Users:
    """People who ask without pause; every answer is kept as when it was asked for and who gave it."""

    endpoint: trivial.Endpoint
    answers: list[tuple[float, bytes]] = field(default_factory=list)
    streams: int = 0
    lost: list[str] = field(default_factory=list)
    may_end: bool = False

    async def ask(self, number: int) -> None:
        """Ask on one connection until all have asked enough, one in four for streams."""
        is_stream = number % 4 == 0
        url = self.endpoint.url.replace("/score", "/v1/chat/completions") if is_stream else self.endpoint.url
        connection = await Connection.open(url, self.endpoint.key)
        while not self.may_end or len(self.answers) < REQUESTS:
            await asyncio.sleep(PAUSE_S)
            start = time.time()
            try:
                head = await (_read_stream(connection) if is_stream else connection.ask())
            except (asyncio.IncompleteReadError, ConnectionError, ValueError) as error:
                self.lost.append(repr(error))
                connection = await Connection.open(url, self.endpoint.key)
                continue
            if not is_good(head):
                self.lost.append(head.partition(b"\r\n")[0].decode())
            self.answers.append((start, header(head, b"azureml-model-deployment")))
            self.streams += is_stream
        connection.close()


async def _read_stream(connection: Connection) -> bytes:
    """Return the head of a streamed answer when its last chunk has arrived, which must say that it is the last."""
    connection.writer.write(connection.request)
    head = (await connection.reader.readuntil(b"\r\n\r\n")).lower()
    body = await connection.reader.readuntil(b"0\r\n\r\n")
    if b"[DONE]" not in body:
        raise ValueError("a stream was cut off")
    return head


async def _under_load(endpoint: trivial.Endpoint, work: Callable[[], Any]) -> tuple[Users, Any]:
    users = Users(endpoint)
    asking = [asyncio.create_task(users.ask(number)) for number in range(CLIENTS)]
    result = await asyncio.to_thread(work)
    users.may_end = True
    await asyncio.gather(*asking)
    return users, result


def _load_rows(site: Site) -> Iterator[Row]:
    users, (ends, expected) = asyncio.run(_under_load(site.endpoint, lambda: _campaign(site)))
    total = len(users.answers)
    told = f"{len(users.lost)} of {total:,}, {users.streams:,} of them streams {users.lost[:2] or ''}"
    yield Row("requests lost", told, f"0 of {REQUESTS:,}", not users.lost and total >= REQUESTS)
    early, retired = _astray(users, site.journal)
    yield Row("answers of the candidate before its first weight or after it went back", str(early), "0", early == 0)
    yield Row("answers of a retired deployment", str(retired), "0", retired == 0)
    good = sum(end in ("COMMITTED", "ROLLED_BACK") for end in ends)
    yield Row("recovered after SIGKILL at each journal line", f"{good} of {expected}", "all", good == expected)


def _campaign(site: Site) -> tuple[list[str], int]:
    """Promote, roll back, promote and retire; then kill the controller at each line, and recover each time."""
    site.reset()
    lines_before = len(site.journal)
    site.control("roll_out", **KILLED)
    lines = sum(line["kind"] in ("state", "intent") for line in site.journal[lines_before:])
    site.control("rollback", **KILLED)
    ends = []
    for line in range(lines):
        site.reset()
        site.control("roll_out", kill_at=line, **KILLED)
        ends.append(str(site.control("recover" if line % 2 else "resume", **KILLED)["phase"]))
    site.reset()
    site.control("roll_out", **KILLED | {"retain_s": 0})
    return ends, lines


def _astray(users: Users, journal: list[dict[str, Any]]) -> tuple[int, int]:
    """Return how many un-pinned answers green gave while it had no weight, and blue after it was deleted.

    Green has none from the moment a rollback was seen in the answers until the next first write is intended.
    """
    idle, since, gone = [], 0.0, float("inf")
    for line in journal:
        if line["kind"] == "intent" and line["do"] == "WRITE" and line["phase"] == "SHIFTING" and since is not None:
            idle.append((since, line["at"]))
            since = None
        if line["kind"] == "state" and line["phase"] == "ROLLED_BACK":
            since = line["at"]
        if line["kind"] == "state" and line["phase"] == "SUCCEEDED":
            gone = line["at"]
    early = sum(who == b"green" and any(low < at < high for low, high in idle) for at, who in users.answers)
    return early, sum(who == b"blue" and at > gone for at, who in users.answers)


def _real_rows(site: Site) -> Iterator[Row]:
    """Roll out candidates with each kind of regression."""
    _deploy_blue(site)
    site.set("blue", latency=LATENCY_S)
    detection, safe, missed = [], [], {}
    for kind, fault in KINDS.items():
        missed[kind] = 0
        for _ in range(REAL):
            site.set("green", latency=LATENCY_S)
            site.reset()
            before = len(site.journal)
            site.set("green", latency=LATENCY_S, after_weight=1, **fault)
            end = site.control("roll_out", min_requests=100)
            missed[kind] += end["phase"] in ("COMMITTED", "SUCCEEDED")
            _time(site.journal[before:], detection, safe)
    share = sum(missed.values()) / (REAL * len(KINDS))
    told = (
        f"{share:.1%} of {REAL * len(KINDS)} ({ {kind: count for kind, count in missed.items() if count} or 'none' })"
    )
    yield Row("missed regressions, real", told, f"at most {MOST_MISSED:.0%}", share <= MOST_MISSED)
    yield Row("detection, median (from the first weight in effect)", f"{statistics.median(detection):.1f} s", "", True)
    yield Row("time to safe, median (from there to the last answer)", f"{statistics.median(safe):.1f} s", "", True)


def _time(journal: list[dict[str, Any]], detection: list[float], safe: list[float]) -> None:
    at = {line["phase"]: line["at"] for line in reversed(journal) if line["kind"] == "state"}
    if "ROLLED_BACK" in at and "BAKING" in at:
        detection.append(at["ROLLING_BACK"] - at["BAKING"])
        safe.append(at["ROLLED_BACK"] - at["ROLLING_BACK"])


def _deploy_blue(site: Site) -> None:
    """Bring the retired color back."""
    from azure.ai.ml.entities import ManagedOnlineDeployment, OnlineRequestSettings

    ml = site.endpoint.ml
    settings = OnlineRequestSettings(max_concurrent_requests_per_instance=trivial.CONCURRENCY)
    green = ml.online_deployments.get("green", "chat")
    blue = ManagedOnlineDeployment(
        name="blue",
        endpoint_name="chat",
        model=green.model,
        instance_type=trivial.SIZE,
        instance_count=1,
        request_settings=settings,
    )
    ml.online_deployments.begin_create_or_update(blue).result()


# A controller: what the stage and the commands do, in a process that can be killed.


def _serve_controllers() -> None:
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


# A container: it answers as fast as it can, or as `fault.json` in its folder says.


class _Backend(asyncio.Protocol):
    def connection_made(self, transport: Any) -> None:
        self._transport, self._received = transport, b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        if end and len(body) >= length:
            self._received = b""
            asyncio.get_running_loop().create_task(self._answer(head, body))

    async def _answer(self, head: bytes, body: bytes) -> None:
        fault = _fault()
        reply = _reply(head, body, fault)
        if latency := fault.get("latency", 0):
            await asyncio.sleep(latency * random.lognormvariate(0, 0.1) * fault.get("slower", 1))
        self._transport.write(reply)


_seen: tuple[int, dict[str, float]] = (0, {})


def _fault() -> dict[str, float]:
    global _seen  # noqa: PLW0603 - a cache of one file
    try:
        changed = Path("fault.json").stat().st_mtime_ns
    except FileNotFoundError:
        return {}
    if changed != _seen[0]:
        _seen = (changed, json.loads(Path("fault.json").read_text()))
    return _seen[1]


def _reply(head: bytes, body: bytes, fault: dict[str, float]) -> bytes:
    text = ANSWER
    if b'"content"' not in body:
        return _http(b"application/json", b"{}")
    if random.random() < fault.get("errors", 0):  # noqa: S311 - no secret
        return b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
    if random.random() < fault.get("empty", 0):  # noqa: S311 - no secret
        text = ""
    elif random.random() < fault.get("garbled", 0):  # noqa: S311 - no secret
        text = "\ufffd\ufffd"
    if b"/chat/completions" not in head.partition(b"\r\n")[0]:
        return _http(b"application/json", json.dumps({"output": text}).encode())
    events = [{"choices": [{"index": 0, "delta": {"content": f"{word} "}}]} for word in text.split()]
    lines = [*(json.dumps(event) for event in events), "[DONE]"]
    chunks = [f"data: {line}\n\n".encode() for line in lines]
    packed = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    start = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    return start + packed + b"0\r\n\r\n"


def _http(kind: bytes, content: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b" % (kind, len(content), content)


async def _serve_backend(port: int) -> None:
    listener = await asyncio.get_running_loop().create_server(_Backend, "127.0.0.1", port)
    await listener.serve_forever()


if __name__ == "__main__":
    if sys.argv[1:2] == ["controllers"]:
        _serve_controllers()
    elif sys.argv[1:2] == ["backend"]:
        Path("port").write_text(sys.argv[2])
        asyncio.run(_serve_backend(int(sys.argv[2])))
    else:
        sys.exit(main())
