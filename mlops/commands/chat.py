"""`mlops chat`: talk to the endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from rich.console import Console


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser("chat", help=chat.__doc__, description=chat.__doc__)
    parser.add_argument("--environment", required=True, help="which settings: local, dev or prod")
    parser.add_argument("--deployment", metavar="COLOR", help="who must answer (default: whom the traffic chooses)")
    parser.set_defaults(command=chat)


def chat(environment: str, deployment: str | None) -> None:
    """Talk to the endpoint; each answer says who gave it. End with Ctrl-D, or with the end of the input."""
    from mlops.errors import AzureError, InputError
    from mlops.operations import rollouts
    from mlops.operations.chat import Chat
    from mlops.operations.site import Site
    from mlops.reports.chat import show_answer
    from mlops.reports.tables import terminal
    from mlops.rollout.probe import opened

    site = Site.of(environment, terminal())
    endpoint = site.find()
    if deployment not in (None, *endpoint.traffic):
        there = ", ".join(sorted(endpoint.traffic)) or "none"
        raise InputError(f"--deployment {deployment}: {endpoint.name} has no such deployment; choose one of {there}")
    limits = site.settings.deploy
    client = rollouts.probe(
        site.workspace, endpoint, timeout_s=limits.request_timeout_s, max_new_tokens=limits.max_new_tokens
    )
    with opened(client) as probe:
        talk = Chat(probe, deployment)
        for text in _lines(site.console):
            try:
                with site.console.status("…"):
                    sample = talk.say(text)
            except AzureError as error:
                site.console.print(str(error), style="red", markup=False, highlight=False)
                continue
            show_answer(site.console, sample.text, who=f"{sample.deployment}, {sample.seconds:.1f} s")


def _lines(console: Console) -> Iterator[str]:
    """Yield what the person says, until the end of the input."""
    while True:
        try:
            text = console.input("[bold cyan]you [/]" if console.is_terminal else "").strip()
        except (EOFError, KeyboardInterrupt):
            return
        if text:
            yield text
