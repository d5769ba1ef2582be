"""The command line as a whole: what it says of itself, and what a shell completes."""

from __future__ import annotations

import argparse
import io
import os
import re
import shlex
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from mlops import cli

WIDTH = 100
COLOR = re.compile(r"\x1b\[")


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield a parser and those of its commands."""
    yield parser
    for action in parser._actions:  # noqa: SLF001 - argparse shows them nowhere else
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - the same
            for child in action.choices.values():
                yield from parsers(child)


def completed(line: str, folder: Path) -> set[str]:
    """Return what a shell would offer after a line, asked from a folder."""
    answer = folder / "answer"
    asked = {"_ARGCOMPLETE": "3", "_ARGCOMPLETE_IFS": "\n", "COMP_LINE": line, "COMP_POINT": str(len(line))}
    variables = os.environ | asked | {"_ARGCOMPLETE_STDOUT_FILENAME": str(answer)}
    subprocess.run([sys.executable, "-m", "mlops.cli"], cwd=folder, env=variables, check=True)
    return {word.rstrip() for word in answer.read_text().split("\n") if word.strip()}


def test_every_help_fits_and_needs_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command and every option says in plain text of at most 100 columns what it is for."""
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    every = list(parsers(cli._parser()))  # noqa: SLF001 - what `main` parses with
    assert len(every) > 20
    for parser in every:
        with redirect_stdout(io.StringIO()) as said:
            parser.print_help()
        assert max(map(len, said.getvalue().splitlines())) <= WIDTH, parser.prog
        assert not COLOR.search(said.getvalue())
        for action in parser._actions:  # noqa: SLF001 - as above
            assert action.help or action.metavar, f"{parser.prog} {action.dest}"


def test_every_help_has_an_example_that_works() -> None:
    """What it shows can be typed: the command itself takes it, but for what the shell does with it."""
    parser = cli._parser()  # noqa: SLF001 - what `main` parses with
    for each in parsers(parser):
        if each.prog == "mlops emulator":
            continue  # its own parser, held by tests/emulator
        examples = re.findall(rf"^(?:example:)? *({each.prog}\b.*)$", each.epilog or "", re.MULTILINE)
        assert examples, each.prog
        for example in examples:
            parser.parse_args(shlex.split(example.partition(">")[0])[1:])


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("python -m mlops.cli sta", {"status"}),
        ("python -m mlops.cli emul", {"emulator"}),
        ("python -m mlops.cli emulator sta", {"start", "status"}),
        ("python -m mlops.cli rollback --environment l", {"local"}),
        ("python -m mlops.cli report ni", {"nightly", "nightly-2"}),
        ("python -m mlops.cli runs compare nightly mi", {"mine"}),
    ],
)
def test_a_shell_completes_commands_environments_and_runs(line: str, offered: set[str], tmp_path: Path) -> None:
    """Commands as they are, environments as there are settings, runs as there are folders."""
    for run in ("nightly", "nightly-2", "mine", ".cache"):
        (tmp_path / "runs" / run).mkdir(parents=True)
    assert completed(line, tmp_path) == offered


def test_help_loads_nothing_but_the_standard_library() -> None:
    """It answers at once: what a command needs is imported when it runs."""
    program = "import sys; before = {*sys.modules}; import mlops.cli; mlops.cli._parser().format_help(); "
    program += "print(*{name.partition('.')[0] for name in {*sys.modules} - before})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert {*done.stdout.split()} - sys.stdlib_module_names == {"mlops"}


def test_no_color_is_respected(tmp_path: Path) -> None:
    """NO_COLOR (no-color.org) turns colors off, even where a terminal would show them."""
    data = tmp_path / "runs" / "mine" / "data"
    data.mkdir(parents=True)
    (data / "train.jsonl").write_text('{"prompt_id": "1f2e", "messages": [{"role": "user", "content": "Hello"}]}\n')
    command = [sys.executable, "-m", "mlops.cli", "data", "show", "mine"]

    def said(**variables: str) -> str:
        environment = os.environ | {"FORCE_COLOR": "1", "TERM": "xterm"} | variables
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True).stdout

    color = re.compile(r"\x1b\[[\d;]*3\d")
    assert color.search(said())
    assert not color.search(said(NO_COLOR="1"))


@pytest.mark.parametrize(
    "line",
    [
        "settings show --environment dev",
        "settings show --environment local",
        "settings show --environment local nowhere",
        "status --environment nowhere",
        "runs show nowhere",
        "data card nowhere",
        "bootstrap --environment local --repository nowhere",
    ],
)
def test_whatever_is_said_fits_a_terminal(line: str) -> None:
    """On 100 columns, results and mistakes alike; only a word that is longer itself may stand out."""
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (40, WIDTH))
    command = [sys.executable, "-m", "mlops.cli", *shlex.split(line)]
    hidden = ("COLUMNS", "MLOPS_WORKSPACE__", "AZURE")
    variables = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=variables | {"NO_COLOR": "1"}):
        os.close(theirs)
        said = b"".join(iter(lambda: _read(ours), b"")).decode()
    os.close(ours)
    lines = re.sub(r"\x1b\[[\d;]*m", "", said).splitlines()
    assert lines
    assert [line for line in lines if len(line) > WIDTH] == []


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says so that the other end is closed
        return b""


def test_ctrl_c_ends_a_command_with_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever it was at: no traceback, and the exit code that shells know."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    assert cli._run(interrupted, {}) == 130  # noqa: SLF001 - what main ends with
    assert capsys.readouterr().err == "interrupted\n"


def test_who_has_read_enough_may_close_the_pipe() -> None:
    """`mlops … | head -1` ends without a traceback."""
    program = "import sys; from mlops import cli; sys.exit(cli._run(lambda: print('line\\n' * 200_000), {}))"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"line\n"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0
