"""The graph of a pipeline."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from mlops.studio.graph import BOX_HEIGHT, BOX_WIDTH, MOST_LETTERS, draw
from mlops.workspace.history import Job

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def step(name: str, parent: str) -> Job:
    """Return a step that goes on."""
    return Job(name, name, "", "command", "Running", NOON, parent=parent)


NAMES = [f"step{number}" for number in range(8)]


@given(st.lists(st.frozensets(st.sampled_from(NAMES)), min_size=8, max_size=8))
def test_data_goes_to_the_right(before: list[frozenset[str]]) -> None:
    """Whatever the pipeline: every arrow starts left of where it ends, and no two boxes lie on each other."""
    bindings = {name: one & frozenset(NAMES[:at]) for at, (name, one) in enumerate(zip(NAMES, before, strict=True))}
    graph = draw("job", [], bindings)
    at = {box.name: box for box in graph.boxes}
    for name, sources in bindings.items():
        assert all(at[source].x + BOX_WIDTH < at[name].x for source in sources)
    assert len({(box.x, box.y) for box in graph.boxes}) == len(NAMES)
    assert len(graph.arrows) == sum(map(len, bindings.values()))


def test_an_arrow_that_skips_a_column_goes_above_the_row() -> None:
    """It runs behind no box."""
    graph = draw("job", [], {"a": frozenset(), "b": frozenset({"a"}), "c": frozenset({"a", "b"}), "d": frozenset()})
    (lane,) = [int(arrow.path.split(" H")[0].split()[-1]) for arrow in graph.arrows if " H" in arrow.path]
    assert not [box for box in graph.boxes if box.y <= lane <= box.y + BOX_HEIGHT]


def test_trials_of_a_sweep_can_be_told_apart() -> None:
    """A name that does not fit is shortened in its middle."""
    names = ["Sweep over the learning rate_0", "Sweep over the learning rate_1"]
    labels = {box.label for box in draw("job", [step(name, "job") for name in names], {}).boxes}
    assert len(labels) == len(names)
    assert {len(label) for label in labels} == {MOST_LETTERS}


def test_a_step_that_is_a_pipeline_is_drawn_as_its_own_steps() -> None:
    """One after the other as they began, dashed; what takes its data waits for the last of them."""
    steps = [step("outer", "job"), step("import", "outer"), step("train", "outer"), step("convert", "job")]
    graph = draw("job", steps, {"outer": frozenset(), "convert": frozenset({"outer"})})
    assert [box.name for box in sorted(graph.boxes, key=lambda box: box.x)] == ["import", "train", "convert"]
    assert sorted(arrow.carries for arrow in graph.arrows) == [False, True]


def test_a_step_that_has_not_begun_is_drawn_all_the_same() -> None:
    """The pipeline names it; the run history does not know it yet."""
    graph = draw("job", [step("train", "job")], {"train": frozenset(), "convert": frozenset({"train"})})
    assert [(box.name, box.status) for box in graph.boxes] == [("train", "Running"), ("convert", "NotStarted")]
