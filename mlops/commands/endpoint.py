"""`mlops status | rollback | clean`: look after the endpoint between releases."""

from __future__ import annotations

from mlops.commands.parsers import Commands, add_command, add_environment, add_json


def add(commands: Commands) -> None:
    """Add the commands to the command line."""
    parser = add_command(commands, status, "mlops status --environment prod")
    add_environment(parser)
    parser.add_argument(
        "--from-azure", action="store_true", help="show where the model comes from, too, by Azure's tags alone"
    )
    add_json(parser)
    parser = add_command(commands, rollback, "mlops rollback --environment prod")
    add_environment(parser)
    parser = add_command(commands, clean, "mlops clean --environment dev --older-than 24 --dry-run")
    add_environment(parser)
    parser.add_argument("--endpoint", help="another endpoint than the one of the settings")
    parser.add_argument(
        "--older-than", type=float, metavar="HOURS", help="of all endpoints only what failed, expired or idles so long"
    )
    parser.add_argument("--force", action="store_true", help="the whole endpoint, even if it has traffic")
    parser.add_argument("--dry-run", action="store_true", help="say what would be deleted, and delete nothing")


def status(environment: str, from_azure: bool, as_json: bool) -> None:
    """Show the endpoint with its traffic and its rollout, the youngest runs, jobs and models, and what they cost."""
    import json

    from mlops.operations import endpoint, lineage
    from mlops.operations.overview import overview
    from mlops.operations.site import Site
    from mlops.reports.tables import show, terminal

    site = Site.of(environment, terminal())
    found, rest = site.look(), overview(site)
    made = lineage.made(site.workspace, site.find()) if from_azure else None
    if as_json:
        told = endpoint.document(site.workspace, found) | rest.document | (made.document if made else {})
        print(json.dumps(told, indent=2))
        return
    if found:
        show(site.console, endpoint.table(site.workspace, found))
        site.say(endpoint.progress(found))
    else:
        site.say(f"there is no endpoint {site.endpoint} yet")
    for table in rest.tables:
        show(site.console, table)
    site.say(rest.cost)
    if made:
        show(site.console, made.table)


def rollback(environment: str) -> None:
    """Take all traffic from the last rollout's candidate, in one write."""
    from mlops.operations import rollouts
    from mlops.operations.site import Site
    from mlops.reports.tables import terminal

    site = Site.of(environment, terminal())
    state = rollouts.give(site, "abort", reason="rolled back by an operator")
    rollouts.tell(site, state)


def clean(environment: str, endpoint: str | None, older_than: float | None, force: bool, dry_run: bool) -> None:
    """Delete the endpoint and its deployments, or with --older-than what serves nobody."""
    from mlops.operations import janitor
    from mlops.operations.site import Site
    from mlops.reports.tables import terminal

    site = Site.of(environment, terminal())
    if older_than is None:
        findings = janitor.whole(site, endpoint, force=force)
    else:
        findings = [each for each in janitor.find(site, idle_s=3600 * older_than) if endpoint in (None, each.endpoint)]
    janitor.clean(site, findings, dry_run=dry_run)
