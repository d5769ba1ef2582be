"""The chain of records, and the files they are kept in."""

from __future__ import annotations

import json
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from mlops.errors import RecordError
from mlops.records.data import DataAsset
from mlops.records.decision import GateDecision
from mlops.records.delivery import Deployment, RegisteredModel
from mlops.records.evaluation import Evaluation
from mlops.records.finetuning import FineTuningJob
from mlops.records.record import Record
from mlops.records.rollout import Rollout

STAGES: Final[dict[str, type[Record]]] = {
    "prepare": DataAsset,
    "finetune": FineTuningJob,
    "evaluate": Evaluation,
    "gate": GateDecision,
    "register": RegisteredModel,
    "deploy": Deployment,
    "rollout": Rollout,
}

R = TypeVar("R", bound=Record)


def chain(record: Record) -> dict[str, Record]:
    """Return a record and those it holds, by their stages, first to last."""
    found: dict[str, Record] = {}
    for stage, kind in reversed(STAGES.items()):
        if isinstance(record, kind):
            found = {stage: record, **found}
            record = next((value for _, value in record if isinstance(value, Record)), record)
    return found


def lineage(record: Record) -> dict[str, str]:
    """Return the tags by which a record and those it holds are recognized: `record-<stage>`, the digest of each."""
    return {f"record-{stage}": each.digest for stage, each in chain(record).items()}


def seal(record: Record) -> bytes:
    """Return the record's file: its JSON and its digest."""
    document = {"digest": record.digest, "record": record.model_dump(mode="json")}
    return json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"


def unseal(kind: type[R], content: bytes, *, where: str) -> R:
    """Return the record in a file's content.

    Raises RecordError, naming `where`, if it is unreadable or does not match its digest.
    """
    try:
        document: dict[str, Any] = json.loads(content)
        record = kind.model_validate(document["record"])
        digest = document["digest"]
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise RecordError(
            f"{where} is not a readable {kind.__name__} record ({_first_line(error)}): run the stage that writes it "
            "again"
        ) from error
    if record.digest != digest:
        raise RecordError(
            f"{where} was changed after it was written: its content has digest {record.digest[:12]}, "
            f"its seal says {str(digest)[:12]}. Run the stage that writes it again."
        )
    return record


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
