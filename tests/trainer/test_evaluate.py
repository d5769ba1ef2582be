"""Every model is scored on the same examples, and the numbers are there when metrics.json is."""

import hashlib
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from mlops.trainer.chat import encode
from mlops.trainer.evaluate import main
from mlops.trainer.generate import split_last_answer
from mlops.trainer.model_folder import load
from mlops.trainer.score import score_conversations

Chats = list[list[dict[str, str]]]


@pytest.fixture(scope="module")
def output(base_folder: Path, data_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of an evaluation of two models."""
    folder = tmp_path_factory.mktemp("evaluation")
    values = {"candidate": base_folder, "base": base_folder, "test_data": data_file, "output": folder}
    numbers = {"num_examples": 6, "num_generations": 2, "max_new_tokens": 4, "batch_size": 4}
    assert main([f"--{name}={value}" for name, value in (values | numbers).items()]) == 0
    return folder


def test_examples_hold_every_model_and_prompt(output: Path) -> None:
    """One row a model and example, in the order of the data; answers only where asked for."""
    rows = pq.read_table(output / "examples.parquet").to_pylist()
    assert [(row["model"], row["prompt_id"]) for row in rows] == [
        (model, str(index)) for model in ("candidate", "base") for index in range(6)
    ]
    assert [row["prediction"] is not None for row in rows[:6]] == [True, True, False, False, False, False]
    assert rows[0]["reference"] == "Because my car is red."


def test_the_same_model_scores_the_same(output: Path) -> None:
    """Nothing but the model makes a difference between two models."""
    models = json.loads((output / "metrics.json").read_text())["models"]
    assert models["candidate"] == models["base"]


def test_metrics_are_the_examples_summed_by_token(
    output: Path, base_folder: Path, data_file: Path, chats: Chats
) -> None:
    """The loss of a model weighs each token alike, and the report says which data it saw."""
    report = json.loads((output / "metrics.json").read_text())
    model, tokenizer = load(base_folder)
    scores = score_conversations(model, tokenizer, [encode(tokenizer, chat) for chat in chats[:6]], batch_size=6)
    expected = sum(score.total_loss for score in scores) / sum(score.num_tokens for score in scores)
    assert report["models"]["base"]["loss"] == pytest.approx(expected, rel=1e-5)
    assert report["test_data_sha256"] == hashlib.sha256(data_file.read_bytes()).hexdigest()
    assert (report["num_examples"], report["models"]["base"]["num_generations"]) == (6, 2)


def test_the_last_answer_is_asked_for(chats: Chats) -> None:
    """The model reads all before the last assistant message and what follows it is left out."""
    chat = [*chats[0], {"role": "user", "content": "Thanks"}]
    assert split_last_answer(chat) == (chats[0][:3], "Because my car is red.")
