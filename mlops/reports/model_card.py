"""The model card: what a registered model is made of, how it was judged, what it is not for, and its license."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops.records import GateDecision

LIMITS: Final = (
    "It answers as its training conversations do, and knows nothing that happened after them.",
    "Beyond what is listed under Evaluation it was not tested: not for safety, bias or facts.",
    "Fine-tuning may weaken what the foundation model was taught to refuse; its own card says what it is for.",
)


def markdown(decision: GateDecision, *, license: str | None) -> str:  # noqa: A002 - the word of every model card
    """Return the card; `license` is that of the foundation model."""
    return "\n".join(_lines(decision, license)) + "\n"


def _lines(decision: GateDecision, licensed: str | None) -> Iterator[str]:
    evaluation, job = decision.evaluation, decision.evaluation.job
    yield f"{job.foundation_model} fine-tuned on {job.data.train.rows:,} conversations of {job.data.id}."
    yield "\n## Data\n"
    yield f"- source: {job.data.source}"
    yield f"- content hash: {job.data.content_hash}"
    yield f"- rows: {job.data.train.rows:,} train, {job.data.validation.rows:,} validation, {job.data.test.rows:,} test"
    yield f"- held-out examples found in the training data: {evaluation.contamination:.1%}"
    yield "\n## Training\n"
    yield f"- job {job.name}, component {job.component}, {job.num_gpus} GPUs of {job.compute}"
    for name, value in sorted(job.parameters.items()):
        yield f"- {name}: {value}"
    if second := job.alignment:
        said = second.preferences
        yield f"- aligned by {second.method.upper()} on {said.rows:,} preferences, {said.uri} ({said.sha256[:12]})"
    yield "\n## Evaluation\n"
    compared = evaluation.champion or "the base model"
    yield f"{evaluation.num_examples:,} held-out conversations, compared with {compared}. Gate: {decision.outcome}.\n"
    for result in decision.results:
        yield f"- {result.verdict}: {result.reason}"
    yield "\n## Limits\n"
    for limit in LIMITS:
        yield f"- {limit}"
    yield "\n## License\n"
    yield f"Foundation model: {licensed or 'not stated'}. Data: see the data card of {job.data.id}."
