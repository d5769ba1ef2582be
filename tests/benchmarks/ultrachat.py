"""Generated conversations with ultrachat_200k's schema and sizes: Zipf words, planted defects, seeded."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Row = dict[str, Any]

VOCABULARY = 20_000
SENTENCES = 40_000
TURNS = (2, 4, 6, 6, 8, 8, 10, 10)
"""Messages of a conversation, drawn evenly; their mean is 6.75."""
ROW_GROUP = 1000


@dataclass(frozen=True)
class Planted:
    """Every how many rows there is an exact duplicate of an earlier row, and a row that cannot be trained on."""

    duplicate: int = 100
    malformed: int = 1000


def rows(count: int, *, seed: int = 0, planted: Planted | None = None) -> Iterator[Row]:
    """Yield conversations of about 5.8 KB of JSON: prompt, prompt_id and messages."""
    dice = np.random.default_rng(seed)
    pool = _sentences(dice)
    planted = planted or Planted()
    earlier: Row = {}
    for number in range(count):
        row = earlier if number % planted.duplicate == planted.duplicate - 1 else _conversation(dice, pool, number)
        if number % planted.duplicate == 0:
            earlier = row
        yield _malformed(row) if number % planted.malformed == planted.malformed - 1 else row


def write_parquet(
    folder: Path,
    *,
    count: int,
    files: int = 3,
    seed: int = 0,
    row_group: int = ROW_GROUP,
    planted: Planted | None = None,
) -> list[Path]:
    """Write the conversations as `train_sft-*.parquet`: snappy, 1,000 rows a row group unless another size is given."""
    folder.mkdir(parents=True, exist_ok=True)
    message = pa.struct([("content", pa.string()), ("role", pa.string())])
    schema = pa.schema([("prompt", pa.string()), ("prompt_id", pa.string()), ("messages", pa.list_(message))])
    paths = [folder / f"train_sft-{index:05}-of-{files:05}.parquet" for index in range(files)]
    source, per_file = rows(count, seed=seed, planted=planted), -(-count // files)
    for index, path in enumerate(paths):
        with pq.ParquetWriter(path, schema, compression="snappy") as writer:
            left = min(per_file, count - index * per_file)
            while left > 0:
                batch = [next(source) for _ in range(min(left, row_group))]
                writer.write_table(pa.Table.from_pylist(batch, schema))
                left -= len(batch)
    return paths


def _sentences(dice: np.random.Generator) -> np.ndarray:
    """Return sentences of 6 to 20 words, drawn by Zipf's law from a vocabulary of random letters."""
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = ["".join(dice.choice(letters, size)) for size in dice.integers(2, 10, VOCABULARY)]
    weights = 1 / np.arange(1, VOCABULARY + 1)
    drawn = iter(dice.choice(VOCABULARY, SENTENCES * 20, p=weights / weights.sum()).tolist())
    lengths = dice.integers(6, 21, SENTENCES).tolist()
    texts = [" ".join(words[next(drawn)] for _ in range(length)) for length in lengths]
    return np.array([f"{text.capitalize()}." for text in texts], dtype=object)


def _conversation(dice: np.random.Generator, pool: np.ndarray, number: int) -> Row:
    num_messages = TURNS[int(dice.integers(len(TURNS)))]
    drawn = pool[dice.integers(SENTENCES, size=num_messages * 11)].tolist()
    texts = [" ".join(drawn[index * 11 : index * 11 + (6 if index % 2 == 0 else 11)]) for index in range(num_messages)]
    texts[0] = f"{number}: {texts[0]}"
    messages = [{"content": text, "role": "assistant" if index % 2 else "user"} for index, text in enumerate(texts)]
    return {"prompt": texts[0], "prompt_id": hashlib.sha256(texts[0].encode()).hexdigest(), "messages": messages}


def _malformed(row: Row) -> Row:
    """Return the conversation without its last answer."""
    return row | {"messages": row["messages"][:-1]}
