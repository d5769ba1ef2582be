"""What was scored."""

from __future__ import annotations

from pydantic import AwareDatetime

from mlops.records.finetuning import FineTuningJob
from mlops.records.record import Frozen, Record


class ScoredModel(Frozen):
    """A model as the evaluation found it: its id, the hash of its files, and the hash it was registered with."""

    id: str
    sha256: str
    registered_sha256: str | None = None


class Evaluation(Record):
    """Candidate, champion and base scored on the same held-out conversations in one job (`evaluate`).

    `num_examples` are those of the held-out suite; `contamination` is the share of them found in the training data.
    """

    job: FineTuningJob
    name: str
    champion: str | None
    models: dict[str, ScoredModel]
    num_examples: int
    contamination: float
    scored_at: AwareDatetime
    test_data_sha256: str
    examples_sha256: str
    metrics: dict[str, dict[str, float]]
    studio_url: str
