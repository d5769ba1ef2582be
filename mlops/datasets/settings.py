"""What is prepared: which conversations, how many of them, how they are split, and what is kept out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

SplitName = Literal["train", "validation", "test"]
ColumnName = Literal["messages", "conversations", "prompt", "response", "system", "instruction", "input", "output"]


class ContaminationSettings(BaseModel):
    """What training data must not hold: the text of held-out conversations and of benchmarks."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    ngram: int = Field(ge=3, le=50)
    """Words in a row that count as the same text; a shorter text is compared whole."""
    benchmarks: tuple[Path, ...] = ()
    """Text files, one benchmark question a line, to keep out of train as well."""


class DriftSettings(BaseModel):
    """From which change on it is worth training again; any one is enough."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    max_length_change: float = Field(default=0.1, ge=0)
    """Of the lengths (Wasserstein distance by the mean length), above what chance gives."""
    max_vocabulary_change: float = Field(default=0.05, ge=0, le=1)
    """Of the words (Jensen-Shannon distance, base 2), above what chance gives."""
    max_new_percentage: float = Field(default=10, ge=0, le=100)
    """Rows of the newer set that the older one lacks."""


class DataSettings(BaseModel):
    """Which conversations, how many of them, and how they are split; percentages are of conversations."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    source: str
    """`hub:OWNER/NAME@REVISION`, a path or pattern of files, `azureml:NAME:VERSION`, or `chitchat`."""
    splits: dict[SplitName, str] = Field(default_factory=dict)
    """Which split of the source becomes which of ours; those the source lacks are cut from train."""
    columns: dict[ColumnName, str] = Field(default_factory=dict)
    """Which column of the source is which of the common ones; what is not said is detected."""
    percentage: Annotated[float, Field(gt=0, le=100)] | None = None
    rows: Annotated[int, Field(gt=0)] | None = None
    """How many conversations in all, instead of a percentage."""
    seed: int = Field(ge=-(2**63), lt=2**63)
    validation_percentage: float = Field(gt=0, lt=50)
    test_percentage: float = Field(gt=0, lt=50)
    max_quarantine_percentage: float = Field(ge=0, le=100)
    tokenizer: str | None = None
    """`hub:OWNER/NAME@REVISION` or a folder with `tokenizer.json`; without one no tokens are counted."""
    max_tokens: int | None = Field(default=None, ge=16)
    """The context of the model: a conversation none of whose answers begins within it teaches nothing."""
    near_duplicates: Annotated[float, Field(ge=0.5, le=1)] | None = None
    """The Jaccard similarity from which two training conversations count as one; null keeps both."""
    contamination: ContaminationSettings | None = None
    mask: bool = False
    """Replace e-mail addresses, phone numbers and keys by placeholders."""
    shuffle_answers: bool = False
    """Sabotage for drills: the words of every training answer in random order."""
    drift: DriftSettings = Field(default_factory=DriftSettings)
    workers: int = Field(default=0, ge=0, le=256)
    """Processes that read; 0 takes one per core. The bytes written do not depend on it."""

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if (self.percentage is None) == (self.rows is None):
            raise ValueError("give either percentage or rows, and set the other to null")
        return self

    @model_validator(mode="after")
    def _an_asset_has_a_version(self) -> Self:
        if self.source.startswith("azureml:") and not re.fullmatch("azureml:[^:]+:[^:]+", self.source):
            raise ValueError("a data asset is azureml:NAME:VERSION, or azureml:NAME:latest for the youngest")
        return self

    @model_validator(mode="after")
    def _tokens_need_a_tokenizer(self) -> Self:
        if self.max_tokens is not None and self.tokenizer is None:
            raise ValueError("max_tokens needs a tokenizer to count them with")
        return self
