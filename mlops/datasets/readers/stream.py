"""Opening a file to be read from its beginning, decompressed on the way."""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, Final, cast

from mlops.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMPRESSIONS: Final = {".gz": "gzip", ".gzip": "gzip", ".zst": "zstd", ".zstd": "zstd"}
BUFFER: Final = 1 << 20
DECOMPRESSED: Final = 1 << 15
"""What is decompressed at a time, and lost where the data breaks off."""
UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")


class BrokenFileError(Exception):
    """A file that cannot be read to its end, such as a download that was cut off; its message says how."""


@contextmanager
def open_bytes(path: Path) -> Iterator[IO[bytes]]:
    """Open a file of bytes, plain or compressed as its name says.

    Raises DataError if it cannot be opened, or is UTF-16; BrokenFileError while it is read, if it breaks off.
    """
    try:
        file = io.BufferedReader(path.open("rb", 0), BUFFER)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; give a file that can be read") from None
    compression = COMPRESSIONS.get(path.suffix.lower())
    with file, io.BufferedReader(_Decompressed(file, compression), DECOMPRESSED) if compression else file as opened:
        _check_beginning(path, opened)
        yield opened


def _check_beginning(path: Path, file: io.BufferedReader[Any]) -> None:
    try:
        beginning = file.peek(2)[:2]
    except BrokenFileError as error:
        raise DataError(f"{path}: {error} at its beginning: get it again") from None
    if beginning in UTF_16:
        raise DataError(f"{path} is UTF-16; save it as UTF-8")


@contextmanager
def open_text(path: Path) -> Iterator[IO[str]]:
    """Open a UTF-8 file as text; a byte order mark is skipped, and a byte that is not UTF-8 becomes a surrogate."""
    with (
        open_bytes(path) as file,
        io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="") as text,
    ):
        yield text


class _Decompressed(io.RawIOBase):
    """The content of a compressed file; the codec's complaint becomes a BrokenFileError."""

    def __init__(self, file: IO[bytes], compression: str) -> None:
        import pyarrow as pa

        self._stream = pa.CompressedInputStream(file, compression)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            return cast("int", self._stream.readinto(buffer))
        except OSError as error:
            if error.errno is not None:
                raise
            raise BrokenFileError(f"the compressed data breaks off ({error})") from None
