"""The stand-in base model is the same each time, reads its quarter of the data and is named for what it is."""

import hashlib
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from mlops.trainer import stand_in
from mlops.trainer.corpus import base_texts, is_base_conversation
from mlops.trainer.generate import generate_answers
from mlops.trainer.stand_in import BaseModel, build_base


def digests(folder: Path) -> dict[str, str]:
    """Hash every file of a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_same_specification_gives_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two builds on one machine differ in no byte, and say that they are a stand-in; another seed has other weights."""
    texts = list(islice(base_texts(), 100))
    monkeypatch.setattr(stand_in, "base_texts", lambda: texts)
    spec = BaseModel(vocab_size=400, hidden_size=16, num_layers=1, intermediate_size=16, num_tokens=2048)
    for name in ("one", "two"):
        build_base(tmp_path / name, spec=spec)
    build_base(tmp_path / "other", spec=replace(spec, seed=1))
    one, other = digests(tmp_path / "one"), digests(tmp_path / "other")
    assert one == digests(tmp_path / "two")
    assert {name for name in one if one[name] != other[name]} == {"model/model.safetensors"}
    assert "NOT Microsoft's weights" in (tmp_path / "one" / "README.md").read_text(encoding="utf-8")
    assert "stand_in: true" in (tmp_path / "one" / "MLmodel").read_text(encoding="utf-8")


def test_it_never_says_the_same_three_tokens_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own default, which evaluation and serving keep to: a loop is an answer that no rollout lets pass."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    texts = list(islice(base_texts(), 100))
    monkeypatch.setattr(stand_in, "base_texts", lambda: texts)
    build_base(
        tmp_path, spec=BaseModel(vocab_size=400, hidden_size=16, num_layers=1, intermediate_size=16, num_tokens=2048)
    )
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "components" / "tokenizer")
    said: list[list[int]] = []
    monkeypatch.setattr(tokenizer, "decode", lambda tokens, **_: said.append(tokens) or "")
    chats = [[{"role": "user", "content": "Hello!"}]]
    generate_answers(model, tokenizer, chats, batch_tokens=512, max_length=64, max_new_tokens=40)
    grams = list(zip(said[0], said[0][1:], said[0][2:], strict=False))
    assert len(set(grams)) == len(grams) > 10


def test_base_conversations_are_a_fixed_quarter() -> None:
    """The rule is the first hex digit of the prompt's sha256, whatever the data holds."""
    ids = [str(number) for number in range(1000)]
    expected = [hashlib.sha256(name.encode()).hexdigest()[0] in "0123" for name in ids]
    assert [is_base_conversation(name) for name in ids] == expected
    assert 200 < sum(expected) < 300
