"""What people see of a training job."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

import pytest
from rich.console import Console
from rich.prompt import Confirm

from mlops.finetuning.progress import Progress
from mlops.reports import training

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_mock import MockerFixture

NOW = Progress(step=20, share=0.4, loss=2.0, tokens_per_s=900.0, left_s=600.0, usd=1.25)
CURVES = {"loss": [(step, 3 - step / 100) for step in range(1, 101)], "eval_loss": [(100, 2.2)]}


def test_a_log_gets_a_line_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Continuous integration keeps every line: few, and each with step, loss, pace, time left and cost."""
    assert training.PERIOD_S == 60
    monkeypatch.setattr(training, "PERIOD_S", 0.01)
    said = StringIO()
    with training.display(Console(file=said, width=200)) as show:
        show(NOW, "Running")
        while str(NOW) not in said.getvalue():
            pass
    assert f"running · {NOW}" in said.getvalue()


def test_a_terminal_gets_a_bar(mocker: MockerFixture) -> None:
    """The bar moves with the share that is done; before the first entry it says what the job waits for."""
    bar = mocker.spy(training.Progress, "update")
    with training.display(Console(file=StringIO(), force_terminal=True, width=200)) as show:
        show(None, "Queued")
        show(NOW, "Running")
    assert bar.call_args_list[0].kwargs == {"description": "queued"}
    assert bar.call_args_list[1].kwargs == {"total": 1.0, "completed": 0.4, "description": str(NOW)}
    assert str(NOW) == "step 20 · 40% · loss 2.0000 · 900 tokens/s · 10 min 0 s left · 1.25 USD"


@pytest.mark.parametrize(("is_terminal", "asks"), [(True, True), (False, False)])
def test_only_a_person_is_asked(mocker: MockerFixture, *, is_terminal: bool, asks: bool) -> None:
    """A runner that is stopped has nobody to answer: its job goes on."""
    question = mocker.patch.object(Confirm, "ask", return_value=True)
    mocker.patch("sys.stdin.isatty", return_value=is_terminal)
    console = Console(file=StringIO(), force_terminal=is_terminal)
    assert training.asks_to_cancel(console, "finetune-1", 3.673) is asks
    assert question.called is asks
    if asks:
        assert "Cancel job finetune-1?" in question.call_args.args[0]
        assert "3.67 USD/h" in question.call_args.args[0]


def test_the_curves_are_a_picture_and_a_chart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An SVG with both curves; GitHub draws the step summary's from at most 40 points."""
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    assert "<svg" in training.keep_curves(tmp_path, CURVES).read_text()
    summary = (tmp_path / "summary.md").read_text()
    (line,) = [line for line in summary.splitlines() if line.strip().startswith("line [")]
    assert len(line.split(",")) <= 40
    assert 'x-axis "step" 1 -->' in summary
