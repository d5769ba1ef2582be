"""What was registered, and what serves it."""

from __future__ import annotations

from mlops.records.decision import GateDecision
from mlops.records.record import Frozen, Record


class RegisteredModel(Record):
    """The accepted model in the workspace's registry, with its lineage in tags (`register`)."""

    decision: GateDecision
    id: str
    name: str
    version: str


class Answer(Frozen):
    """One question put to a deployment, and what it said."""

    question: str
    answer: str


class Deployment(Record):
    """The idle color of the endpoint, serving the new model without traffic (`deploy`)."""

    model: RegisteredModel
    endpoint: str
    name: str
    stable: str | None
    instance_type: str
    scoring_uri: str
    smoke: tuple[Answer, ...]
