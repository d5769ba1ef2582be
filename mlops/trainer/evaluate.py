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
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import reduce
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .command import run_command

if TYPE_CHECKING:
    from .data import Row
    from .evaluation.behavior import Case
    from .evaluation.examples import Example, Question
    from .score import Score

MODELS = ("candidate", "champion", "base")


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What to score and how."""

    models: dict[str, Path]
    test_data: Path
    output: Path
    train_data: Path | None = None
    general: Path | None = None
    behavior: Path | None = None
    num_examples: int | None = None
    num_generations: int = 0
    max_new_tokens: int = 40
    batch_tokens: int = 16_384
    max_seq_length: int = 1024


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What every model is asked, in the order of the table: rows to score, of which some are answered, and cases."""

    rows: "list[Row]"
    cases: "list[Case]"
    questions: "list[Question]"
    answered: list[int]
    closed: list[bool]


@dataclass(frozen=True, kw_only=True)
class Examinee:
    """A model that is asked, and how."""

    model: Any
    tokenizer: Any
    evaluation: Evaluation

    @property
    def max_length(self) -> int:
        """Give the most tokens of a conversation that are read."""
        return min(self.evaluation.max_seq_length, int(self.model.config.max_position_embeddings))

    def score(self, rows: "Sequence[Row]") -> "list[Score]":
        """Score what the assistant says in each row."""
        from .data import encode_row
        from .score import score_conversations

        conversations = [encode_row(self.tokenizer, row).truncate(self.max_length) for row in rows]
        return score_conversations(self.model, self.tokenizer, conversations, batch_tokens=self.evaluation.batch_tokens)

    def answer(self, chats: Sequence[Any]) -> list[Any]:
        """Answer each chat."""
        from .generate import generate_answers

        return generate_answers(
            self.model,
            self.tokenizer,
            chats,
            batch_tokens=self.evaluation.batch_tokens,
            max_length=self.max_length - self.evaluation.max_new_tokens,
            max_new_tokens=self.evaluation.max_new_tokens,
        )


def evaluate(evaluation: Evaluation) -> None:
    """Ask every model the same and write the results, metrics.json last."""
    from .evaluation.examples import write_examples
    from .evaluation.fingerprint import fingerprint

    asked = _read(evaluation)
    examples: list[Example] = []
    metrics: dict[str, dict[str, Any]] = {}
    for name, folder in evaluation.models.items():
        start = time.monotonic()
        found, metrics[name] = _examine(name, folder, asked, evaluation=evaluation)
        examples += found
        print(f"{name}: {_shown(metrics[name])} in {time.monotonic() - start:.0f} s", flush=True)
    leaked = [question.leaked for question in asked.questions if question.suite == "held_out"]
    report = {
        "scored_at": datetime.now(UTC).isoformat(),
        "test_data_sha256": hashlib.sha256(evaluation.test_data.read_bytes()).hexdigest(),
        "num_examples": len(leaked),
        "contamination": sum(leak is True for leak in leaked) / len(leaked),
        "models": metrics,
        "sha256": {name: fingerprint(folder) for name, folder in evaluation.models.items()},
    }
    evaluation.output.mkdir(parents=True, exist_ok=True)
    write_examples(examples, evaluation.output / "examples.parquet")
    _write_whole(evaluation.output / "metrics.json", json.dumps(report, indent=2))
    _log(metrics)


def _read(evaluation: Evaluation) -> Asked:
    """Read what is asked: the first rows of the test data, all general rows, and the behavior cases."""
    from .data import read_rows
    from .evaluation.behavior import read_cases
    from .evaluation.examples import BEHAVIOR, question
    from .evaluation.leaks import find_leaks

    rows = read_rows(evaluation.test_data)[: evaluation.num_examples]
    held_out = len(rows)
    rows += read_rows(evaluation.general) if evaluation.general else []
    leaked: list[Any] = [None] * len(rows)
    if evaluation.train_data:
        leaked = list(find_leaks(evaluation.train_data, [row.messages for row in rows]))
    questions = [
        question(_suite(index, held_out), row.messages, prompt_id=row.prompt_id, topic=row.topic, leaked=leak)
        for index, (row, leak) in enumerate(zip(rows, leaked, strict=True))
    ]
    cases = read_cases(evaluation.behavior) if evaluation.behavior else []
    questions += [
        question(BEHAVIOR, [*case.messages, *_named(case.name)], prompt_id=case.name, topic=case.topic, leaked=None)
        for case in cases
    ]
    closed = [row.closed for row in rows]
    first = [index for index in range(held_out) if _has_answer(rows[index])][: evaluation.num_generations]
    answered = [*first, *(index for index in range(held_out, len(rows)) if closed[index])]
    return Asked(rows=rows, cases=cases, questions=questions, answered=answered, closed=closed)


def _suite(index: int, held_out: int) -> str:
    from .evaluation.examples import GENERAL, HELD_OUT

    return HELD_OUT if index < held_out else GENERAL


def _named(name: str) -> list[dict[str, str]]:
    """Give a message that tells apart two cases that begin with the same chat."""
    return [{"role": "case", "content": name}]


def _has_answer(row: "Row") -> bool:
    return any(message["role"] == "assistant" for message in row.messages)


