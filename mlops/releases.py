"""How a release of this folder was begun: who goes on with it gives its stages the same variables again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from mlops.errors import InputError, RecordError
from mlops.layers import said, variable
from mlops.records import STAGES
from mlops.records.record import Frozen
from mlops.stage import RUNS, standing
from mlops.whole import write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mlops.records import Record

FILE: Final = "release.json"
SECTIONS: Final = {stage: "data" if stage == "prepare" else stage for stage in STAGES}
"""Which section of the settings tells a stage what to do."""


class Release(Frozen):
    """The environment that a release began in, and what MLOPS_ variables said to it, by the setting's path."""

    environment: str
    said: dict[str, str]

    def again(self, given: Mapping[str, str], *, done: set[str]) -> dict[str, str]:
        """Return the variables to go on with: those it began with, and those given now to stages that are not done.

        Raises InputError for a variable that tells a stage that is done something else than it was told.
        """
        now = said(given)
        for path, value in now.items():
            if path.partition(".")[0] in {SECTIONS[stage] for stage in done} and self.said.get(path) != value:
                before = f"with {self.said[path]}" if path in self.said else "without it"
                raise InputError(
                    f"{variable(path)}={value}: the stage it is for is done, {before}, and is not done anew when a run "
                    f"is resumed. Unset it, or begin a release of another name"
                )
        return {variable(path): value for path, value in (self.said | now).items()}


def begin(folder: Path, environment: str, given: Mapping[str, str]) -> None:
    """Keep in a run's folder how its release begins."""
    release = Release(environment=environment, said=said(given))
    write_whole(folder / FILE, release.model_dump_json(indent=2).encode())


def find(run: str, folder: Path = RUNS) -> Release:
    """Return how a run's release began; raise InputError if none did here, RecordError if what was kept is damaged."""
    path = folder / run / FILE
    try:
        return Release.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        known = ", ".join(sorted(path.parent.name for path in folder.glob(f"*/{FILE}")))
        choice = f"choose one of {known}" if known else "begin one: nox -s release"
        raise InputError(f"{path} does not exist: no release began run {run} here; {choice}") from None
    except ValidationError:
        raise RecordError(f"{path} was changed by hand: start the release anew with --run {run}") from None


def done(run: str, folder: Path = RUNS) -> set[str]:
    """Return the stages of a run whose records stand, each made from the one before.

    Raises RecordError if one was changed.
    """
    found: dict[str, Record] = {}
    for stage in STAGES:
        record = standing(folder / run, stage, *[*found.values()][-1:])
        if record is None:
            break
        found[stage] = record
    return set(found)
