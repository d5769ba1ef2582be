"""Score candidate, champion and base model on the same frozen examples, inside one job.

    python -m mlops.trainer.evaluate --candidate DIR --base DIR --test_data FILE.jsonl --output DIR

Writes examples.parquet, one row a model and example, and then metrics.json.
"""

import argparse
import hashlib
import json
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .command import run_command

if TYPE_CHECKING:
    from .data import Row

MODELS = ("candidate", "champion", "base")


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What to score and how."""

    models: dict[str, Path]
    test_data: Path
    output: Path
    num_examples: int | None = None
    num_generations: int = 0
    max_new_tokens: int = 40
    batch_size: int = 8
    max_seq_length: int = 1024


@dataclass(frozen=True, kw_only=True)
class Example:
    """One row of examples.parquet; `example` is the row of the test data, by which models are compared.

    Loss is None where max_seq_length left no assistant token.
    """

    model: str
    example: int
    prompt_id: str
    num_tokens: int
    loss: float | None
    perplexity: float | None
    bits_per_byte: float | None
    rougeL: float | None = None  # noqa: N815 (the name of the metric)
    prediction: str | None = None
    reference: str | None = None
    empty: bool | None = None


def evaluate(evaluation: Evaluation) -> None:
    """Score every model on the test data's first rows and write the results, metrics.json last."""
    from .data import read_rows
    from .tracking import log_metrics

    rows = read_rows(evaluation.test_data)[: evaluation.num_examples]
    examples: list[Example] = []
    metrics: dict[str, dict[str, Any]] = {}
    for name, folder in evaluation.models.items():
        scored, metrics[name] = _evaluate_model(name, folder, rows, evaluation=evaluation)
        examples += scored
        print(f"{name}: {_shown(metrics[name])}", flush=True)
    report = {
        "test_data_sha256": hashlib.sha256(evaluation.test_data.read_bytes()).hexdigest(),
        "num_examples": len(rows),
        "models": metrics,
    }
    evaluation.output.mkdir(parents=True, exist_ok=True)
    _write_examples(examples, evaluation.output / "examples.parquet")
    _write_whole(evaluation.output / "metrics.json", json.dumps(report, indent=2))
    now = int(time.time() * 1000)
    log_metrics(
        [
            (f"{name}_{key}", float(value), now, 0)
            for name, values in metrics.items()
            for key, value in values.items()
            if value is not None
        ]
    )


def _evaluate_model(
    name: str, folder: Path, rows: "list[Row]", *, evaluation: Evaluation
) -> tuple[list[Example], dict[str, Any]]:
    from .data import encode_row
    from .model_folder import load
    from .score import score_conversations

    model, tokenizer = load(folder)
    model.eval()
    conversations = [encode_row(tokenizer, row).truncate(_max_length(model, evaluation)) for row in rows]
    scores = score_conversations(model, tokenizer, conversations, batch_size=evaluation.batch_size)
    answered = _answer(model, tokenizer, rows[: evaluation.num_generations], evaluation=evaluation)
    answered += [{}] * (len(rows) - len(answered))
    examples = [
        Example(
            model=name,
            example=number,
            prompt_id=row.prompt_id,
            num_tokens=score.num_tokens,
            loss=score.loss,
            perplexity=score.perplexity,
            bits_per_byte=score.bits_per_byte,
            **answer,
        )
        for number, (row, score, answer) in enumerate(zip(rows, scores, answered, strict=True))
    ]
    total = reduce(add, scores)
    return examples, {
        "loss": total.loss,
        "perplexity": total.perplexity,
        "bits_per_byte": total.bits_per_byte,
        **_summarize(examples),
    }


def _max_length(model: Any, evaluation: Evaluation) -> int:
    return min(evaluation.max_seq_length, int(model.config.max_position_embeddings))


def _answer(model: Any, tokenizer: Any, rows: "Sequence[Row]", *, evaluation: Evaluation) -> list[dict[str, Any]]:
    """Generate the last assistant message of each row and compare it with the one that is there."""
    from rouge_score.rouge_scorer import RougeScorer

    from .generate import generate_answers, split_last_answer

    chats, references = zip(*(split_last_answer(row.messages) for row in rows), strict=True) if rows else ((), ())
    predictions = generate_answers(
        model,
        tokenizer,
        chats,
        batch_size=evaluation.batch_size,
        max_length=_max_length(model, evaluation) - evaluation.max_new_tokens,
        max_new_tokens=evaluation.max_new_tokens,
    )
    rouge = RougeScorer(["rougeL"])
    return [
        {
            "prediction": prediction,
            "reference": reference,
            "rougeL": rouge.score(reference, prediction)["rougeL"].fmeasure,
            "empty": not prediction,
        }
        for prediction, reference in zip(predictions, references, strict=True)
    ]


def _summarize(examples: list[Example]) -> dict[str, Any]:
    overlaps = [example.rougeL for example in examples if example.rougeL is not None]
    return {
        "rougeL": math.fsum(overlaps) / len(overlaps) if overlaps else None,
        "num_examples": sum(example.loss is not None for example in examples),
        "num_generations": len(overlaps),
        "num_empty": sum(example.empty is True for example in examples),
    }


def _write_examples(examples: list[Example], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    numbers = [(name, pa.float64()) for name in ("loss", "perplexity", "bits_per_byte", "rougeL")]
    schema = pa.schema(
        [
            ("model", pa.string()),
            ("example", pa.int64()),
            ("prompt_id", pa.string()),
            ("num_tokens", pa.int64()),
            *numbers,
            ("prediction", pa.string()),
            ("reference", pa.string()),
            ("empty", pa.bool_()),
        ]
    )
    unfinished = path.with_suffix(".unfinished")
    pq.write_table(pa.Table.from_pylist([asdict(example) for example in examples], schema=schema), unfinished)
    unfinished.rename(path)


def _write_whole(path: Path, text: str) -> None:
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(text + "\n", encoding="utf-8")
    unfinished.rename(path)


def _shown(metrics: dict[str, Any]) -> str:
    return " ".join(f"{key} {value:.4g}" for key, value in metrics.items() if value is not None)


def _parse(values: Sequence[str] | None) -> Evaluation:
    parser = argparse.ArgumentParser(prog="python -m mlops.trainer.evaluate", description=__doc__)
    for name in MODELS:
        parser.add_argument(f"--{name}", type=Path, required=name == "candidate", help="model folder")
    parser.add_argument("--test_data", type=Path, required=True, help="JSON Lines")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    for name in ("num_examples", "num_generations", "max_new_tokens", "batch_size", "max_seq_length"):
        parser.add_argument(f"--{name}", type=int, default=argparse.SUPPRESS)
    given = vars(parser.parse_args(values))
    folders = {name: folder for name in MODELS if (folder := given.pop(name))}
    return Evaluation(models=folders, **given)


def main(values: Sequence[str] | None = None) -> int:
    """Evaluate from the command line."""
    return run_command(lambda: evaluate(_parse(values)))


if __name__ == "__main__":
    sys.exit(main())
