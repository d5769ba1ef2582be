"""Stage 1 of 7: `python -m pipelines.prepare --environment local --run RUN`."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

from mlops import stage
from mlops.datasets.card import DataCard, describe
from mlops.datasets.prepare import prepare_splits
from mlops.datasets.tokens import find_tokenizer
from mlops.errors import SettingsError
from mlops.records import DataAsset, Split
from mlops.reports import data_card
from mlops.reports.progress import progress
from mlops.stage import Context
from mlops.whole import fresh_folder, write_whole

SPEC = Path(__file__).parent / "specs" / "prepare.yml"
ENVIRONMENT = SPEC.with_name("data-environment.yml")
DATASETS = Path(__file__).parent.parent / "mlops" / "datasets"


def prepare(context: Context) -> DataAsset:
    """Turn chat conversations into validated splits and register them as a data asset."""
    context = _pinned(context)
    made = _on_cluster if context.settings.data.where == "cluster" else _here
    card, place = made(context)
    _say(context, card)
    context.say(f"data card {data_card.write(card, context.folder)}")
    return _register(context, card, place)


def _pinned(context: Context) -> Context:
    """Return the context with the version that is the latest now in its place: what is recorded says what was read."""
    data = context.settings.data
    if data.asset is None:
        return context
    from mlops.workspace.assets import data_version

    name, version = data.asset
    source = f"azureml:{name}:{data_version(context.workspace, name, version)}"
    pinned = data.model_copy(update={"source": source})
    return replace(context, settings=context.settings.model_copy(update={"data": pinned}))


def _here(context: Context) -> tuple[DataCard, str]:
    """Prepare in this process; return the card and the folder of the splits."""
    settings, folder = context.settings.data.conversations, context.folder / "data"
    cache = context.folder.parent / ".cache"
    asset = _download(context, cache)
    with progress(context.console) as show:
        prepared = prepare_splits(settings, folder, cache=cache, show=show, asset=asset)
    tokenizer = find_tokenizer(settings.tokenizer, cache=cache) if settings.tokenizer else None
    return describe(prepared, folder, settings, tokenizer=tokenizer), str(folder)


def _download(context: Context, cache: Path) -> Path | None:
    """Return where the data asset is that the settings name as source, if they name one."""
    if (asset := context.settings.data.asset) is None:
        return None
    from mlops.workspace.assets import download_data

    return download_data(context.workspace, *asset, cache)


def _on_cluster(context: Context) -> tuple[DataCard, str]:
    """Prepare in a job, for data that no runner's disk holds; return the card and the address of the splits."""
    from mlops.workspace.assets import version_of
    from mlops.workspace.cluster import ensure_cluster
    from mlops.workspace.jobs import download, follow
    from mlops.workspace.submissions import ComponentRequest, submit_component

    data, workspace = context.settings.data, context.workspace
    if data.cluster is None or data.local:
        raise SettingsError(
            "data.where = cluster: the job needs data.cluster (name, size), and cannot see files of this machine"
            f"{''.join(f', {each}' for each in data.local)}: give azureml:NAME:VERSION, a data asset, as source and "
            "hub:OWNER/NAME as tokenizer, leave benchmarks out, or prepare here with data.where = runner"
        )
    ensure_cluster(workspace, data.cluster, section="data.cluster")
    inputs = _inputs(context)
    code = version_of([SPEC, ENVIRONMENT, *sorted(DATASETS.rglob("*.py"))])
    digest = hashlib.sha256((code + data.conversations.model_dump_json()).encode()).hexdigest()[:8]
    name = f"prepare-{context.run}-{digest}"
    place = f"azureml://datastores/workspaceblobstore/paths/prepared/{name}"
    request = ComponentRequest(name, f"prepare {context.run}", "prepare", data.cluster, places={"data": place})
    submission = submit_component(workspace, SPEC, inputs, request)
    context.say(str(submission))
    with progress(context.console) as show:
        follow(workspace, submission.name, log=context.folder / "prepare.log", on_line=show)
    report = download(workspace, submission.name, "report", context.folder / "report")
    fresh_folder(context.folder / "data")
    for name, folder in (("quarantine.jsonl", context.folder), ("test.jsonl", context.folder / "data")):
        (report / name).replace(folder / name)
    return DataCard.model_validate_json((report / "data-card.json").read_bytes()), place


def _inputs(context: Context) -> dict[str, Any]:
    data, path = context.settings.data, context.folder / "data-settings.json"
    write_whole(path, data.conversations.model_dump_json(indent=2).encode())
    asset = {"asset": ("uri_folder", f"azureml:{':'.join(data.asset)}")} if data.asset else {}
    return {"settings": ("uri_file", str(path))} | asset


def _say(context: Context, card: DataCard) -> None:
    sizes = ", ".join(f"{split.rows:,} {split.name}" for split in card.splits)
    context.say(f"{sizes} conversations, from {card.read:,} of {card.source} ({card.columns})")
    context.say(
        f"left out: {card.sampled_out:,} not in the sample, {card.duplicates:,} duplicates, "
        f"{card.near_duplicates:,} near duplicates, {card.contaminated:,} that share text with what is held out"
    )
    for reason, rows in sorted(card.quarantined.items(), key=lambda item: -item[1]):
        context.say(f"{rows:,} in {context.folder / 'quarantine.jsonl'}: {reason}")


def _register(context: Context, card: DataCard, place: str) -> DataAsset:
    from mlops.workspace.assets import register_data

    name, version = _asset_name(card.source), card.content_hash[:16]
    tags = {
        "source": card.source,
        "revision": card.revision or "",
        "license": card.license or "",
        "settings_hash": card.settings_hash,
        "content_hash": card.content_hash,
    }
    asset_id, uri = register_data(context.workspace, place, name=name, version=version, tags=tags)
    splits = {
        split.name: Split(
            rows=split.rows,
            characters=sum(split.characters.values()),
            sha256=split.sha256,
            uri=f"{uri}/{split.name}.jsonl",
        )
        for split in card.splits
    }
    context.say(f"data asset {asset_id}")
    return DataAsset(
        id=asset_id,
        name=name,
        version=version,
        source=card.source,
        content_hash=card.content_hash,
        quarantined=sum(card.quarantined.values()),
        **splits,
    )


def _asset_name(source: str) -> str:
    """Return the last part of a source's name: without kind, revision, version and suffix.

    What is made of an asset has a name of its own: the youngest version of the asset stays what others read.
    """
    plain = re.sub(r"^azureml:([^:]+).*", r"\1-prepared", re.sub(r"^hub:([^@]+).*", r"\1", source))
    return re.sub(r"[^A-Za-z0-9_-]+", "-", PurePath(plain).stem).strip("-") or "conversations"


if __name__ == "__main__":
    stage.main(prepare)
