"""`python -m mlops.datasets`: prepare conversations inside a job, for data that no runner's disk would hold."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from mlops.datasets.card import DataCard, describe
from mlops.datasets.prepare import prepare_splits
from mlops.datasets.settings import DataSettings
from mlops.datasets.tokens import find_tokenizer
from mlops.errors import MlopsError


def main() -> None:
    """Prepare what the settings say; the outputs, which may be mounted, are written last."""
    parser = argparse.ArgumentParser(prog="python -m mlops.datasets", description=__doc__)
    parser.add_argument("--settings", type=Path, required=True, help="JSON file: the section data of the settings")
    parser.add_argument("--asset", type=Path, help="folder of the data asset that the settings name as source")
    parser.add_argument("--data", type=Path, required=True, help="folder for train, validation and test")
    parser.add_argument("--report", type=Path, required=True, help="folder for what is said of them")
    given = parser.parse_args()
    settings = DataSettings.model_validate_json(given.settings.read_bytes())
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        work = Path(name)
        try:
            card = _prepare(settings, work, given.asset)
        except MlopsError as error:
            print(error, file=sys.stderr)
            sys.exit(error.exit_code)
        shutil.copytree(work / "data", given.data, dirs_exist_ok=True)
        given.report.mkdir(parents=True, exist_ok=True)
        (given.report / "data-card.json").write_text(card.model_dump_json(), encoding="utf-8")
        for report in ("prepared.json", "quarantine.jsonl"):
            shutil.copy(work / report, given.report)
        # The rollout asks what no model was trained on, and it runs where the stages do.
        shutil.copy(work / "data" / "test.jsonl", given.report)


def _prepare(settings: DataSettings, work: Path, asset: Path | None) -> DataCard:
    prepared = prepare_splits(settings, work / "data", cache=work / "cache", show=_say, asset=asset)
    tokenizer = find_tokenizer(settings.tokenizer, cache=work / "cache") if settings.tokenizer else None
    return describe(prepared, work / "data", settings, tokenizer=tokenizer)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
