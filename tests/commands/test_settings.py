"""`mlops settings` on the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import jsonschema
import yaml

from mlops.settings import FOLDER, load


def mlops(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `mlops settings`."""
    command = [sys.executable, "-m", "mlops.cli", "settings", *arguments]
    return subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=False)


def test_every_setting_says_who_said_it() -> None:
    """A variable has the last word, then the environment's file, then base.yml, then the default."""
    result = mlops("show", "--environment", "local", "--json", "data", MLOPS_DATA__SEED="7")
    said = {setting["path"]: setting for setting in json.loads(result.stdout)}
    assert said["data.seed"] == {"path": "data.seed", "value": 7, "origin": "MLOPS_DATA__SEED"}
    assert said["data.source"]["origin"] == "base.yml"
    assert said["data.workers"]["origin"] == "default"
    assert said["data.percentage"] == {
        "path": "data.percentage",
        "value": yaml.safe_load((FOLDER / "local.yml").read_text())["data"]["percentage"],
        "origin": "local.yml",
    }


def test_nothing_in_effect_is_left_out() -> None:
    """The values shown are those that the stages get."""
    shown = json.loads(mlops("show", "--environment", "local", "--json").stdout)
    document = load("local", variables={}).model_dump(mode="json", by_alias=True)
    for setting in shown:
        value = document
        for key in setting["path"].split("."):
            value = value[key]
        assert value == setting["value"], setting["path"]
    assert {setting["path"].partition(".")[0] for setting in shown} == set(document)


def test_each_rule_has_its_line() -> None:
    """As a file of settings would say it, without what it does not say."""
    loss = "{metric: loss, greater_is_better: false, against: base, min_relative_change: 0.01}"
    rules = f"[{loss}, {{metric: empty, greater_is_better: false, threshold: 0.05}}]"
    shown = mlops("show", "--environment", "local", "gate.rules", MLOPS_GATE__RULES=rules).stdout
    cells = " ".join(line.split("│")[2].strip() for line in shown.splitlines() if line.startswith("│"))
    first, second = yaml.safe_load(cells.replace(" - {", "\n- {"))
    assert (first["metric"], first["against"], second["threshold"]) == ("loss", "base", 0.05)
    assert "null" not in cells


def test_a_section_that_is_not_there_is_named() -> None:
    """Exit code 2, and the sections there are."""
    result = mlops("show", "--environment", "local", "dat")
    assert result.returncode == 2
    assert result.stderr.startswith("dat: there is no such section; choose one of workspace, data, finetune")


def test_every_file_of_settings_fits_the_schema() -> None:
    """Each names the schema that is kept beside it, which is current, knows its keys, and objects to one mistyped."""
    kept = FOLDER / "schema.json"
    assert mlops("schema").stdout == kept.read_text(), f"mlops settings schema > {kept}"
    schema = json.loads(kept.read_text())
    for path in (*FOLDER.glob("*.yml"), *FOLDER.glob("presets/*.yml")):
        prefix, _, named = path.read_text().partition("\n")[0].partition("=")
        assert prefix == "# yaml-language-server: $schema"
        assert (path.parent / named).samefile(kept), path
        jsonschema.validate(yaml.safe_load(path.read_text()), schema)
    assert list(jsonschema.Draft202012Validator(schema).iter_errors({"data": {"percentag": 5}}))
