"""The words of conversations as they are compared: lower case, without punctuation, every run of them hashed."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Hashes = NDArray[np.uint64]
    Places = NDArray[np.int64]

Number = TypeVar("Number", np.uint64, np.int64)

SPACE: Final = ord(" ")
MULTIPLIER: Final = 0xD1342543DE82EF95
"""P of the hash: odd, so that it has an inverse modulo 2^64."""
INVERSE: Final = pow(MULTIPLIER, -1, 2**64)
ASCII: Final = bytes(ord(chr(code).lower()) if code < 128 and chr(code).isalnum() else SPACE for code in range(256))  # noqa: PLR2004 - what ASCII is
MOST_LETTERS: Final = 64
"""Bytes of a word that tell it from others of the same length."""
KEPT: Final = np.array([(1 << 8 * size) - 1 for size in range(9)], np.uint64)
"""Masks that keep the first bytes of eight."""
UNSPACED: Final = (range(0x0E00, 0x0F00), range(0x1000, 0x10A0), range(0x1780, 0x1800), range(0x3040, 0xA000))
"""Thai and Lao, Burmese, Khmer, Kana and Han: written without spaces, so each character is a word of its own."""


class _Spelling(dict[int, str]):
    """What each character of a text that is not ASCII becomes; found out once per character."""

    def __missing__(self, point: int) -> str:
        character = chr(point)
        if unicodedata.category(character)[0] not in "LMN":
            spelled = " "
        else:
            is_word = any(point in script for script in UNSPACED)
            spelled = f" {character} " if is_word else character.casefold()
        self[point] = spelled
        return spelled


SPELLING: Final = _Spelling()


def normalize(text: str) -> bytes:
    """Return a text in UTF-8, in lower case and with a space for each character that is no letter, mark or number.

    >>> normalize("So, what's NEW?").split()
    [b'so', b'what', b's', b'new']
    """
    if text.isascii():
        return text.encode().translate(ASCII)
    return text.translate(SPELLING).encode()


@dataclass(frozen=True)
class Words:
    """The words of texts, one text after the other: text i holds the words `offsets[i]:offsets[i + 1]`.

    The hash of the words from k to m is (prefix[m] - prefix[k]) * shift[k] modulo 2^64, mixed: a fingerprint after
    Rabin and Karp, so that a run of any length costs the same. Shapes: prefix (words + 1,), shift (words,).
    """

    prefix: Hashes
    shift: Hashes
    offsets: Places

    def joined(self, sizes: Sequence[int]) -> Words:
        """Return the words with so many texts in a row made into one each."""
        return replace(self, offsets=self.offsets[list(accumulate(sizes, initial=0))])

    def runs(self, starts: Places, ends: Places) -> Hashes:
        """Return the hash of the words from each start to each end."""
        return mixed((self.prefix[ends] - self.prefix[starts]) * self.shift[starts])

    def grams(self, n: int) -> tuple[Hashes, Places]:
        """Return the hashes of all runs of n words, text after text, and where each text's hashes begin and end.

        A text of fewer words is one run, one without words has none.
        """
        sizes = np.diff(self.offsets)
        counts = np.where(sizes >= n, sizes - n + 1, np.minimum(sizes, 1))
        bounds = np.concatenate([[0], np.cumsum(counts)])
        starts = np.arange(bounds[-1]) + np.repeat(self.offsets[:-1] - bounds[:-1], counts)
        ends = np.minimum(starts + n, np.repeat(self.offsets[1:], counts))
        return self.runs(starts, ends), bounds


def split(texts: Sequence[str]) -> Words:
    """Return the hashed words of texts."""
    normal = [normalize(text) for text in texts]
    content = b" ".join(normal).join((b" ", b" " * MOST_LETTERS))
    starts, ends = _bounds(content)
    powers, inverses = _powers(1 << max(starts.size, 2**16).bit_length())
    sums = np.cumsum(_hashed(content, starts, ends) * powers[: starts.size], dtype=np.uint64)
    text_ends = np.cumsum([len(text) + 1 for text in normal])
    offsets = np.searchsorted(starts, text_ends, side="right")
    return Words(np.append(np.uint64(0), sums), inverses[: starts.size], np.append(0, offsets))


def _bounds(content: bytes) -> tuple[Places, Places]:
    """Return where the words begin and end; the content begins and ends with a space."""
    letters = np.frombuffer(content, np.uint8) != SPACE
    turns = np.flatnonzero(letters[1:] != letters[:-1]) + 1
    return turns[::2], turns[1::2]


def _hashed(content: bytes, starts: Places, ends: Places) -> Hashes:
    """Return the hash of each word: of its length and its first 64 bytes, eight at a time."""
    eights = np.ndarray(len(content) - 7, "<u8", content, strides=(1,))
    sizes = ends - starts
    hashes = mixed(sizes.astype(np.uint64) ^ (eights[starts] & KEPT[np.minimum(sizes, 8)]))
    for done in range(8, MOST_LETTERS, 8):
        longer = np.flatnonzero(sizes > done)
        if not longer.size:
            break
        letters = eights[starts[longer] + done] & KEPT[np.minimum(sizes[longer] - done, 8)]
        hashes[longer] = mixed(hashes[longer] ^ letters)
    return hashes


def distinct(values: NDArray[Number]) -> NDArray[Number]:
    """Return the values sorted, each once (`np.unique` hashes them, which takes far longer on millions)."""
    values = np.sort(values)
    once: NDArray[Number] = values[np.append(True, values[1:] != values[:-1])[: values.size]]
    return once


def mixed(values: Hashes) -> Hashes:
    """Return the values with every bit depending on every bit (the finalizer of SplitMix64)."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        values = (values ^ (values >> np.uint64(shift))) * np.uint64(factor)
    return values ^ (values >> np.uint64(31))


@cache
def _powers(size: int) -> tuple[Hashes, Hashes]:
    """Return P^k and P^-k for k below the size."""

    def powers(base: int) -> Hashes:
        factors = np.full(size, base, np.uint64)
        factors[0] = 1
        return np.cumprod(factors)

    return powers(MULTIPLIER), powers(INVERSE)
