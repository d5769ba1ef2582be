"""Run a stage from the command line: `python -m pipelines.<stage> --environment NAME --run RUN`.

A run is a folder, `runs/<run>/`; each stage reads the record before it there and writes its own last, whole.
"""

from __future__ import annotations

import argparse
import errno
import os
import re
import signal
import sys
import time
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, Final, ParamSpec, TypeVar, cast

from rich.console import Console

from mlops import github
from mlops import settings as settings_module
from mlops.errors import INTERRUPTED, InputError, MlopsError, RecordError, Refusal
from mlops.layers import variable
from mlops.records import STAGES, Record, chain, seal, unseal
from mlops.reports import tables
from mlops.reports.sentences import say
from mlops.whole import NO_SPACE, write_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mlops.sections import Settings
    from mlops.workspace.client import Workspace

P = ParamSpec("P")
R = TypeVar("R", bound=Record)

DISK: Final = NO_SPACE | {errno.EROFS}
"""What the system says of a disk that takes no more."""
RUNS: Final = Path("runs")
RUN_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,39}")


@dataclass(frozen=True)
class Context:
    """What every stage is given beside its record; of a run that is resumed, what is done is not done again."""

    environment: str
    run: str
    folder: Path
    settings: Settings
    console: Console
    resumed: bool = False

    @cached_property
    def workspace(self) -> Workspace:
        """Return the workspace, opened at the first use; an emulator is started first if the settings ask."""
        from mlops.workspace.client import reach

        return reach(self.settings.workspace)

    def say(self, line: str) -> None:
        """Print a line of a stage's result."""
        say(self.console, line)


def main(stage: Callable[Concatenate[Context, P], R], *, switches: Sequence[str] = ()) -> None:
    """Run one stage for the command line and exit: 0 done, 1 a considered no, 2 something to mend."""

    def after_the_one_before(context: Context) -> None:
        perform(stage, context, *_before(stage.__name__, context.folder))  # type: ignore[arg-type, call-arg]  # by name

    run(after_the_one_before, description=stage.__doc__, switches=switches)


def run(
    program: Callable[[Context], object],
    *,
    description: str | None,
    switches: Sequence[str] = (),
    resumable: bool = False,
) -> None:
    """Parse the command line all programs share, run the program, and exit with its code.

    A switch is a setting such as `finetune.detach`, which `--detach` makes true; what is resumable has `--resume`, too.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--environment", required=True, help="which settings: local, dev or prod")
    parser.add_argument("--run", required=True, help="name of the run; its records are kept under runs/<run>/")
    for switch in switches:
        parser.add_argument(f"--{switch.rpartition('.')[2]}", dest=switch, action="store_true", help=f"set {switch}")
    parser.set_defaults(resume=False)
    if resumable:
        parser.add_argument("--resume", action="store_true", help="stages that are done are not done again")
    arguments = parser.parse_args()
    on = [switch for switch in switches if getattr(arguments, switch)]
    variables = os.environ | {variable(switch): "true" for switch in on}
    console = tables.terminal()
    # Continuous integration cancels with SIGTERM: what Ctrl-C undoes, that undoes, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        context = _context(arguments.environment, arguments.run, console, variables=variables)
        program(replace(context, resumed=arguments.resume))
    except KeyboardInterrupt:
        console.print("interrupted", style="red")
        sys.exit(INTERRUPTED)
    except MlopsError as error:
        style = "yellow" if error.exit_code < 2 else "red"  # noqa: PLR2004 - 2 is something to mend
        say(console, str(error), indent="", style=style)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno not in DISK:
            raise
        where = error.filename or RUNS / arguments.run
        say(console, f"cannot write {where}: {error.strerror}. Make room there, and run again", indent="", style="red")
        sys.exit(InputError.exit_code)


def perform(stage: Callable[Concatenate[Context, P], R], context: Context, /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a stage and write its record, last and atomically; return the kept one if the run is resumed and it stands.

    Raises Refusal after that if the record says that the path ends here.
    """
    name = stage.__name__
    if context.resumed and (kept := standing(context.folder, name, *args)):  # type: ignore[arg-type]  # records
        _announce(context, name, "done before")
        return cast("R", kept)
    _announce(context, name, (stage.__doc__ or "").splitlines()[0])
    start = time.monotonic()
    record = stage(context, *args, **kwargs)
    _keep(context.folder, name, seal(record))
    github.output(digest=record.digest)
    context.say(f"done in {time.monotonic() - start:.0f} s")
    if record.refusal:
        tables.note(f"**{name}**: {record.refusal}")
        raise Refusal(f"{name}: {record.refusal}")
    return record


def _announce(context: Context, stage: str, text: str) -> None:
    number = list(STAGES).index(stage) + 1
    context.console.print(f"[bold]\\[{number}/{len(STAGES)}] {stage}[/bold]  {text}", highlight=False)


def standing(folder: Path, stage: str, *before: Record) -> Record | None:
    """Return the record that a stage left, if it refuses nothing and was made from the very one before; else None.

    Raises RecordError if it was changed.
    """
    if not (folder / f"{stage}.json").is_file():
        return None
    record = load(folder, stage)
    held = [*chain(record).values()][-2:-1]
    is_made_from_it = [each.digest for each in held] == [each.digest for each in before]
    return record if is_made_from_it and record.refusal is None else None


def _keep(folder: Path, stage: str, content: bytes) -> None:
    """Write a stage's record; if it is another than before, the records that were made from that one are stale."""
    path = folder / f"{stage}.json"
    if path.is_file() and path.read_bytes() == content:
        return
    names = list(STAGES)
    for later in names[names.index(stage) + 1 :]:
        (folder / f"{later}.json").unlink(missing_ok=True)
    write_whole(path, content)


def load(folder: Path, stage: str) -> Record:
    """Return the record that a stage left in a run's folder.

    Raises RecordError naming the stage to run if there is none, or if it was changed.
    """
    path = folder / f"{stage}.json"
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        others = ", ".join(sorted(other.parent.name for other in folder.parent.glob(f"*/{stage}.json")))
        choice = f", or name a run that has one: {others}" if others else ""
        raise RecordError(f"{path} does not exist: run the {stage} stage of run {folder.name} first{choice}") from None
    return unseal(STAGES[stage], content, where=str(path))


def _before(stage: str, folder: Path) -> tuple[Record, ...]:
    names = list(STAGES)
    index = names.index(stage)
    return (_expected(load(folder, names[index - 1]), names[index - 1]),) if index else ()


def _expected(record: Record, stage: str) -> Record:
    """Return the record that the job before this one left; a seal can be made anew, its digest in the job's output not.

    Raises RecordError if it is another one.
    """
    digest = github.expected_digest()
    if digest and record.digest != digest:
        raise RecordError(
            f"the {stage} record is not the one that its job left: it has digest {record.digest[:12]}, the job said "
            f"{digest[:12]}. Somebody exchanged the artifact: run the release again"
        )
    return record


def _context(environment: str, run: str, console: Console, *, variables: Mapping[str, str]) -> Context:
    if not RUN_NAME.fullmatch(run):
        raise InputError(f"--run {run!r}: must be letters, digits and dashes, 40 at most")
    return Context(environment, run, RUNS / run, settings_module.load(environment, variables=variables), console)
