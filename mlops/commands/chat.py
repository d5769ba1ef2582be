"""`mlops chat`: talk to the endpoint, or to a model."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mlops.commands.parsers import Commands, add_command, add_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from mlops.operations.site import Site
    from mlops.rollout.probe import Probe


def add(commands: Commands) -> None:
    """Add the command to the command line."""
    parser = add_command(commands, chat, "mlops chat --environment local --deployment green")
    add_environment(parser)
    who = parser.add_mutually_exclusive_group()
    who.add_argument("--deployment", metavar="COLOR", help="who must answer (default: whom the traffic chooses)")
    who.add_argument("--model", metavar="NAME[:VERSION]", help="serve a registered model on this machine, and ask that")


def chat(environment: str, deployment: str | None, model: str | None) -> None:
    """Talk to the endpoint, or to a model; each answer says who gave it. End with Ctrl-D, or the end of the input."""
    from mlops.errors import AzureError
    from mlops.operations.chat import Chat
    from mlops.operations.site import Site
    from mlops.reports.chat import answering, show_answer
    from mlops.reports.sentences import say
    from mlops.reports.tables import terminal

    site = Site.of(environment, terminal())
    with _model(site, model) if model else _endpoint(site, deployment) as probe:
        talk = Chat(probe, deployment)
        for text in prompts(site.console):
            try:
                with answering(site.console) as heard:
                    sample = talk.say(text, heard)
            except AzureError as error:
                say(site.console, str(error), indent="", style="red")
                continue
            show_answer(site.console, sample.text, who=f"{sample.deployment or model}, {sample.seconds:.1f} s")


@contextmanager
def _endpoint(site: Site, deployment: str | None) -> Iterator[Probe]:
    from mlops.errors import InputError
    from mlops.operations import rollouts
    from mlops.rollout.probe import opened

    endpoint, limits = site.find(), site.settings.deploy
    if deployment not in (None, *endpoint.traffic):
        there = ", ".join(sorted(endpoint.traffic)) or "none"
        raise InputError(f"--deployment {deployment}: {endpoint.name} has no such deployment; choose one of {there}")
    client = rollouts.probe(
        site.workspace, endpoint, timeout_s=limits.request_timeout_s, max_new_tokens=limits.max_new_tokens
    )
    with opened(client) as probe:
        yield probe


@contextmanager
def _model(site: Site, model: str) -> Iterator[Probe]:
    from mlops.operations.local_model import served
    from mlops.rollout.probe import Probe, opened
    from mlops.stage import RUNS
    from mlops.workspace.assets import download_model

    name, _, version = model.removeprefix("azureml:").partition(":")
    limits = site.settings.deploy
    print(f"fetching {model} and starting it on this machine, which takes up to a minute …", file=sys.stderr)
    folder = download_model(site.workspace, name, version or "latest", RUNS / ".cache" / "models")
    with served(folder) as uri:
        # It asks for no key.
        client = Probe(uri, lambda: "none", timeout_s=limits.request_timeout_s, max_new_tokens=limits.max_new_tokens)
        with opened(client) as probe:
            yield probe


def prompts(console: Console) -> Iterator[str]:
    """Yield what the person says, until the end of the input."""
    while True:
        try:
            text = console.input("[bold cyan]you [/]" if console.is_terminal else "").strip()
        except (EOFError, KeyboardInterrupt):
            if console.is_terminal:
                console.print()  # what comes next begins a line
            return
        if text:
            yield text
