"""Read conversations and split them by the rules of Azure ML's chat_completion_datapreprocess."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from .chat import EncodedConversation, Message, encode
from .errors import TrainerError

MIN_TRAIN_ROWS = 10
MIN_MESSAGES = 2
ROLES = ("system", "user", "assistant")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One usable row of a data file and the line it stands on.

    A closed question has one right answer, word for word.
    """

    path: Path
    line: int
    messages: list[Message]
    prompt_id: str = ""
    topic: str = ""
    closed: bool = False


def read_rows(path: Path) -> list[Row]:
    """Read JSON Lines with a `messages` column. Rows of fewer than two messages are left out, as on Azure."""
    if not path.is_file():
        raise TrainerError(f"{path}: no such file. Give the path of a JSON Lines file.")
    with path.open(encoding="utf-8") as lines:
        rows = [_row(path, number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    usable = [row for row in rows if len(row.messages) >= MIN_MESSAGES]
    if not usable:
        raise TrainerError(
            f"{path}: found no examples after data preprocessing. Give rows whose `messages` hold two or more."
        )
    return usable


def split_rows(train: list[Row], validation: list[Row] | None, *, has_test: bool) -> tuple[list[Row], list[Row]]:
    """Give train and validation rows; what is not given is cut off the end of train, by position.

    No validation but a test file: the last 20 %. Neither: the next-to-last 10 % (the last 10 % would be
    the test rows, which fine-tuning does not read). Validation alone: train loses its last 20 % to test.
    """
    num_rows = len(train)
    eighty, ninety = num_rows * 8 // 10, num_rows * 9 // 10
    if validation is not None:
        return (train if has_test else train[:eighty]), validation
    return train[:eighty], train[eighty : num_rows if has_test else ninety]


def require_train_rows(rows: list[Row], *, path: Path) -> None:
    """Refuse fewer training rows than Azure ML accepts (MIN_TRAINING_SAMPLE_GENERATIVE_TASKS)."""
    if len(rows) < MIN_TRAIN_ROWS:
        raise TrainerError(
            f"{path}: training dataset has {len(rows)} non-null samples after the validation split, which is "
            f"fewer than {MIN_TRAIN_ROWS}. Add rows, or give --validation_file_path and --test_file_path."
        )


def encode_rows(tokenizer: PreTrainedTokenizerBase, rows: list[Row], *, max_length: int) -> list[EncodedConversation]:
    """Encode rows cut at max_length tokens, leaving out those without an assistant token."""
    encoded = [encode_row(tokenizer, row).truncate(max_length) for row in rows]
    usable = [conversation for conversation in encoded if conversation.num_targets]
    if not usable:
        raise TrainerError(
            f"{rows[0].path}: unable to continue finetuning. No assistant tokens found after preprocessing. "
            f"Please increase --max_seq_length (now {max_length}), or add assistant messages."
        )
    return usable


def encode_row(tokenizer: PreTrainedTokenizerBase, row: Row) -> EncodedConversation:
    """Encode a row; TrainerError where the model's chat template refuses its roles."""
    try:
        return encode(tokenizer, row.messages)
    except TemplateError as error:
        raise TrainerError(
            f"{row.path}, line {row.line}: failure while applying chat template to dataset: {error}. "
            "Order the roles as the model's template asks."
        ) from error


def _row(path: Path, number: int, line: str) -> Row:
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        raise TrainerError(f"{path}, line {number}: not JSON ({error}). Write one JSON object a line.") from error
    if not isinstance(record, dict) or "messages" not in record:
        columns = sorted(record) if isinstance(record, dict) else type(record).__name__
        raise TrainerError(
            f"{path}, line {number}: dataset columns: {columns}, needed: messages. Add the `messages` column."
        )
    messages = [read_message(path, number, message) for message in record["messages"] or []]
    return Row(
        path=path,
        line=number,
        messages=messages,
        prompt_id=str(record.get("prompt_id", number)),
        topic=str(record.get("topic") or ""),
        closed=record.get("closed") is True,
    )


def read_message(path: Path, number: int, message: Any) -> Message:
    """Check one message of a row; TrainerError says what is wrong with it."""
    if not isinstance(message, dict) or message.get("role") not in ROLES:
        raise TrainerError(
            f"{path}, line {number}: messages holds {message!r}; a message is "
            '{"role": "system|user|assistant", "content": text}. Correct the row.'
        )
    if not isinstance(message.get("content"), str):
        raise TrainerError(
            f"{path}, line {number}: content of a {message['role']} message is {message.get('content')!r}, not "
            "text. Correct the row."
        )
    return {"role": message["role"], "content": message["content"]}
