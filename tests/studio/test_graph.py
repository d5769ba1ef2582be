"""The graph of a pipeline."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from mlops.studio.graph import BOX_WIDTH, draw
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
