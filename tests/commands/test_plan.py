"""A plan on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlops.commands.plan import plan
from mlops.errors import Refusal
from mlops.records import DataAsset, Split, seal


def test_a_plan_is_shown_and_kept(
    emulator_environment: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With everything that was found out, as finetune keeps it; above the budget, too, which is exit code 1."""
    split = Split(rows=100, characters=40_000, sha256="0" * 64, uri="azureml://x/train.jsonl")
    names = dict.fromkeys(("id", "name", "version", "source", "content_hash"), "x")
    folder = tmp_path / "runs" / "r"
    folder.mkdir(parents=True)
    asset = DataAsset(**names, train=split, validation=split, test=split, quarantined=0)
    (folder / "prepare.json").write_bytes(seal(asset))
    monkeypatch.chdir(tmp_path)
    prices = {"MLOPS_BUDGET__PRICES": "{Standard_NC24ads_A100_v4: 4.0}", "MLOPS_BUDGET__MAX_USD": "0.5"}
    for name, value in (emulator_environment | prices).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Refusal, match=r"budget\.max_usd is 0\.5"):
        plan("dev", "r", as_json=False)
    kept = json.loads((folder / "finetune-plan.json").read_text())
    facts = dict(kept["facts"])
    assert facts.keys() >= {"model", "lifecycle", "component", "allowed by", "quota", "precision", "memory"}
    assert f"{kept['usd']:.2f} USD" in capsys.readouterr().out
