"""`mlops drill`: rehearse a rollback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "drill", help=drill.__doc__, description=drill.__doc__, epilog="example: mlops drill --environment dev"
    )
    parser.add_argument("--environment", required=True, help="which settings: local, dev or prod")
    parser.set_defaults(command=drill)


def drill(environment: str) -> None:
    """Rehearse a rollback with a candidate that cannot answer in time; report how long users were at risk."""
    from mlops.operations.drill import drill
    from mlops.operations.site import Site
    from mlops.reports.tables import terminal

    drill(Site.of(environment, terminal()))
