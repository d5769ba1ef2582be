"""Train candidates that are better, equal and worse, and see the gate judge: `python tests/benchmarks/candidates.py`.

The stand-in base model learns real conversations (chitchat) by the project's own trainer, with the settings of `local`.
The champion learns from half of the data. Candidate, champion and base are scored by the evaluation and judged by the
gate, twice: by the rules that ship (no worse than the champion by more than 1 %), and by one that asks to be better by
a quarter of a percent. Not better at all: paired examples are so sharp that they tell one seed from another (0.1 %).
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"  # before the libraries are imported: nothing is looked up

from rich.console import Console
from rich.table import Table

from mlops import settings as all_settings
from mlops.datasets.examples import file_sha256, read_scores
from mlops.datasets.prepare import prepare_splits
from mlops.gates.engine import Judgement, decide
from mlops.gates.rules import GateSettings, Rule
from mlops.records import DataAsset, Evaluation, FineTuningJob, ScoredModel, Split, Verdict
from mlops.trainer import evaluate, finetune, stand_in
from mlops.trainer.evaluation.asked import Files

SETTINGS = all_settings.load("local", variables={})
PERCENTAGE, NUM_EXAMPLES = 50, 400
SHIPPED = GateSettings(
    rules=tuple(rule for rule in SETTINGS.gate.rules if rule.severity == "block"),
    confidence=SETTINGS.gate.confidence,
    min_examples=SETTINGS.gate.min_examples,
)
BETTER = SHIPPED.model_copy(
    update={"rules": (Rule(metric="loss", against="champion", greater_is_better=False, min_relative_change=0.0025),)}
)
ACCEPTED, REJECTED, OPEN = Verdict.ACCEPTED, Verdict.REJECTED, Verdict.INCONCLUSIVE


@dataclass(frozen=True)
class Candidate:
    """How a candidate is trained beside the champion, and what each set of rules may say of it."""

    share: float = 1.0
    rate: float = 1.0
    seed: int = 42
    shuffled: bool = False
    shipped: tuple[Verdict, ...] = (REJECTED,)
    better: tuple[Verdict, ...] = (REJECTED,)


CHAMPION = Candidate()
CANDIDATES = {
    "twice the data": Candidate(share=2.0, shipped=(ACCEPTED,), better=(ACCEPTED,)),
    "another seed": Candidate(seed=7, shipped=(ACCEPTED, OPEN), better=(OPEN, REJECTED)),
    "a tenth of the data": Candidate(share=0.1),
    "learning rate x 100": Candidate(rate=100.0),
    "shuffled answers": Candidate(shuffled=True),
}


def main() -> None:
    """Train, judge, print the table, and exit with 1 if a verdict is a wrong one."""
    table = Table("candidate", "trained on", "loss", "better by", "interval", "shipped rules", "must be better", "")
    right = []
    with tempfile.TemporaryDirectory() as name:
        folder, began = Path(name), time.monotonic()
        rows = prepare(folder)
        train(folder, "champion", CHAMPION, rows)
        for what, candidate in CANDIDATES.items():
            number = train(folder, what, candidate, rows)
            evaluation = score(folder, what)
            verdicts = [judge(folder, evaluation, rules) for rules in (SHIPPED, BETTER)]
            shipped, better = (judgement.verdict for judgement in verdicts)
            right.append(shipped in candidate.shipped and better in candidate.better)
            measured = figures(verdicts[1])
            table.add_row(what, f"{number:,}", *measured, shipped, better, "right" if right[-1] else "WRONG")
        champion = evaluation.metrics["champion"]["loss"], evaluation.metrics["base"]["loss"]
    Console(width=150).print(table)
    print(f"{NUM_EXAMPLES} held-out conversations; by token: champion {champion[0]:.4f}, base {champion[1]:.4f};")
    print(f"{time.monotonic() - began:.0f} s")
    sys.exit(0 if all(right) else 1)


def prepare(folder: Path) -> list[str]:
    """Build the base model and prepare the data; return the conversations to train on."""
    quietly(stand_in.build_base, folder / "base", spec=stand_in.BaseModel())
    data = SETTINGS.data.conversations.model_copy(update={"percentage": PERCENTAGE})
    prepare_splits(data, folder / "data", cache=folder / "cache", show=lambda _: None)
    return (folder / "data" / "train.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)


def train(folder: Path, name: str, candidate: Candidate, rows: list[str]) -> int:
    """Fine-tune the base model into the folder of that name; return on how many conversations."""
    chosen = rows[: round(candidate.share * len(rows) / 2)]
    file = folder / f"{name}.jsonl"
    file.write_text("".join(map(shuffled, chosen) if candidate.shuffled else chosen), encoding="utf-8")
    parameters = dict(SETTINGS.finetune.training | SETTINGS.finetune.optimization)
    parameters["learning_rate"] = candidate.rate * float(parameters["learning_rate"])
    values = parameters | {
        "seed": candidate.seed,
        "mlflow_model_path": folder / "base",
        "train_file_path": file,
        "validation_file_path": folder / "data" / "validation.jsonl",
        "mlflow_model_folder": folder / name,
    }
    if quietly(finetune.main, [f"--{key}={value}" for key, value in values.items()]):
        raise SystemExit(f"{name} could not be trained")
    return len(chosen)


def shuffled(row: str) -> str:
    """Return a conversation whose answers have their words in random order."""
    document = json.loads(row)
    for message in document["messages"]:
        if message["role"] == "assistant":
            words = message["content"].split()
            message["content"] = " ".join(random.Random(row).sample(words, len(words)))  # noqa: S311
    return json.dumps(document, ensure_ascii=False) + "\n"


def score(folder: Path, name: str) -> Evaluation:
    """Score a candidate beside champion and base; return the record, as the stage writes it."""
    models = {"candidate": folder / name, "champion": folder / "champion", "base": folder / "base"}
    test, output = folder / "data" / "test.jsonl", folder / "evaluation"
    files = Files(test_data=test, train_data=folder / f"{name}.jsonl")
    asked = evaluate.Evaluation(models=models, files=files, output=output, num_examples=NUM_EXAMPLES)
    quietly(evaluate.evaluate, asked)
    report = json.loads((output / "metrics.json").read_bytes())
    split = Split(rows=0, characters=0, sha256=hashlib.sha256(test.read_bytes()).hexdigest(), uri=str(test))
    data = DataAsset.model_construct(test=split)
    job = FineTuningJob.model_construct(
        data=data, trained_model=str(folder / name), foundation_model=str(folder / "base")
    )
    return Evaluation.model_construct(
        job=job,
        champion=str(folder / "champion"),
        models={role: ScoredModel(id=str(models[role]), sha256=sha256) for role, sha256 in report["sha256"].items()},
        suites=report["suites"],
        contamination=report["contamination"],
        scored_at=datetime.fromisoformat(report["scored_at"]),
        test_data_sha256=report["test_data_sha256"],
        metrics=report["models"],
    )


def figures(judgement: Judgement) -> tuple[str, str, str]:
    """Return the candidate's loss, by how much it is better, and the interval; of infinite losses nothing."""
    if judgement.flaws:
        return judgement.flaws[0].code, "", ""
    (result,) = judgement.results
    return f"{result.candidate:.4f}", f"{result.change:+.4f}", f"{result.low:+.4f} to {result.high:+.4f}"


def judge(folder: Path, evaluation: Evaluation, rules: GateSettings) -> Judgement:
    """Return what the gate says; a loss that is not finite is the candidate's fault, any other flaw would be ours."""
    path = folder / "evaluation" / "examples.parquet"
    judgement = decide(evaluation, read_scores(path, sha256=file_sha256(path)), rules, now=datetime.now(UTC))
    if {flaw.code for flaw in judgement.flaws} - {"not_finite"}:
        raise SystemExit(f"the evaluation is flawed: {judgement.flaws}")
    return judgement


def quietly(function: Callable[..., Any], *values: Any, **more: Any) -> Any:
    """Call a function without its lines of progress."""
    with redirect_stdout(StringIO()):
        return function(*values, **more)


if __name__ == "__main__":
    main()
