"""`mlops status | rollback | clean`: look after the endpoint between releases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the commands to the command line."""
    for command in (status, rollback, clean):
        parser = commands.add_parser(command.__name__, help=command.__doc__, description=command.__doc__)
        parser.add_argument("--environment", required=True, help="which settings: local, dev or prod")
        parser.set_defaults(command=command)


def status(environment: str) -> None:
    """Show the endpoint's deployments, their models and their traffic."""
    from mlops.operations import describe
    from mlops.reports.tables import show, terminal

    show(terminal(), describe(environment))


def rollback(environment: str) -> None:
    """Take all traffic from the last rollout's candidate, in one write."""
    from mlops.operations import roll_back

    print(roll_back(environment))


def clean(environment: str) -> None:
    """Delete the endpoint and its deployments."""
    from mlops.operations import delete_endpoint

    print(delete_endpoint(environment))
