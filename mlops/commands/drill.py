"""`mlops drill`: rehearse a rollback."""

from __future__ import annotations

from mlops.commands.parsers import Commands, add_command, add_environment


def add(commands: Commands) -> None:
    """Add the command to the command line."""
    parser = add_command(commands, drill, "mlops drill --environment dev")
    add_environment(parser)


def drill(environment: str) -> None:
    """Rehearse a rollback with a candidate that cannot answer in time; report how long users were at risk."""
    from mlops.operations.drill import drill
    from mlops.operations.site import Site
    from mlops.reports.tables import terminal

    drill(Site.of(environment, terminal()))
