"""Killed, without room or without permission: nothing is half-written, and the next run completes."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mlops.datasets.prepare import prepare_splits
from mlops.errors import DataError
from tests.datasets.preparation import as_lines, chat, prepare, settings, written


def test_a_killed_preparation_goes_on_with_the_shards_that_are_left(tmp_path: Path) -> None:
    """Killed whenever: no file is half under its name, finished shards are not read again, the bytes are the same."""
    source, site = tmp_path / "source", tmp_path / "killed"
    for number in range(20):
        as_lines(source / f"train-{number:02}.jsonl", [chat(f"{number} {row}", "yes" * 300) for row in range(100)])
    whole = prepare(tmp_path / "whole", settings(source))
    finished: dict[Path, int] = {}
    while len(finished) < 12:
        program = subprocess.Popen([sys.executable, "-c", PROGRAM, str(source), str(site)])
        while program.poll() is None and len(list(site.glob(".data-*/*.json"))) < len(finished) + 3:
            pass
        program.kill()
        assert program.wait() == -signal.SIGKILL
        assert not [path for path in site.rglob("*") if path.name.startswith("data")]
        now = {path: path.stat().st_mtime_ns for path in site.glob(".data-*/*.json")}
        assert finished.items() <= now.items(), "a finished shard was read again"
        finished = now
    assert prepare(site, settings(source)) == whole
    assert written(site) == written(tmp_path / "whole")


PROGRAM = """
import sys, time
from pathlib import Path
from mlops.datasets import prepare
from mlops.datasets.settings import DataSettings

def slow(*task, real=prepare.spool_shard):
    time.sleep(0.02)  # so that there is time to be killed in
    return real(*task)

prepare.spool_shard = slow
sizes = {"percentage": 100, "seed": 0, "validation_percentage": 5, "test_percentage": 10, "workers": 1}
settings = DataSettings(source=sys.argv[1], max_quarantine_percentage=50, **sizes)
site = Path(sys.argv[2])
prepare.prepare_splits(settings, site / "data", cache=site / "cache", show=lambda _: None)
"""


def test_other_settings_start_afresh(source: Path, tmp_path: Path) -> None:
    """Shards that were finished with other settings are not mixed in."""
    with pytest.raises(DataError, match="rows are bad"):
        prepare(tmp_path, settings(source, max_quarantine_percentage=0))
    spools = list(tmp_path.glob(".data-*"))
    assert len(spools) == 1
    with pytest.raises(DataError, match="rows are bad"):
        prepare(tmp_path, settings(source, max_quarantine_percentage=0, percentage=50))
    assert not spools[0].exists()
    prepare(tmp_path, settings(source, percentage=50))
    assert not list(tmp_path.glob(".data-*"))


def test_a_full_disk_is_one_clear_message(source: Path, tmp_path: Path) -> None:
    """The stage ends with a sentence, leaves nothing half-written, and completes once there is room."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))
    try:
        with pytest.raises(DataError, match=r"cannot write .*: File too large\. Make room"):
            prepare(tmp_path, settings(source))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not (tmp_path / "data").exists()
    assert not list(tmp_path.rglob("*.unfinished"))
    assert prepare(tmp_path, settings(source)).counts.read == 1200


@contextmanager
def bound_by_permissions() -> Iterator[None]:
    """Take from root the right to write where nobody may (CAP_DAC_OVERRIDE, see capabilities(7))."""
    if os.geteuid():
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header, held, fewer = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)(), (ctypes.c_uint32 * 6)()
    libc.capget(header, held)
    fewer[:] = held[:]
    fewer[0] &= ~(1 << 1)
    libc.capset(header, fewer)
    try:
        yield
    finally:
        libc.capset(header, held)


def test_a_folder_that_may_not_be_written_is_named(source: Path, tmp_path: Path) -> None:
    """Permission denied is the user's to mend."""
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    with bound_by_permissions(), pytest.raises(DataError, match="Permission denied"):
        prepare_splits(settings(source), locked / "data", cache=tmp_path, show=lambda _: None)
