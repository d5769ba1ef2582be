"""Stage 2 of 7: `python -m pipelines.finetune --environment local --run RUN`."""

from __future__ import annotations

import hashlib
import json

from mlops import finetuning, stage
from mlops.compute.allow_list import check_size, num_gpus
from mlops.errors import InputError
from mlops.finetuning import Parameters
from mlops.records import DataAsset, FineTuningJob
from mlops.reports import tables
from mlops.reports.progress import progress
from mlops.stage import Context
from mlops.workspace.assets import Component, FoundationModel, component, foundation_model
from mlops.workspace.cluster import ensure_cluster, sizes
from mlops.workspace.jobs import FinetuningRequest, follow, submit_finetuning


def finetune(context: Context, data: DataAsset) -> FineTuningJob:
    """Fine-tune the foundation model on the GPU cluster with the registry's chat-completion pipeline."""
    settings, workspace = context.settings.finetune, context.workspace
    model = foundation_model(workspace, settings.model)
    pipeline = component(workspace, settings.component)
    context.say(f"{model.id}\n      {pipeline.id}")
    gpus = _cluster(context, model)
    parameters = _parameters(context, model, pipeline)
    request = _request(context, data, model, pipeline, parameters, gpus)
    submission = submit_finetuning(workspace, pipeline, model, request)
    context.say(f"{submission}: {request.display_name}")
    with progress(context.console) as show:
        studio_url = follow(workspace, submission.name, log=context.folder / "finetune.log", on_line=show)
    return FineTuningJob(
        data=data,
        name=submission.name,
        display_name=request.display_name,
        experiment=request.experiment,
        foundation_model=model.id,
        component=pipeline.id,
        compute=request.compute,
        num_gpus=gpus,
        parameters=parameters.values,
        trained_model=f"azureml://jobs/{submission.name}/outputs/trained_model",
        studio_url=studio_url,
    )


def _cluster(context: Context, model: FoundationModel) -> int:
    """Return the GPUs per node of the cluster, which is made if need be: what is not allowed is never created."""
    wanted = context.settings.finetune.cluster
    where = check_size(wanted.size, "finetune", tags=model.tags, properties=model.properties)
    gpus = num_gpus(wanted.size, sizes(context.workspace))
    found = ensure_cluster(context.workspace, wanted)
    if found.lower() != wanted.size.lower():
        raise InputError(
            f"cluster {wanted.name} has size {found}, finetune.cluster.size is {wanted.size}: change one of the two"
        )
    context.say(f"cluster {wanted.name}: {wanted.size}, {gpus} GPU per node, allowed by the {where}")
    return gpus


def _parameters(context: Context, model: FoundationModel, pipeline: Component) -> Parameters:
    settings = context.settings.finetune
    merged = finetuning.merge(
        settings.training | settings.optimization,
        tags=model.tags,
        inputs=pipeline.inputs,
        insist=settings.insist,
    )
    tables.show(context.console, tables.parameters(merged.values, merged.origins))
    if merged.dropped:
        context.say(f"the model's defaults {', '.join(merged.dropped)} are no inputs of {pipeline.name}: left out")
    return merged


def _request(
    context: Context,
    data: DataAsset,
    model: FoundationModel,
    pipeline: Component,
    parameters: Parameters,
    gpus: int,
) -> FinetuningRequest:
    """Return the request; its name is the idempotency key, so the same run with the same inputs is the same job."""
    cluster = context.settings.finetune.cluster
    key = json.dumps(
        [model.id, pipeline.id, data.content_hash, parameters.values, cluster.name, cluster.num_nodes], sort_keys=True
    )
    digest = hashlib.sha256(key.encode()).hexdigest()[:8]
    names = (model.name, data.name, parameters.values)
    return FinetuningRequest(
        name=f"finetune-{context.run}-{digest}",
        display_name=finetuning.display_name(*names, num_gpus=gpus, num_nodes=cluster.num_nodes),
        experiment=f"chat_completion_{model.name}",
        compute=cluster.name,
        num_gpus=gpus,
        num_nodes=cluster.num_nodes,
        train_uri=data.train.uri,
        validation_uri=data.validation.uri,
        test_uri=data.test.uri,
        parameters=parameters.values,
        tags={"run": context.run, "content_hash": data.content_hash},
    )


if __name__ == "__main__":
    stage.main(finetune)
