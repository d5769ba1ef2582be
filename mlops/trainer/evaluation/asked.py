"""What every model is asked: rows of the test data and of the general set, and behavior cases."""

from dataclasses import dataclass
from pathlib import Path

from mlops.trainer.data import Row, read_rows

from .behavior import Case, read_cases
from .examples import BEHAVIOR, GENERAL, HELD_OUT, Question, question
from .leaks import find_leaks


@dataclass(frozen=True, kw_only=True)
class Files:
    """Where it is read from."""

    test_data: Path
    train_data: Path | None = None
    preferences: Path | None = None
    general: Path | None = None
    behavior: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Asked:
    """In the order of the table: rows to score, of which some are answered, and cases."""

    rows: list[Row]
    cases: list[Case]
    questions: list[Question]
    answered: list[int]
    closed: list[bool]

    def prompt(self, number: int) -> str:
        """Give the last thing the user said before the answer that is asked for."""
        case = number - len(self.rows)
        messages = self.rows[number].messages if case < 0 else self.cases[case].messages
        return next((message["content"] for message in reversed(messages) if message["role"] == "user"), "")


def read_asked(files: Files, *, num_examples: int | None, num_generations: int) -> Asked:
    """Read the first rows of the test data, all general rows, and the behavior cases."""
    rows = read_rows(files.test_data)[:num_examples]
    held_out = len(rows)
    rows += read_rows(files.general) if files.general else []
    learned = [path for path in (files.train_data, files.preferences) if path]
    leaked = find_leaks(learned, [row.messages for row in rows]) if learned else [None] * len(rows)
    suites = [HELD_OUT] * held_out + [GENERAL] * (len(rows) - held_out)
    questions = [
        question(suite, row.messages, prompt_id=row.prompt_id, topic=row.topic, leaked=leak)
        for suite, row, leak in zip(suites, rows, leaked, strict=True)
    ]
    cases = read_cases(files.behavior) if files.behavior else []
    questions += [
        question(BEHAVIOR, [*case.messages, *_named(case.name)], prompt_id=case.name, topic=case.topic, leaked=None)
        for case in cases
    ]
    closed = [row.closed for row in rows]
    first = [index for index in range(held_out) if _has_answer(rows[index])][:num_generations]
    answered = [*first, *(index for index in range(held_out, len(rows)) if closed[index])]
    return Asked(rows=rows, cases=cases, questions=questions, answered=answered, closed=closed)


def _named(name: str) -> list[dict[str, str]]:
    """Give a message that tells apart two cases that begin with the same chat."""
    return [{"role": "case", "content": name}]


def _has_answer(row: Row) -> bool:
    return any(message["role"] == "assistant" for message in row.messages)
