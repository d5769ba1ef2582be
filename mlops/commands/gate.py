"""Look after a run's decision: verify."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from mlops.commands.parsers import Commands, add_command, add_environment, add_noun

if TYPE_CHECKING:
    from mlops.records import GateDecision, RegisteredModel


def add(commands: Commands) -> None:
    """Add `gate` and its own commands to the command line."""
    verbs = add_noun(commands, "gate", __doc__, "mlops gate verify nightly --environment dev")
    verified = add_command(verbs, verify, "mlops gate verify nightly --environment dev")
    verified.add_argument("run", metavar="RUN")
    add_environment(verified)


def verify(run: str, environment: str) -> None:
    """Judge a run again from its examples, and compare its records with the tags on job and model."""
    from mlops import verification
    from mlops.operations.site import Site
    from mlops.reports.tables import terminal
    from mlops.stage import RUNS, load

    site, folder = Site.of(environment, terminal()), RUNS / run
    decision = cast("GateDecision", load(folder, "gate"))
    verification.check_decision(site.workspace, decision, folder, site.settings.gate)
    print(f"decision {decision.digest[:12]}: {decision.outcome}; its examples and rules give it again")
    if (folder / "register.json").is_file():
        model = cast("RegisteredModel", load(folder, "register"))
        verification.check_model(site.workspace, model)
        print(f"model {model.id} was registered for it")
