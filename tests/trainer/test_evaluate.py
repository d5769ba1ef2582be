"""Every model is asked the same, and the numbers are there when metrics.json is."""

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

CASES = [
    {"name": "speaks", "kind": "minimum", "messages": [{"role": "user", "content": "Hi"}], "matches": r".*"},
    {
        "name": "same twice",
        "kind": "invariance",
        "messages": [{"role": "user", "content": "Do you like red?"}],
        "variant": [{"role": "user", "content": "Do you like red?"}],
    },
    {
        "name": "short is likelier",
        "kind": "direction",
        "messages": [{"role": "user", "content": "Do you like red?"}],
        "better": "Yes",
        "worse": "Yes",
    },
]


@pytest.fixture(scope="module")
def output(base_folder: Path, data_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of an evaluation of two models, whose test data is a part of the training data."""
    folder = tmp_path_factory.mktemp("evaluation")
    train, general, behavior = (folder / f"{name}.jsonl" for name in ("train", "general", "behavior"))
    train.write_text("".join(data_file.read_text().splitlines(keepends=True)[:3]))
    closed = [{"role": "user", "content": "How many?"}, {"role": "assistant", "content": "Two"}]
    general.write_text(json.dumps({"messages": closed, "closed": True, "topic": "counting"}))
    behavior.write_text("".join(json.dumps(case) + "\n" for case in CASES))
    values = {"candidate": base_folder, "base": base_folder, "test_data": data_file, "train_data": train}
    values |= {"general": general, "behavior": behavior, "output": folder}
    numbers = {"num_examples": 6, "num_generations": 2, "max_new_tokens": 4, "batch_tokens": 512}
    assert main([f"--{name}={value}" for name, value in (values | numbers).items()]) == 0
    return folder


def test_examples_hold_every_model_and_prompt(output: Path) -> None:
    """One row a model and example, in the order of the data; answers only where asked for."""
    rows = pq.read_table(output / "examples.parquet").to_pylist()
    held_out = [row for row in rows if row["suite"] == "held_out"]
    assert [(row["model"], row["prompt_id"]) for row in held_out] == [
        (model, str(index)) for model in ("candidate", "base") for index in range(6)
    ]
    assert [row["prediction"] is not None for row in rows[:6]] == [True, True, False, False, False, False]
    assert (rows[0]["reference"], rows[0]["prompt"]) == ("Because my car is red.", "Why red, and not gray?")
    assert [row["suite"] for row in rows[:10]] == ["held_out"] * 6 + ["general"] + ["behavior"] * 3
    assert len({row["key"] for row in rows[:10]}) == 10


def test_the_same_model_scores_the_same(output: Path) -> None:
    """Nothing but the model makes a difference between two models, but for the time it took."""
    report = json.loads((output / "metrics.json").read_text())
    models = {name: {key: value for key, value in values.items() if "latency" not in key}
              for name, values in report["models"].items()}  # fmt: skip
    assert models["candidate"] == models["base"]
    assert report["sha256"]["candidate"] == report["sha256"]["base"]


def test_metrics_are_the_examples_summed_by_token(
    output: Path, base_folder: Path, data_file: Path, chats: Chats
) -> None:
    """The loss of a model weighs each token alike, and the report says which data it saw."""
    report = json.loads((output / "metrics.json").read_text())
    model, tokenizer = load(base_folder)
    scores = score_conversations(model, tokenizer, [encode(tokenizer, chat) for chat in chats[:6]], batch_tokens=1024)
    expected = sum(score.total_loss for score in scores) / sum(score.num_tokens for score in scores)
    assert report["models"]["base"]["loss"] == pytest.approx(expected, rel=1e-5)
    assert report["test_data_sha256"] == hashlib.sha256(data_file.read_bytes()).hexdigest()
    assert report["suites"] == {"held_out": 6, "general": 1, "behavior": 3}
    assert report["models"]["base"]["num_generations"] == 2


def test_what_was_trained_on_is_counted(output: Path) -> None:
    """Three of the six test conversations stand in the training data: not one by chance, and it is said of each."""
    report = json.loads((output / "metrics.json").read_text())
    rows = pq.read_table(output / "examples.parquet").to_pylist()
    assert report["contamination"] == 0.5
    assert [row["leaked"] for row in rows[:7]] == [True] * 3 + [False] * 4


def test_general_questions_and_behavior_have_metrics_of_their_own(output: Path) -> None:
    """Forgetting is the loss on the general set; a case that compares an answer with itself is not passed."""
    metrics = json.loads((output / "metrics.json").read_text())["models"]["base"]
    assert metrics["general_loss"] > 0
    assert metrics["general_exact"] == 0
    rows = pq.read_table(output / "examples.parquet").to_pylist()
    passed = {row["prompt_id"]: row["passed"] for row in rows if row["suite"] == "behavior"}
    assert passed["speaks"]
    assert not passed["short is likelier"]


def test_the_last_answer_is_asked_for(chats: Chats) -> None:
    """The model reads all before the last assistant message and what follows it is left out."""
    chat = [*chats[0], {"role": "user", "content": "Thanks"}]
    assert split_last_answer(chat) == (chats[0][:3], "Because my car is red.")
