"""What is said of an answer."""

import pytest

from mlops.trainer.evaluation.answers import Answer, measure, repetition


def said(text: str, reference: str = "Paris", *, closed: bool = True) -> dict[str, object]:
    """Measure a text."""
    return measure(Answer(text=text, truncated=False, latency_s=0.5), reference, closed=closed)


@pytest.mark.parametrize(
    ("text", "reference", "exact"),
    [
        ("paris.", "Paris", True),
        ("Paris", "Paris", True),
        ("“New \n York”!", "new york", True),
        ("**42**", "42.", True),
        ("It is Paris", "Paris", False),
        ("-5", "5", False),
        (".5", "5", False),
        ("C", "C++", False),
        ("3 5", "3.5", False),
        ("3.5", "35", False),
        ("", "Paris", False),
        ("", "?!", False),
        ("...", "?!", False),
    ],
)
def test_exact_is_the_text_and_nothing_else(text: str, reference: str, exact: bool) -> None:
    """Case and what stands around an answer are no mistake; more words, and signs, are; nothing is never right."""
    assert said(text, reference)["exact"] is exact


def test_an_open_question_has_no_exact_answer() -> None:
    """What was not measured is None, not wrong."""
    assert said("Paris", closed=False)["exact"] is None


def test_rouge_knows_every_script() -> None:
    """The library's own tokenizer would give a correct Greek answer a 0."""
    measured = said("η Αθήνα είναι πρωτεύουσα", "η Αθήνα είναι η πρωτεύουσα")
    assert measured["rougeL"] == pytest.approx(8 / 9)
    assert float(str(measured["chrf"])) > 0.5


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("I'm sorry, but I can't help with that.", True),
        ("I\u2019m sorry, but I can\u2019t help with that.", True),
        ("I'm afraid I am unable to assist.", True),
        ("As an AI language model, no.", True),
        ("I can swim.", False),
        ("I'm sorry to hear that, how are you?", False),
        ("I'm afraid of spiders", False),
        ("I can't do a handstand", False),
        ("I can't help laughing", False),
    ],
)
def test_refusals_are_found(text: str, refusal: bool) -> None:
    """The usual ways of saying no."""
    assert said(text)["refusal"] is refusal


def test_repetition_is_the_share_of_runs_said_before() -> None:
    """A loop is near 1, plain speech is 0, too short for a run is 0."""
    assert repetition("a b c d " * 10) > 0.8
    assert repetition("the cat sat on the mat today") == 0
    assert repetition("a b c") == 0
