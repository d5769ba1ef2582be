"""Files that are written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops.errors import DataError
from mlops.whole import fresh_folder, written_whole


def test_a_file_appears_when_it_is_complete(tmp_path: Path) -> None:
    """Until then the old one stays."""
    path = tmp_path / "a"
    path.write_text("old")
    with written_whole(path) as file:
        file.write(b"new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_nothing_behind(tmp_path: Path) -> None:
    """Neither a part nor a temporary file."""

    def interrupted() -> None:
        with written_whole(tmp_path / "a") as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk_is_named(tmp_path: Path) -> None:
    """The device that is always full stands for a disk that is."""
    (tmp_path / ".a.unfinished").symlink_to("/dev/full")
    with (
        pytest.raises(DataError, match=r"cannot write .*a: No space left on device\. Make room"),
        written_whole(tmp_path / "a") as file,
    ):
        file.write(b"x" * (2 << 20))
    assert not (tmp_path / "a").exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """A file in the way, or one that may not be written to."""
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot make the folder .*Not a directory"):
        fresh_folder(tmp_path / "file" / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
