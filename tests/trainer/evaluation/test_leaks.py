"""What was learnt by heart is found."""

import json
from pathlib import Path

import pytest

from mlops.trainer.evaluation.leaks import find_leaks

QUESTION = "Where did you go on your holiday last summer?"
ANSWER = "We went to the mountains in the north and swam in every lake."


def chat(*texts: str) -> list[dict[str, str]]:
    """Give a chat that begins with the user."""
    return [{"role": ("user", "assistant")[index % 2], "content": text} for index, text in enumerate(texts)]


@pytest.fixture
def train(tmp_path: Path) -> Path:
    """Give a training file of one conversation."""
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps({"messages": chat("Hi", "Hello!", QUESTION, ANSWER)}) + "\n")
    return path


@pytest.mark.parametrize(
    ("messages", "leaked"),
    [
        (chat(QUESTION, ANSWER), True),
        (chat(QUESTION.lower(), ANSWER.replace(".", " !")), True),
        (chat("Morning", "Good morning!", QUESTION, ANSWER, "Nice", "Yes"), True),
        (chat(QUESTION, "Nowhere."), False),
        (chat("And you?", ANSWER), False),
        (chat("Hi", "Hello!"), False),
    ],
)
def test_a_question_with_its_answer_is_a_leak(train: Path, messages: list[dict[str, str]], leaked: bool) -> None:
    """Whatever the case, punctuation and neighbors; small talk and half of an exchange are none."""
    assert find_leaks([train], [messages]) == [leaked]


@pytest.mark.parametrize("answer", ["chosen", "rejected"])
def test_preferences_leak_as_conversations_do(train: Path, tmp_path: Path, answer: str) -> None:
    """A model that was aligned has seen both answers to each question."""
    (question, said), other = chat(QUESTION, ANSWER), {"role": "assistant", "content": "Nowhere."}
    row = {"prompt": [question], "chosen": [other], "rejected": [other]} | {answer: [said]}
    preferences = tmp_path / "preferences.jsonl"
    preferences.write_text(json.dumps(row) + "\n")
    again = chat("You were away?", "For two weeks.", QUESTION.upper(), ANSWER)
    train.write_text("")
    assert find_leaks([train, preferences], [again, chat("Hi", "Hello!")]) == [True, False]
