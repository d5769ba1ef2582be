"""What operators type between releases, and what they are told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mlops import cli
from mlops.errors import AzureError
from mlops.rollout import journal
from mlops.stage import RUNS
from mlops.workspace import deployments
from mlops.workspace.assets import register_model
from tests.operations.conftest import MODEL

if TYPE_CHECKING:
    from tests.operations.conftest import Place

pytestmark = pytest.mark.xdist_group("endpoints")
BROKEN = Path(__file__).parents[1] / "emulator" / "models" / "broken"

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def mlops(place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs `mlops COMMAND --environment local` on the endpoint: exit code and what was said."""
    monkeypatch.setenv("MLOPS_WORKSPACE__EMULATOR", "false")
    monkeypatch.setenv("MLOPS_DEPLOY__ENDPOINT", place.endpoint)
    monkeypatch.setenv("MLOPS_ROLLOUT__MIN_REQUESTS", "8")

    def run(*words: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["mlops", *words, "--environment", "local"])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out + said.err

    return run


def test_an_operator_sees_and_takes_back_what_was_rolled_out(place: Place, mlops: Run) -> None:
    """Status names models, shares and where the rollout stands; a rollback says what it did, and that it is done."""
    assert "no rollout has been here" in mlops("rollout", "status")[1]
    assert mlops("rollout", "status", "--json") == (0, "null\n")
    assert mlops("rollback") == (0, f"      {place.endpoint}: no rollout to act on, nothing was changed\n")
    place.roll_out()
    code, said = mlops("status")
    assert (code, "echo" in said, "100 %" in said) == (0, True, True)
    assert "rollout run of green: COMMITTED" in said
    assert "fine-tuning this month: " in said
    told = json.loads(mlops("status", "--from-azure", "--json")[1])
    assert told["lineage"]["stages"]["deploy"]["made"] == "green"
    assert told["deployments_usd_a_day"] + told["deployments_of_unknown_price"] > 0
    assert {name: each["traffic"] for name, each in told["deployments"].items()} == {"blue": 0, "green": 100}
    assert told["rollout"].startswith("rollout run of green: COMMITTED")
    crumb = json.loads(mlops("rollout", "status", "--json")[1])
    assert (crumb["candidate"], crumb["stable"], crumb["phase"]) == ("green", "blue", "COMMITTED")
    assert "COMMITTED" in mlops("rollout", "watch")[1]
    code, said = mlops("rollback")
    assert (code, "ROLLED_BACK, traffic blue 100 % (rolled back by an operator)" in said) == (0, True)
    # From there `mlops runs` tells that the run is no longer as its record says.
    assert journal.of(RUNS / "run").read()[-1]["phase"] == "ROLLED_BACK"
    for words in (("rollback",), ("rollout", "abort"), ("rollout", "resume"), ("rollout", "recover")):
        assert "nothing was changed" in mlops(*words)[1]


def test_clean_says_what_it_would_do(place: Place, mlops: Run) -> None:
    """A dry run deletes nothing; what is used is exit 2 and a sentence, and so is a name of nothing."""
    assert mlops("clean")[0] == 2
    assert "named by an operator" in mlops("clean", "--force", "--dry-run")[1]
    assert place.find()
    assert mlops("clean", "--older-than", "1", "--endpoint", place.endpoint)[1].strip() == "nothing to clean"
    code, said = mlops("clean", "--endpoint", "nowhere")
    assert (code, said) == (2, "endpoint nowhere does not exist in local: check the name\n")


def test_to_clean_twice_is_no_mistake(mlops: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's own endpoint is gone already, which is what was asked for."""
    monkeypatch.setenv("MLOPS_DEPLOY__ENDPOINT", "gone")
    assert mlops("clean", "--force") == (0, "      nothing to clean\n")


def test_a_failed_deployment_shows_its_cause_and_both_logs_and_is_deleted(place: Place, unique: str) -> None:
    """One line says why; what cannot be repaired is gone, and the others serve on."""
    model = register_model(place.workspace, str(BROKEN), name=f"broken-{unique}", description="", **MODEL)
    with pytest.raises(AzureError) as refused:
        deployments.deploy(place.workspace, "third", model=model, settings=place.settings.deploy, tags={})
    first, *rest = str(refused.value).splitlines()
    assert first.startswith(f"could not deploy {model} as third")
    assert "Error" in first, first
    assert {"The end of the log of storage-initializer:", "The end of the log of inference-server:"} <= {*rest}
    assert place.find().live == {"blue": 100}
    assert sorted(place.find().traffic) == ["blue", "green"]
