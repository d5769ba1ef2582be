"""Whether a conversation fits the tokens a model is trained on: exact counts, only where bytes cannot decide."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from mlops.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tokenizers import Tokenizer

TEMPLATE_TOKENS = 5
"""What a chat template puts around a message: `<|user|>`, newline, `<|end|>`, newline in Phi-3's, 5 in ChatML."""
MAX_BYTES_PER_CHARACTER = 4
FILE = "tokenizer.json"


@dataclass(frozen=True)
class TokenLimits:
    """The first `max_tokens` tokens of a conversation are what is trained on; `tokenizer` is a tokenizer.json."""

    tokenizer: Path
    max_tokens: int

    def truncates_every_answer(self, messages: Sequence[Mapping[str, str]]) -> bool:
        """Return whether what precedes the first answer already fills the limit.

        A byte-level or byte-fallback BPE makes at most one token of a byte, so that most rows need no tokenizer.
        """
        texts = [message["content"] for message in messages[: 1 + (messages[0]["role"] == "system")]]
        # One more template: that of the answer itself.
        room = self.max_tokens - TEMPLATE_TOKENS * (len(texts) + 1)
        if sum(map(len, texts)) * MAX_BYTES_PER_CHARACTER < room or sum(len(text.encode()) for text in texts) < room:
            return False
        return sum(map(self.count, texts)) >= room

    def count(self, text: str) -> int:
        """Return the number of tokens of a text, without those of a template."""
        return len(open_tokenizer(self.tokenizer).encode(text, add_special_tokens=False))


@cache
def open_tokenizer(path: Path) -> Tokenizer:
    """Open a tokenizer once in each process.

    Raises DataError if the file is missing or is no tokenizer.
    """
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_buffer(path.read_bytes())
    except OSError as error:
        raise DataError(f"data.tokenizer {path}: {error.strerror}; give a folder that holds {FILE}") from None
    except ValueError as error:
        raise DataError(
            f"data.tokenizer {path} is no {FILE} of the tokenizers library ({error}): give another"
        ) from None


def find_tokenizer(reference: str, *, cache: Path) -> Path:
    """Return the tokenizer.json of `hub:OWNER/NAME@REVISION`, of a folder or of a file.

    Raises DataError if there is none.
    """
    if reference.startswith("hub:"):
        from mlops.datasets.sources.hub import download_file

        return download_file(reference, FILE, repo_type="model", cache=cache)
    path = Path(reference).expanduser()
    path = path / FILE if path.is_dir() else path
    open_tokenizer(path)
    return path
