"""`mlops plan`: what the next fine-tuning job would be made of and cost, without starting anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlops.commands.parsers import Commands, add_command, add_environment, add_json

if TYPE_CHECKING:
    from mlops.planning import Recipe


def add(commands: Commands) -> None:
    """Add the command to the command line."""
    parser = add_command(commands, plan, "mlops plan --environment dev --run nightly")
    add_environment(parser)
    parser.add_argument("--run", default="local", help="the run whose prepared data it is (default: local)")
    add_json(parser)


def plan(environment: str, run: str, *, as_json: bool) -> None:
    """Show a fine-tuning job before it is paid for: exit code 1 if it would cost more than the budget."""
    import json
    from datetime import UTC, datetime
    from typing import cast

    from mlops import settings, stage
    from mlops.errors import Refusal
    from mlops.planning import recipe
    from mlops.records import DataAsset
    from mlops.reports import tables, training

    folder = stage.RUNS / run
    context = stage.Context(environment, run, folder, settings.load(environment), tables.terminal())
    data = cast("DataAsset", stage.load(folder, "prepare"))
    made = recipe(context.workspace, context.settings, data, today=datetime.now(UTC).date())
    if as_json:
        print(json.dumps(_document(made), indent=2))
    else:
        for table in tables.recipe(made.plan, *made.steps, max_usd=made.max_usd):
            tables.show(context.console, table)
    training.keep_plan(folder, made.plan)
    if made.refusal:
        raise Refusal(made.refusal)


def _document(recipe: Recipe) -> dict[str, Any]:
    return {
        "plan": recipe.plan.model_dump(),
        "steps": [step.values for step in recipe.steps],
        "max_usd": recipe.max_usd,
        "refusal": recipe.refusal,
    }
