"""Look after a run's decision: verify."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import argparse

    from mlops.records import GateDecision, RegisteredModel


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Add `gate` and its own commands to the command line."""
    nouns = commands.add_parser(
        "gate", help=__doc__, description=__doc__, epilog="example: mlops gate verify nightly --environment dev"
    )
    verbs = nouns.add_subparsers(required=True, metavar="COMMAND")
    verified = verbs.add_parser(
        "verify",
        help=verify.__doc__,
        description=verify.__doc__,
        epilog="example: mlops gate verify nightly --environment dev",
    )
    verified.add_argument("run", metavar="RUN")
    verified.add_argument("--environment", required=True, help="which settings: local, dev or prod")
    verified.set_defaults(command=verify)


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
