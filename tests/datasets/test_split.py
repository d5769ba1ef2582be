"""Into which split a conversation goes."""

from __future__ import annotations

from collections import Counter

from mlops.datasets.columns import prompt_id
from mlops.datasets.settings import DataSettings
from mlops.datasets.split import Cuts, shuffle_answers

SETTINGS = DataSettings(
    source="chitchat",
    percentage=100,
    seed=0,
    validation_percentage=5,
    test_percentage=20,
    max_quarantine_percentage=50,
)


def test_the_splits_that_are_lacking_are_cut_from_train() -> None:
    """About as large as asked for; nothing is cut for a split that the source has."""
    prompts = [prompt_id(f"prompt {number}") for number in range(4000)]
    sizes = Counter(map(Cuts.of(SETTINGS, present={None}).split_of, prompts))
    assert abs(sizes["test"] - 800) < 130
    assert abs(sizes["validation"] - 200) < 70
    assert Cuts.of(SETTINGS, present={"train", "test"}) == Cuts(validation=5, test=0)
    assert set(map(Cuts.of(SETTINGS, present={"train", "validation", "test"}).split_of, prompts)) == {"train"}


def test_what_was_held_out_stays_held_out() -> None:
    """A larger test split holds the smaller one, so that no model is judged by what it was trained on."""
    prompts = [prompt_id(f"prompt {number}") for number in range(1000)]
    small, large = Cuts(validation=5, test=10), Cuts(validation=5, test=20)
    assert all(large.split_of(prompt) == "test" for prompt in prompts if small.split_of(prompt) == "test")


def test_shuffled_answers_keep_their_words() -> None:
    """Only the order of an answer's words is lost, the same way each time; the question stays."""
    answer = "one two three four five six seven eight"
    messages = [{"role": "user", "content": "a question"}, {"role": "assistant", "content": answer}]
    row = {"prompt": "a question", "prompt_id": prompt_id("a question"), "messages": messages}
    shuffled = shuffle_answers(row, seed=0)
    assert shuffled["messages"][0] == messages[0]
    assert shuffled["messages"][1]["content"] != answer
    assert sorted(shuffled["messages"][1]["content"].split()) == sorted(answer.split())
    assert shuffled == shuffle_answers(row, seed=0)
