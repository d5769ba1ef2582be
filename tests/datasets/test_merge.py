"""From sorted runs to splits."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from mlops.datasets.merge import left_out, merge

RECORDS = st.lists(
    st.builds(
        lambda key, split, text: f"{key:016x}{split}{text}\n".encode(),
        st.integers(0, 20),
        st.integers(0, 2),
        st.text("ab", max_size=2),
    ),
    max_size=20,
)


@given(runs=st.lists(RECORDS, max_size=5), rows=st.none() | st.integers(1, 20))
def test_however_records_are_spread_over_runs_the_splits_are_the_same(
    runs: list[list[bytes]], rows: int | None
) -> None:
    """The splits hold each record once, in key order, train without the prompts of the others; counts add up."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        places = []
        for number, records in enumerate(runs):
            path = folder / f"{number}.rows"
            path.write_bytes(b"".join(sorted(records)))
            places.append(path)
        merged = merge(places, folder, spool=folder, rows=rows)
        found = {split: (folder / f"{split}.jsonl").read_bytes() for split in merged.splits}
    written, owners, seen, num_written = {"0": b"", "1": b"", "2": b""}, {}, set(), 0
    everything = sorted(record for records in runs for record in records)
    for record in everything:
        if record not in seen and num_written == rows:
            break
        if record not in seen and owners.setdefault(record[:16], record[16:17]) == record[16:17]:
            written[record[16:17].decode()] += record[17:]
            num_written += 1
        seen.add(record)
    assert found == {"test": written["0"], "validation": written["1"], "train": written["2"]}
    assert sum(split.rows for split in merged.splits.values()) == num_written
    assert merged.num_seen == num_written + merged.num_duplicates + merged.num_held_out
    assert merged.num_seen <= len(everything)


def test_lines_are_left_out_by_number(tmp_path: Path) -> None:
    """The file is written anew, and described anew."""
    path = tmp_path / "train.jsonl"
    path.write_bytes(b"".join(b"%d\n" % number for number in range(5)))
    split = left_out(path, {0, 3})
    assert path.read_bytes() == b"1\n2\n4\n"
    assert (split.rows, split.sha256) == (3, hashlib.sha256(b"1\n2\n4\n").hexdigest())
