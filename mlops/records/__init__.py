"""The seven records: each stage's result, frozen, holding the record of the stage before it.

    DataAsset -> FineTuningJob -> Evaluation -> GateDecision -> RegisteredModel -> Deployment -> Rollout

A record file carries a digest over its canonical JSON, so a record that was edited is noticed where it is read.
"""

from mlops.records.data import DataAsset, Split
from mlops.records.decision import Flaw, GateDecision, Provenance, RuleResult, Verdict
from mlops.records.delivery import Answer, Deployment, RegisteredModel
from mlops.records.evaluation import Evaluation, ScoredModel
from mlops.records.finetuning import Alignment, FineTuningJob, FinetuningPlan, Measured, Parameter
from mlops.records.leaves import leaves
from mlops.records.record import Frozen, Record
from mlops.records.rollout import Finding, Moment, Rollout, RolloutStep
from mlops.records.sealing import STAGES, chain, lineage, seal, unseal

__all__ = [
    "STAGES",
    "Alignment",
    "Answer",
    "DataAsset",
    "Deployment",
    "Evaluation",
    "Finding",
    "FineTuningJob",
    "FinetuningPlan",
    "Flaw",
    "Frozen",
    "GateDecision",
    "Measured",
    "Moment",
    "Parameter",
    "Provenance",
    "Record",
    "RegisteredModel",
    "Rollout",
    "RolloutStep",
    "RuleResult",
    "ScoredModel",
    "Split",
    "Verdict",
    "chain",
    "leaves",
    "lineage",
    "seal",
    "unseal",
]
