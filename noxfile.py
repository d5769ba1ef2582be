"""Sessions: checks (`nox`), the seven stages and the whole release, all in one virtual environment, `.venv`."""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import nox

nox.needs_version = ">=2024.4.15"
nox.options.default_venv_backend = "none"
nox.options.stop_on_first_error = True

VENV = Path(".venv")
BIN = VENV / ("Scripts" if sys.platform == "win32" else "bin")
LOCK = Path("requirements.lock")
INSTALLS_ONLY = "--install-only" in sys.argv
"""What nox itself knows, but tells no session."""
PARTS = {"none": [], "base": ["-e.[monitor]"], "local": ["-e.[local]"]}
"""What of this project is installed: nothing, what steers Azure, or emulator and trainer, too."""
BENCHMARKS = (
    "control_plane",
    "data_plane",
    "traffic_changes",
    "malformed",
    "prepare",
    "duplicates",
    "trainer",
    "rollout",
    "gate",
    "candidates",
    "evaluation",
)
CHECKOV = "checkov==3.3.30"
"""In an environment of its own, for what it pins contradicts what else is locked."""
PYPROJECT = nox.project.load_toml("pyproject.toml")


def install(session: nox.Session, *groups: str, parts: str = "local") -> None:
    """Install parts of this project and dependency groups at the locked versions, unless that was done before."""
    if not BIN.exists():
        session.run_install(sys.executable, "-m", "venv", str(VENV), external=True)
    wanted = [*PARTS[parts], *(package for group in groups for package in PYPROJECT["dependency-groups"][group])]
    stamp = VENV / f"installed-{'-'.join((parts, *groups))}"
    inputs = "\n".join([*wanted, LOCK.read_text(), Path("pyproject.toml").read_text()])
    if not stamp.exists() or stamp.read_text() != inputs:
        run_install(session, "python", "-m", "pip", "install", "--quiet", "--constraint", str(LOCK), "uv")
        into = ("--python", str(VENV), "--constraint", str(LOCK))
        run_install(session, "uv", "pip", "install", "--quiet", *into, *wanted, **sources())
        if parts == "local":
            # uv compiles nothing: what loads slowest is compiled here, and not while a deployment's start is timed.
            run_install(session, "python", "-c", "import azure.ai.ml, mlflow.pyfunc, peft, trl")
        stamp.write_text(inputs)


def sources() -> dict[str, str]:
    """Return where pip finds packages and whom it trusts, in the words of uv, which reads none of pip's settings."""
    words = {
        "cert": "SSL_CERT_FILE",
        "default-timeout": "UV_HTTP_TIMEOUT",
        "extra-index-url": "UV_INDEX",
        "find-links": "UV_FIND_LINKS",
        "index-url": "UV_DEFAULT_INDEX",
    }
    listed = subprocess.check_output([BIN / "python", "-m", "pip", "config", "list"], text=True)
    told = re.findall(r"^(?:global|install|:env:)\.([\w-]+)='(.+)'$", listed, re.MULTILINE)
    # Variables are listed first, and count most.
    found = {words[key]: value for key, value in reversed(told) if key in words}
    return found | {"UV_INDEX_STRATEGY": "unsafe-best-match"}  # what pip does


def run(session: nox.Session, program: str, *arguments: str, **variables: str) -> None:
    """Run a program of the virtual environment."""
    session.run(str(BIN / program), *arguments, external=True, env=environment() | variables)


def run_install(session: nox.Session, program: str, *arguments: str, **variables: str) -> None:
    """Run a program that installs, which `nox --install-only` wants run, too."""
    session.run_install(str(BIN / program), *arguments, external=True, env=environment() | variables)


def environment() -> dict[str, str]:
    """Return the variables of every program: ours are found first, and bytecode is kept, for uv compiles none."""
    return {"PATH": os.pathsep.join([str(BIN.resolve()), os.environ["PATH"]]), "PYTHONDONTWRITEBYTECODE": ""}


def options(session: nox.Session, *switches: str) -> argparse.Namespace:
    """Return what stands after `--` on nox's command line; a mistake there ends nox with exit code 2."""
    parser = argparse.ArgumentParser(prog="nox -s SESSION --", allow_abbrev=False)
    parser.add_argument("--environment", default="local", help="which settings: local, dev or prod")
    parser.add_argument("--run", help="name of the run")
    parser.set_defaults(switches=[])
    for switch in switches:
        parser.add_argument(f"--{switch}", action="append_const", dest="switches", const=f"--{switch}")
    return parser.parse_args(session.posargs)


def install_for(session: nox.Session, environment: str) -> None:
    """Install what an environment needs: emulator and trainer only where they run."""
    install(session, parts="local" if environment == "local" else "base")


def stage(session: nox.Session, name: str, *switches: str, default_run: str = "local") -> None:
    """Run one program of `pipelines`."""
    given = options(session, *switches)
    install_for(session, given.environment)
    arguments = ("--environment", given.environment, "--run", given.run or default_run, *given.switches)
    exit_as("python", "-m", f"pipelines.{name}", *arguments)


def exit_as(program: str, *arguments: str) -> None:
    """Run a program and end with its exit code: nox alone would make a 1 of every failure."""
    if INSTALLS_ONLY:
        return
    with subprocess.Popen([BIN / program, *arguments], env=os.environ | environment()) as process:
        # Ctrl-C reaches the stage, too, and it may have traffic to give back before it ends.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        code = process.wait()
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if code:
        sys.exit(code)


def measure(*benchmarks: str) -> None:
    """Run benchmarks; end with those that missed a floor they name."""
    missed = [] if INSTALLS_ONLY else [name for name in benchmarks if not is_met(name)]
    if missed:
        sys.exit(f"missed: {', '.join(missed)}")


