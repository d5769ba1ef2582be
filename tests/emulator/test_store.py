"""Documents are found by id without case, listed by age and deleted with all that is under them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.emulator.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    Step = tuple[str, str, int]

_PARTS = st.sampled_from(["a", "B", "ab", "a0", "a-b", "ä"])
_IDS = st.lists(_PARTS, min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts))
_STEPS = st.lists(st.tuples(st.sampled_from(["put", "delete"]), _IDS, st.integers(0, 9)), max_size=30)


@given(_STEPS)
def test_it_behaves_like_a_dictionary_of_paths(tmp_path_factory: pytest.TempPathFactory, steps: list[Step]) -> None:
    """Whatever is written and deleted: what is found is what a dictionary of lower-case paths would hold."""
    store, expected = Store(tmp_path_factory.mktemp("store") / "state.db"), dict[str, dict[str, int]]()
    for action, id_, number in steps:
        if action == "put":
            store.put(id_, {"number": number})
            expected[id_.lower()] = {"number": number}
        else:
            store.delete(id_)
            gone = [key for key in expected if key == id_.lower() or key.startswith(f"{id_.lower()}/")]
            for key in gone:
                del expected[key]
        for key, document in expected.items():
            assert store.get(key.upper()) == document
        for parent in {key.rpartition("/")[0] for key in expected}:
            children = [document for key, document in expected.items() if key.rpartition("/")[0] == parent]
            assert store.children(parent) == children[::-1]
    store.close()


def test_a_walk_goes_on_where_it_was_left(tmp_path: Path) -> None:
    """A page ends with a sequence number, and the next one begins after it, whatever came meanwhile."""
    store = Store(tmp_path / "state.db")
    for number in range(10):
        store.put(f"/jobs/{number}", {"number": number})
    walk = store.walk("/jobs")
    first = [next(walk) for _ in range(4)]
    store.put("/jobs/10", {"number": 10})
    rest = [document["number"] for _, document in store.walk("/jobs", before=first[-1][0])]
    assert [document["number"] for _, document in first] + rest == list(range(9, -1, -1))
    store.close()


def test_a_document_keeps_its_age(tmp_path: Path) -> None:
    """Writing a document again does not make it the youngest."""
    store = Store(tmp_path / "state.db")
    for name in ("a", "b", "a"):
        store.put(f"/jobs/{name}", {"name": name})
    assert [document["name"] for document in store.children("/jobs")] == ["b", "a"]
    store.close()


def test_what_is_written_together_is_there_together(tmp_path: Path) -> None:
    """A block that does not come to its end leaves nothing, nor does one inside it; a whole one leaves all."""
    store = Store(tmp_path / "state.db")
    store.put("/a", {"number": 1})

    def write() -> None:
        with store.together():
            store.delete("/a")
            with store.together():
                store.put("/b", {"number": 2})
            raise InterruptedError

    with pytest.raises(InterruptedError):
        write()
    assert (store.get("/a"), store.get("/b")) == ({"number": 1}, None)
    with store.together():
        store.delete("/a")
        store.put("/b", {"number": 2})
    assert (store.get("/a"), store.get("/b")) == (None, {"number": 2})
    store.close()
