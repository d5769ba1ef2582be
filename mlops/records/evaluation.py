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

    `suites` says how many examples each one has; `contamination` is the share of the held-out ones that were found in
    the training data.
    """

    job: FineTuningJob
    name: str
    champion: str | None
    models: dict[str, ScoredModel]
    suites: dict[str, int]
    contamination: float
    scored_at: AwareDatetime
    test_data_sha256: str
    examples_sha256: str
    metrics: dict[str, dict[str, float]]
    studio_url: str

    @property
    def num_examples(self) -> int:
        """Return how many held-out conversations were scored."""
        return self.suites["held_out"]
