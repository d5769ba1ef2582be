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
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .command import run_command
from .tracking import log_metrics, shown

if TYPE_CHECKING:
    from .data import Row
    from .evaluation.asked import Asked, Files
    from .evaluation.behavior import Case
    from .evaluation.examples import Example
    from .score import Score

MODELS = ("candidate", "champion", "base")


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What to score and how."""

    models: dict[str, Path]
    files: "Files"
    output: Path
    num_examples: int | None = None
    num_generations: int = 0
    max_new_tokens: int = 40
    batch_tokens: int = 16_384
    max_seq_length: int = 1024


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
    from .evaluation.asked import read_asked
    from .evaluation.examples import write_examples
    from .evaluation.fingerprint import fingerprint

    files, generations = evaluation.files, evaluation.num_generations
    asked = read_asked(files, num_examples=evaluation.num_examples, num_generations=generations)
    examples: list[Example] = []
    metrics: dict[str, dict[str, Any]] = {}
    for name, folder in evaluation.models.items():
        start = time.monotonic()
        found, metrics[name] = _examine(name, folder, asked, evaluation=evaluation)
        examples += found
        print(f"{name}: {shown(metrics[name])} in {time.monotonic() - start:.0f} s", flush=True)
    leaked = [question.leaked for question in asked.questions if question.suite == "held_out"]
    report = {
        "scored_at": datetime.now(UTC).isoformat(),
        "test_data_sha256": hashlib.sha256(files.test_data.read_bytes()).hexdigest(),
        "suites": Counter(question.suite for question in asked.questions),
        "contamination": sum(leak is True for leak in leaked) / len(leaked),
        "models": metrics,
        "sha256": {name: fingerprint(folder) for name, folder in evaluation.models.items()},
    }
    evaluation.output.mkdir(parents=True, exist_ok=True)
    write_examples(examples, evaluation.output / "examples.parquet")
    _write_whole(evaluation.output / "metrics.json", json.dumps(report, indent=2))
    _log(metrics)


def _examine(
    name: str, folder: Path, asked: "Asked", *, evaluation: Evaluation
) -> "tuple[list[Example], dict[str, Any]]":
    """Ask one model everything."""
    from .evaluation.examples import Example
    from .evaluation.summary import likelihood, summarize
    from .model_folder import load

    model, tokenizer = load(folder)
    model.eval()
    examinee = Examinee(model=model, tokenizer=tokenizer, evaluation=evaluation)
    scores = examinee.score(asked.rows)
    measured: list[dict[str, Any]] = [likelihood(score) for score in scores]
    for index, found in zip(asked.answered, _answered(examinee, asked), strict=True):
        measured[index] |= found
    measured += _behaves(examinee, asked.cases)
    examples = [
        Example(model=name, example=number, prompt=asked.prompt(number), **asdict(question), **values)
        for number, (question, values) in enumerate(zip(asked.questions, measured, strict=True))
    ]
    return examples, summarize(examples, scores)


def _answered(examinee: Examinee, asked: "Asked") -> list[dict[str, Any]]:
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


def _log(metrics: dict[str, dict[str, Any]]) -> None:
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


def _parse(values: Sequence[str] | None) -> Evaluation:
    from .evaluation.asked import Files

    parser = argparse.ArgumentParser(prog="python -m mlops.trainer.evaluate", description=__doc__)
    for name in MODELS:
        parser.add_argument(f"--{name}", type=Path, required=name == "candidate", help="model folder")
    parser.add_argument("--test_data", type=Path, required=True, help="JSON Lines")
    parser.add_argument("--train_data", type=Path, help="JSON Lines: what of the test data it holds is counted")
    parser.add_argument("--preferences", type=Path, help="JSON Lines: the same of what it was aligned with")
    parser.add_argument("--general", type=Path, help="JSON Lines: what the model must not forget")
    parser.add_argument("--behavior", type=Path, help="JSON Lines: behavior cases")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    for name in ("num_examples", "num_generations", "max_new_tokens", "batch_tokens", "max_seq_length"):
        parser.add_argument(f"--{name}", type=int, default=argparse.SUPPRESS)
    given = vars(parser.parse_args(values))
    folders = {name: folder for name in MODELS if (folder := given.pop(name))}
    files = Files(**{field.name: given.pop(field.name) for field in fields(Files)})
    return Evaluation(models=folders, files=files, **given)


def main(values: Sequence[str] | None = None) -> int:
    """Evaluate from the command line."""
    return run_command(lambda: evaluate(_parse(values)))


if __name__ == "__main__":
    sys.exit(main())
