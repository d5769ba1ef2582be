"""The loss is taken on what the assistant wrote and on nothing else."""

from itertools import compress

import pytest
from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from mlops.trainer.chat import encode

CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Do you like red?"},
    {"role": "assistant", "content": "  Yes, red is nice."},
    {"role": "user", "content": "Why?"},
    {"role": "assistant", "content": "Because my car is red. "},
]
# As published with Phi-3-mini-4k-instruct: no markers, and an end-of-text token behind every rendering.
PUBLISHED_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'system' %}{{'<|system|>\n' + message['content'] + "
    "'<|end|>\n'}}{% elif message['role'] == 'user' %}{{'<|user|>\n' + message['content'] + '<|end|>\n'}}"
    "{% elif message['role'] == 'assistant' %}{{'<|assistant|>\n' + message['content'] + '<|end|>\n'}}"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)


def written(tokenizer: PreTrainedTokenizerBase, chat: list[dict[str, str]]) -> str:
    """Give the text under the mask."""
    encoded = encode(tokenizer, chat)
    return tokenizer.decode(list(compress(encoded.input_ids, encoded.assistant_mask)))


def test_mask_covers_the_assistants_words_and_the_end_of_its_turn(tokenizer: PreTrainedTokenizerBase) -> None:
    """Every token of an answer and its end token are learned; roles, questions and line breaks are not."""
    assert written(tokenizer, CHAT) == "Yes, red is nice.<|end|>Because my car is red.<|end|>"


def test_template_renders_phi_3s_format(tokenizer: PreTrainedTokenizerBase) -> None:
    """The stand-in is spoken to exactly as Phi-3 is."""
    assert tokenizer.apply_chat_template(CHAT[1:3], tokenize=False) == (
        "<|user|>\nDo you like red?<|end|>\n<|assistant|>\nYes, red is nice.<|end|>\n"
    )


def test_template_without_markers_gives_the_same_mask(
    tokenizer: PreTrainedTokenizerBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The published template of Phi-3 marks nothing, yet the same words are learned, and the end it writes."""
    chat = [{**message, "content": message["content"].strip()} for message in CHAT]
    expected = written(tokenizer, chat)
    monkeypatch.setattr(tokenizer, "chat_template", PUBLISHED_TEMPLATE)
    assert written(tokenizer, chat) == expected + "<|endoftext|>"


def test_unknown_role_is_refused_by_the_template(tokenizer: PreTrainedTokenizerBase) -> None:
    """A role the model was never shown is an error, not silence."""
    with pytest.raises(TemplateError, match="not tool"):
        encode(tokenizer, [{"role": "tool", "content": "4"}, *CHAT[1:]])


def test_first_token_is_no_target(tokenizer: PreTrainedTokenizerBase) -> None:
    """The number of targets is the number of labels that have a token before them."""
    encoded = encode(tokenizer, CHAT)
    assert encoded.num_targets == sum(label != -100 for label in encoded.labels[1:])
