"""Real conversations to ask deployments: held out from training, with the answers that people gave."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from mlops.errors import AzureError
from mlops.rollout import smoke
from mlops.rollout.examples import Example
from mlops.workspace.assets import download_data, parts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlops.workspace.client import Workspace

MOST = 500
FILE = "test.jsonl"
CASES = Path(__file__).parents[2] / "data" / "behavior.jsonl"


def of_file(path: Path) -> list[Example]:
    """Return the conversations of a prepared split, up to the first answer."""
    return list(_examples(path.read_bytes().splitlines()[:MOST]))


def of_asset(workspace: Workspace, asset: str) -> list[Example]:
    """Return the held-out conversations of a data asset `azureml:NAME:VERSION`, or smoke questions if it is gone."""
    if (named := parts(asset)) is None:
        return of_smoke()
    with tempfile.TemporaryDirectory() as folder:
        try:
            found = download_data(workspace, *named, Path(folder))
        except AzureError:
            return of_smoke()
        return of_file(next(found.rglob(FILE)))


def of_smoke() -> list[Example]:
    """Return the smoke questions, which have no reference."""
    asked = [case for case in smoke.load() if case.messages and case.expect == "answer"]
    return [Example(number, case.messages) for number, case in enumerate(asked)]


def cases(first: int) -> list[Example]:
    """Return the behavior cases that one answer decides, numbered from `first`; an endpoint tells no likelihoods."""
    rows = [orjson.loads(line) for line in CASES.read_bytes().splitlines()]
    found = [row for row in rows if row["kind"] == "minimum"]
    return [Example(first + n, tuple(row["messages"]), matches=row["matches"]) for n, row in enumerate(found)]


def _examples(lines: Iterable[bytes]) -> Iterable[Example]:
    for number, line in enumerate(lines):
        row = orjson.loads(line)
        asked, answer = [], ""
        for message in row["messages"]:
            if message["role"] == "assistant":
                answer = message["content"]
                break
            asked.append({"role": message["role"], "content": message["content"]})
        yield Example(number, tuple(asked), answer)
