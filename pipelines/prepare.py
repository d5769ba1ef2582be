"""Stage 1 of 7: `python -m pipelines.prepare --environment local --run RUN`."""

from __future__ import annotations

import shutil
from itertools import count
from pathlib import Path

from mlops import stage
from mlops.datasets.prepare import Prepared, prepare_splits
from mlops.records import DataAsset, Split
from mlops.reports.progress import progress
from mlops.stage import Context


def prepare(context: Context) -> DataAsset:
    """Turn chat conversations into validated splits and register them as a data asset."""
    folder = context.folder / "data"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with progress(context.console) as show:
        rows = count(1)
        prepared = prepare_splits(
            context.settings.data, folder, on_row=lambda: show(f"{next(rows):,} conversations read")
        )
    _say(context, prepared, folder)
    return _register(context, prepared, folder)


def _say(context: Context, prepared: Prepared, folder: Path) -> None:
    sizes = ", ".join(f"{split.rows:,} {name}" for name, split in prepared.splits.items())
    context.say(f"{sizes} conversations; {prepared.duplicates:,} duplicates left out")
    for reason, rows in prepared.quarantined.most_common():
        context.say(f"{rows:,} in {folder.with_name('quarantine.jsonl')}: {reason}")


def _register(context: Context, prepared: Prepared, folder: Path) -> DataAsset:
    from mlops.workspace.assets import register_data

    source = context.settings.data.source
    name, version = Path(source).stem, prepared.content_hash[:16]
    tags = {"source": source, "content_hash": prepared.content_hash}
    asset_id, uri = register_data(context.workspace, folder, name=name, version=version, tags=tags)
    splits = {
        split: Split(rows=file.rows, sha256=file.sha256, uri=f"{uri}/{split}.jsonl")
        for split, file in prepared.splits.items()
    }
    context.say(f"data asset {asset_id}")
    return DataAsset(
        id=asset_id,
        name=name,
        version=version,
        source=source,
        content_hash=prepared.content_hash,
        quarantined=prepared.quarantined.total(),
        **splits,
    )


if __name__ == "__main__":
    stage.main(prepare)
