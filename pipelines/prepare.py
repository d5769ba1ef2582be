"""Stage 1 of 7: `python -m pipelines.prepare --environment local --run RUN`."""

from __future__ import annotations

import re
from pathlib import Path, PurePath

from mlops import stage
from mlops.datasets.prepare import Prepared, prepare_splits
from mlops.records import DataAsset, Split
from mlops.reports.progress import progress
from mlops.stage import Context


def prepare(context: Context) -> DataAsset:
    """Turn chat conversations into validated splits and register them as a data asset."""
    folder = context.folder / "data"
    cache = context.folder.parent / ".cache"
    asset = _download(context, cache)
    with progress(context.console) as show:
        prepared = prepare_splits(context.settings.data, folder, cache=cache, show=show, asset=asset)
    _say(context, prepared)
    _describe(context, prepared, folder)
    return _register(context, prepared, folder)


def _download(context: Context, cache: Path) -> Path | None:
    """Return where the data asset is that the settings name as source, if they name one."""
    source = context.settings.data.source
    if not source.startswith("azureml:"):
        return None
    from mlops.workspace.assets import download_data

    name, _, version = source.removeprefix("azureml:").partition(":")
    folder = cache / name / version
    return folder if folder.is_dir() else download_data(context.workspace, name, version, folder)


def _say(context: Context, prepared: Prepared) -> None:
    counts = prepared.counts
    sizes = ", ".join(f"{split.rows:,} {name}" for name, split in prepared.splits.items())
    context.say(f"{sizes} conversations, from {counts.read:,} of {prepared.source} ({prepared.columns})")
    context.say(
        f"left out: {counts.sampled_out:,} not in the sample, {counts.duplicates:,} duplicates, "
        f"{counts.near_duplicates:,} near duplicates, {counts.contaminated:,} that share text with what is held out"
    )
    for reason, rows in sorted(counts.quarantined.items(), key=lambda item: -item[1]):
        context.say(f"{rows:,} in {context.folder / 'quarantine.jsonl'}: {reason}")


def _describe(context: Context, prepared: Prepared, folder: Path) -> None:
    from mlops.datasets.card import describe
    from mlops.datasets.tokens import find_tokenizer
    from mlops.reports.data_card import write

    settings = context.settings.data
    tokenizer = (
        find_tokenizer(settings.tokenizer, cache=context.folder.parent / ".cache") if settings.tokenizer else None
    )
    context.say(f"data card {write(describe(prepared, folder, settings, tokenizer=tokenizer), context.folder)}")


def _register(context: Context, prepared: Prepared, folder: Path) -> DataAsset:
    from mlops.workspace.assets import register_data

    name, version = _asset_name(prepared.source), prepared.content_hash[:16]
    tags = {
        "source": prepared.source,
        "revision": prepared.revision or "",
        "license": prepared.license or "",
        "settings_hash": prepared.settings_hash,
        "content_hash": prepared.content_hash,
    }
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
        source=prepared.source,
        content_hash=prepared.content_hash,
        quarantined=sum(prepared.counts.quarantined.values()),
        **splits,
    )


def _asset_name(source: str) -> str:
    """Return the last part of a source's name: without kind, revision, version and suffix."""
    plain = re.sub(r"^(hub|azureml):([^@:]+).*", r"\2", source)
    return re.sub(r"[^A-Za-z0-9_-]+", "-", PurePath(plain).stem).strip("-") or "conversations"


if __name__ == "__main__":
    stage.main(prepare)