def is_met(benchmark: str) -> bool:
    """Run a benchmark; return whether every floor it names was met."""
    print(f"\n{benchmark}", flush=True)
    command = [BIN / "python", Path("tests", "benchmarks", f"{benchmark}.py")]
    return subprocess.run(command, env=os.environ | environment(), check=False).returncode == 0


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, formatting and docstrings; that workflows and infrastructure are right, and safe."""
    install(session, "lint", parts="none")
    run(session, "ruff", "check")
    run(session, "ruff", "format", "--check")
    run(session, "interrogate", "--quiet", "mlops", "pipelines")
    run(session, "actionlint")
    run(session, "zizmor", "--offline", "--pedantic", "--quiet", ".github")
    checkov = ("tool", "run", "--from", CHECKOV, "checkov", "--quiet", "--compact", "--skip-download")
    run(session, "uv", *checkov, "--framework", "bicep", "--directory", "pipelines/infra", **sources())


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of every module."""
    install(session, "types", "tests")
    # Beside what was installed: continuous integration keeps both until the locked versions change.
    run(session, "mypy", "--cache-dir", str(VENV / "mypy"))


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests, in parallel."""
    install(session, "tests")
    run(session, "pytest", "--numprocesses", "2", "--dist", "loadgroup", *session.posargs)


@nox.session(default=False)
def docs(session: nox.Session) -> None:
    """Build the pages of `docs` into `.site`, and try what they say; a link that leads nowhere is an error."""
    install(session, "docs", "tests", parts="base")
    # Its theme warns of a MkDocs that is not the one locked here.
    run(session, "mkdocs", "build", "--quiet", "--config-file", ".mkdocs.yml", NO_MKDOCS_2_WARNING="true")
    run(session, "pytest", "tests/test_docs.py", "tests/test_extending.py")


@nox.session(default=False)
def browser(session: nox.Session) -> None:
    """Open every page of the studio in Chromium: states, live updates, chat, accessibility."""
    install(session, "tests", "browser")
    run(session, "pytest", "tests/studio/browser.py", *session.posargs)


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Measure what is promised, each figure beside a named peer: all benchmarks, or those named after `--`."""
    wanted = session.posargs or BENCHMARKS
    if unknown := ", ".join(name for name in wanted if name not in BENCHMARKS):
        argparse.ArgumentParser(prog="nox -s bench --", usage="%(prog)s [NAME ...]").error(
            f"no such benchmark: {unknown}; choose among {', '.join(BENCHMARKS)}"
        )
    install(session, "tests", "bench")
    measure(*wanted)


@nox.session(default=False)
def prepare(session: nox.Session) -> None:
    """Turn chat conversations into validated splits and register them as a data asset."""
    stage(session, "prepare")


@nox.session(default=False)
def finetune(session: nox.Session) -> None:
    """Fine-tune the foundation model on the GPU cluster with the registry's chat-completion pipeline."""
    stage(session, "finetune", "detach", "force")


@nox.session(default=False)
def evaluate(session: nox.Session) -> None:
    """Score candidate, champion and base on the same held-out conversations in one job."""
    stage(session, "evaluate")


@nox.session(default=False)
def gate(session: nox.Session) -> None:
    """Decide from the evaluation whether the candidate may go to production."""
    stage(session, "gate")


@nox.session(default=False)
def register(session: nox.Session) -> None:
    """Register the accepted model with its lineage."""
    stage(session, "register")


@nox.session(default=False)
def deploy(session: nox.Session) -> None:
    """Put the model behind the endpoint's idle color, without traffic, and ask it questions."""
    stage(session, "deploy")


@nox.session(default=False)
def rollout(session: nox.Session) -> None:
    """Shift traffic to the new deployment step by step, and back at once if it does worse."""
    stage(session, "rollout")


@nox.session(default=False)
def release(session: nox.Session) -> None:
    """Take conversations to production: all seven stages, in a new run."""
    stage(session, "release", "detach", "force", default_run=time.strftime("%Y%m%d-%H%M%S"))


@nox.session(default=False)
def mlops(session: nox.Session) -> None:
    """Run the command of `mlops` that stands after `--`."""
    install_for(session, "local" if "local" in session.posargs else "")
    exit_as("mlops", *session.posargs)


@nox.session(default=False)
def workflows(session: nox.Session) -> None:
    """Run the workflows on this machine, to traffic: act plays GitHub, the emulator Azure."""
    # What the jobs will ask for, so that none of them installs its own checkout here.
    install(session, parts="base")
    install(session, "docs", "tests", parts="base")
    install(session)
    install(session, "tests", "workflows")
    run(session, "pytest", "tests/workflows/act.py", *session.posargs)


@nox.session(default=False)
def clean(session: nox.Session) -> None:
    """Delete the endpoint and its deployments; one that has traffic only on this machine, where nobody needs it."""
    environment = options(session).environment
    install_for(session, environment)
    exit_as("mlops", "clean", "--environment", environment, *["--force"] * (environment == "local"))


@nox.session(default=False)
def lock(session: nox.Session) -> None:
    """Write the locked versions anew from pyproject.toml."""
    groups = [word for group in PYPROJECT["dependency-groups"] for word in ("--group", group)]
    run(session, "python", "-m", "pip", "install", "--quiet", "uv")
    options = ("--all-extras", "--universal", "--upgrade", "--no-header", "--no-annotate", "--quiet")
    run(session, "uv", "pip", "compile", "pyproject.toml", *options, *groups, "--output-file", str(LOCK))