def _examine(
    name: str, folder: Path, asked: Asked, *, evaluation: Evaluation
) -> "tuple[list[Example], dict[str, Any]]":
    """Ask one model everything."""
    from .evaluation.examples import Example
    from .model_folder import load

    model, tokenizer = load(folder)
    model.eval()
    examinee = Examinee(model=model, tokenizer=tokenizer, evaluation=evaluation)
    scores = examinee.score(asked.rows)
    measured: list[dict[str, Any]] = [_scored(score) for score in scores]
    for index, found in zip(asked.answered, _answered(examinee, asked), strict=True):
        measured[index] |= found
    measured += _behaves(examinee, asked.cases)
    examples = [
        Example(model=name, example=number, prompt=_prompt(asked, number), **asdict(question), **values)
        for number, (question, values) in enumerate(zip(asked.questions, measured, strict=True))
    ]
    return examples, _summarize(examples, scores)


def _scored(score: "Score") -> dict[str, Any]:
    return {
        "num_tokens": score.num_tokens,
        "loss": score.loss,
        "perplexity": score.perplexity,
        "bits_per_byte": score.bits_per_byte,
    }


def _answered(examinee: Examinee, asked: Asked) -> list[dict[str, Any]]:
    """Generate the last assistant message of each row that is to be answered and compare it with the one there."""
    from .evaluation.answers import measure_all
    from .generate import split_last_answer

    pairs = [split_last_answer(asked.rows[index].messages) for index in asked.answered]
    answers = examinee.answer([chat for chat, _ in pairs])
    return measure_all(
        answers, [reference for _, reference in pairs], [asked.closed[index] for index in asked.answered]
    )


def _behaves(examinee: Examinee, cases: "Sequence[Case]") -> list[dict[str, Any]]:
    """Judge every case, with all answers generated together."""
    from .data import Row

    answers = iter(examinee.answer([prompt for case in cases for prompt in case.prompts]))
    alternatives = [
        Row(path=Path(case.name), line=0, messages=messages) for case in cases for messages in case.alternatives
    ]
    losses = iter(score.loss for score in examinee.score(alternatives))
    measured = []
    for case in cases:
        said = [next(answers) for _ in case.prompts]
        likelihoods = [next(losses) or math.inf for _ in case.alternatives]
        text = "\n".join(answer.text for answer in said)
        measured.append({"passed": case.passes(said, likelihoods), "prediction": text or None})
    return measured


def _prompt(asked: Asked, number: int) -> str:
    """Give the last thing the user said before the answer that is asked for."""
    messages = (
        asked.rows[number].messages if number < len(asked.rows) else asked.cases[number - len(asked.rows)].messages
    )
    return next((message["content"] for message in reversed(messages) if message["role"] == "user"), "")


def _summarize(examples: "list[Example]", scores: "list[Score]") -> dict[str, Any]:
    """Give the metrics of a model: of the test data by their own names, of the other suites with theirs before it.

    Losses weigh each token alike, everything else each example.
    """
    from .evaluation.examples import BEHAVIOR, GENERAL, HELD_OUT

    metrics: dict[str, Any] = {}
    for suite, prefix in ((HELD_OUT, ""), (GENERAL, "general_"), (BEHAVIOR, "behavior_")):
        rows = [example for example in examples if example.suite == suite]
        losses = [scores[example.example] for example in rows if example.loss is not None]
        if losses:
            metrics |= {f"{prefix}{name}": value for name, value in _scored(reduce(add, losses)).items()}
        metrics |= {f"{prefix}{name}": value for name, value in _means(rows)}
    held_out = [example for example in examples if example.suite == HELD_OUT]
    return metrics | {
        "num_examples": sum(example.loss is not None for example in held_out),
        "num_generations": sum(example.prediction is not None for example in held_out),
    }


AVERAGED = (
    "rouge1", "rouge2", "rougeL", "chrf", "exact", "num_words", "repetition",
    "empty", "truncated", "refusal", "latency_s", "passed",
)  # fmt: skip


def _means(examples: "list[Example]") -> Iterator[tuple[str, float]]:
    for name in AVERAGED:
        values = [float(value) for example in examples if (value := getattr(example, name)) is not None]
        if values:
            yield name, math.fsum(values) / len(values)


def _log(metrics: dict[str, dict[str, Any]]) -> None:
    from .tracking import log_metrics

    now = int(time.time() * 1000)
    log_metrics(
        [
            (f"{name}_{key}", float(value), now, 0)
            for name, values in metrics.items()
            for key, value in values.items()
            if value is not None
        ]
    )


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
    parser.add_argument("--train_data", type=Path, help="JSON Lines: what of the test data it holds is counted")
    parser.add_argument("--general", type=Path, help="JSON Lines: what the model must not forget")
    parser.add_argument("--behavior", type=Path, help="JSON Lines: behavior cases")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    for name in ("num_examples", "num_generations", "max_new_tokens", "batch_tokens", "max_seq_length"):
        parser.add_argument(f"--{name}", type=int, default=argparse.SUPPRESS)
    given = vars(parser.parse_args(values))
    folders = {name: folder for name in MODELS if (folder := given.pop(name))}
    return Evaluation(models=folders, **given)


def main(values: Sequence[str] | None = None) -> int:
    """Evaluate from the command line."""
    return run_command(lambda: evaluate(_parse(values)))


if __name__ == "__main__":
    sys.exit(main())
