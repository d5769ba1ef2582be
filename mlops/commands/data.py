"""Look at what `prepare` made of a run's conversations: show, diff, card, serving."""

from __future__ import annotations

import argparse
import shutil
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mlops.commands.parsers import Commands, add_command, add_environment, add_noun
from mlops.errors import InputError, Refusal

if TYPE_CHECKING:
    from mlops.datasets.card import DataCard

RUNS: Final = Path("runs")
SPLITS: Final = ("train", "validation", "test")


def add(commands: Commands) -> None:
    """Add `data` and its own commands to the command line."""
    verbs = add_noun(commands, "data", __doc__, "mlops data show nightly")
    shown = add_command(verbs, show, "mlops data show nightly --split test --rows 5")
    shown.add_argument("run", metavar="RUN")
    shown.add_argument("--split", choices=SPLITS, default="train", help="which file (default: train)")
    shown.add_argument("--rows", type=_count, default=3, help="how many conversations (default: 3)")
    _add_origin(shown)
    compared = add_command(verbs, diff, "mlops data diff serving nightly")
    compared.add_argument("old", metavar="OLD", help="the run of the older data")
    compared.add_argument("new", metavar="NEW", help="the run of the newer data, whose settings say what is much")
    _add_origin(compared)
    serves = add_command(verbs, serving, "mlops data serving --environment dev serving")
    serves.add_argument("run", metavar="RUN", help="the run that the data is kept as, to compare others with")
    add_environment(serves)
    described = add_command(verbs, card, "mlops data card nightly")
    described.add_argument("run", metavar="RUN")


def _add_origin(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--environment", help="where to fetch conversations from that are not on this machine")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text} is no number of conversations: give 1 or more")
    return int(text)


def show(run: str, split: str, rows: int, environment: str | None) -> None:
    """Print the first conversations of a run, as a person reads a chat."""
    import orjson

    from mlops.reports import chat
    from mlops.reports.tables import terminal

    with _split(run, split, environment).open("rb") as lines:
        for number, line in enumerate(islice(lines, rows), start=1):
            chat.show(terminal(), orjson.loads(line), number=number)


def diff(old: str, new: str, environment: str | None) -> None:
    """Compare the training data of two runs: exit code 0 if it is worth training again, 1 if it is not."""
    from mlops import github
    from mlops.datasets.drift import compare
    from mlops.datasets.settings import DataSettings
    from mlops.datasets.tokens import find_tokenizer
    from mlops.reports import tables

    settings = DataSettings.model_validate(_card(new).settings)
    tokenizer = find_tokenizer(settings.tokenizer, cache=RUNS / ".cache") if settings.tokenizer else None
    older, newer = (_split(run, "train", environment) for run in (old, new))
    drift = compare(older, newer, tokenizer=tokenizer)
    tables.show(tables.terminal(), tables.drift(drift, settings.drift))
    reasons = drift.reasons(settings.drift)
    github.output(worth=str(bool(reasons)).lower())
    if not reasons:
        raise Refusal(f"not worth training again: {new} is too much like {old}")
    print(f"worth training again: {'; '.join(reasons)}")


def serving(run: str, environment: str) -> None:
    """Fetch what the model that serves users was trained on, as the data of a run."""
    from mlops import settings
    from mlops.workspace import client, endpoints
    from mlops.workspace.assets import download_data, model_tags, parts

    loaded = settings.load(environment)
    workspace = client.reach(loaded.workspace)
    endpoint = endpoints.find(workspace, loaded.deploy.endpoint)
    if endpoint is None or endpoint.stable is None:
        raise InputError(f"nothing serves in {environment} yet: make the first release by hand")
    model = endpoints.deployed_model(workspace, endpoint.name, endpoint.stable)
    asset = model_tags(workspace, model).get("data", "")
    if (named := parts(asset)) is None:
        raise InputError(
            f"{endpoint.name} serves {model}, whose tag `data` names no data asset ({asset or 'there is none'}): these "
            "stages did not register it. Make the first release by hand"
        )
    name, version = named
    folder = RUNS / run / "data"
    shutil.rmtree(folder, ignore_errors=True)
    found = download_data(workspace, name, version, folder / "asset")
    next(found.rglob("train.jsonl")).replace(folder / "train.jsonl")
    print(f"{folder} holds {asset}, on which {model} was trained")


def card(run: str) -> None:
    """Write a run's data card again, as Markdown and as a page, from its data-card.json."""
    from mlops.reports.data_card import write

    print(write(_card(run), RUNS / run))


def _card(run: str) -> DataCard:
    from pydantic import ValidationError

    from mlops.datasets.card import DataCard

    path = _file(run, "data-card.json")
    try:
        return DataCard.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise InputError(f"{path} is no data card of this version: {error.errors()[0]['msg']}. {_again(run)}") from None


def _split(run: str, split: str, environment: str | None) -> Path:
    """Return a split of a run; one that a job prepared is fetched from its workspace."""
    from mlops import settings, stage

    path = RUNS / run / "data" / f"{split}.jsonl"
    if path.is_file() or not (RUNS / run / "prepare.json").is_file():
        return _file(run, f"data/{split}.jsonl")
    if environment is None:
        raise InputError(f"{path} is not on this machine: say where it was prepared, --environment NAME, to fetch it")
    from mlops.workspace import client
    from mlops.workspace.assets import download_file

    uri = getattr(stage.load(RUNS / run, "prepare"), split).uri
    download_file(client.reach(settings.load(environment).workspace), uri, path)
    return path


def _file(run: str, name: str) -> Path:
    path = RUNS / run / name
    if not path.is_file():
        raise InputError(f"{path} does not exist. {_again(run)}")
    return path


def _again(run: str) -> str:
    return f"Run `python -m pipelines.prepare --environment NAME --run {run}` first"
