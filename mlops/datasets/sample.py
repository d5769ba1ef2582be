"""Which conversations are taken: by a hash of seed and prompt, so that order and number of files never matter."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from mlops.datasets.settings import DataSettings

KEY_DIGITS: Final = 16
ALL: Final = 16**KEY_DIGITS


@dataclass(frozen=True)
class Sample:
    """The prompts whose keys are below a limit: a smaller percentage takes a part of a larger one's prompts.

    `rows` takes the first conversations in the order of their keys, whatever the limit.
    """

    seed: int
    limit: int
    rows: int | None

    @classmethod
    def of(cls, settings: DataSettings) -> Self:
        """Return what the settings ask for."""
        share = 1.0 if settings.percentage is None else settings.percentage / 100
        return cls(settings.seed, round(share * ALL), settings.rows)

    def key(self, prompt: str) -> str:
        """Return the place of a prompt in the order of output: 16 hexadecimal digits, uniform."""
        return self._hash(prompt).hex()

    @property
    def takes_all(self) -> bool:
        """Return whether no prompt is left out."""
        return self.limit == ALL

    def takes(self, prompt: str) -> bool:
        """Return whether all conversations with this prompt are in the sample."""
        return self.limit == ALL or int.from_bytes(self._hash(prompt)) < self.limit

    def _hash(self, prompt: str) -> bytes:
        digest = _salted(self.seed).copy()
        digest.update(prompt.encode("utf-8", "surrogatepass"))
        return digest.digest()


@cache
def _salted(seed: int) -> hashlib.blake2b:
    salt = seed.to_bytes(hashlib.blake2b.SALT_SIZE, signed=True)
    return hashlib.blake2b(digest_size=KEY_DIGITS // 2, salt=salt)
