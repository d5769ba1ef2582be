"""Look after a rollout under way: status, pause, resume, promote, abort, recover, watch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from mlops.commands.parsers import Commands, add_command, add_environment, add_json

EXAMPLE: Final = "mlops rollout {} --environment prod"
ORDERS: Final = {
    "pause": "Stop where it is; the traffic stays as it is until somebody resumes, promotes or aborts.",
    "resume": "Go on with a rollout that is paused or whose runner is lost, measuring its step afresh.",
    "promote": "Go on with a paused rollout as if its step had passed.",
    "abort": "Take all traffic back in one write, whoever is at work.",
}


def add(commands: Commands) -> None:
    """Add the commands to the command line."""
    noun = commands.add_parser(
        "rollout",
        help="Look after a rollout under way.",
        description=__doc__,
        epilog=f"example: {EXAMPLE.format('watch')}",
    )
    verbs = noun.add_subparsers(required=True, metavar="VERB")
    for name, text in ORDERS.items():
        parser = add_command(verbs, order, EXAMPLE.format(name), name=name, text=text)
        add_environment(parser)
        parser.set_defaults(verb=name)
    for name, verb in VERBS.items():
        parser = add_command(verbs, verb, EXAMPLE.format(name))
        add_environment(parser)
        if verb is status:
            add_json(parser)


def order(environment: str, verb: Any) -> None:
    """Give an order to the rollout."""
    from mlops.operations import rollouts
    from mlops.operations.site import Site
    from mlops.reports.tables import terminal

    site = Site.of(environment, terminal())
    rollouts.tell(site, rollouts.give(site, verb, reason=f"{verb} by an operator"))


def status(environment: str, *, as_json: bool) -> None:
    """Say where the rollout stands."""
    from mlops.operations import endpoint
    from mlops.operations.site import Site
    from mlops.reports.tables import terminal
    from mlops.rollout import breadcrumb

    site = Site.of(environment, terminal())
    found = site.find()
    if as_json:
        crumb = breadcrumb.read(found.tags)
        print(crumb.model_dump_json(indent=2) if crumb else "null")
        return
    site.say(endpoint.progress(found))


def recover(environment: str) -> None:
    """Take up a rollout whose runner is lost: back from less than everything, else on to the end."""
    from mlops.errors import HeldError
    from mlops.operations import rollouts
    from mlops.operations.site import Site
    from mlops.reports.tables import terminal

    site = Site.of(environment, terminal())
    try:
        rollouts.tell(site, rollouts.recover(site))
    except HeldError as error:
        site.say(f"nothing is lost, and nothing to recover: {error}")


def watch(environment: str) -> None:
    """Follow the rollout until it is over or paused: a live view on a terminal, a line for every change elsewhere."""
    from mlops.operations import watching
    from mlops.operations.site import Site
    from mlops.reports.tables import terminal

    watching.watch(Site.of(environment, terminal()))


VERBS: Final[dict[str, Callable[..., None]]] = {"status": status, "recover": recover, "watch": watch}
