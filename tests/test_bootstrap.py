"""The commands that an administrator is told to run."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

import pytest

from mlops.bootstrap import PROVIDERS, Place, github, group, identity


def place(environment: str = "prod", **changes: str) -> Place:
    """Return where a repository works."""
    said = {
        "repository": "owner/name",
        "subscription_id": "11111111-2222-3333-4444-555555555555",
        "resource_group": "rg",
        "workspace": "ws",
        "location": "westeurope",
    }
    return Place(environment=environment, **(said | changes))


def run(lines: list[str], *, az: str, gh: str) -> list[str]:
    """Return the words that lines print when these are what `az` and `gh` do."""
    program = [f"az() {{ {az}; }}", f"gh() {{ {gh}; }}", *lines]
    bash = ["bash", "-uc", "\n".join(program)]
    return subprocess.run(bash, capture_output=True, text=True, check=False).stdout.split()


def test_only_jobs_of_the_environment_can_sign_in() -> None:
    """A federated credential per environment of GitHub, and each names this repository; there is no secret."""
    lines = identity(place())
    words = run(lines, az='echo "$@"', gh="echo repo:owner@1/name@2")
    subjects = [word for word in words if word.startswith("repo:")]
    assert subjects == [f"repo:owner@1/name@2:environment:{name}" for name in ("prod", "prod-override", "prod-traffic")]
    assert [line for line in (*lines, *github(place())) if "secret" in line] == []


def test_without_a_subject_there_is_no_credential() -> None:
    """Who is not signed in to GitHub makes none that nobody's token fits, or anybody's."""
    words = run(identity(place()), az='echo "$@"', gh="false")
    assert words.count("federated-credential") == 0


def test_an_identity_has_a_name_that_azure_takes() -> None:
    """A repository may have a dot in its name, an identity may not."""
    assert place(repository="owner/my.chat_1").identity == "github-my-chat_1-prod"


def test_a_new_subscription_gets_what_endpoints_need() -> None:
    """Before anything is made, and each is waited for."""
    lines = group(place())
    registered = [line for line in lines if line.startswith("az provider register")]
    assert [line.split()[4] for line in registered] == list(PROVIDERS)
    assert all(line.endswith(" --wait") for line in registered)
    assert lines[-1].startswith("az group create")


def test_what_writes_ends_at_the_workspace() -> None:
    """A role that cannot assign roles on the workspace; on the subscription only sizes and quota may be read."""
    lines = [shlex.split(line) for line in identity(place()) if line.startswith("az role")]
    found = [
        (words[words.index("--role") + 1], words[words.index("--scope") + 1]) for words in lines if "--role" in words
    ]
    subscription = "/subscriptions/11111111-2222-3333-4444-555555555555"
    assert found == [
        ("AzureML Data Scientist", place().scope),
        ("github-name-prod quota", subscription),
    ]
    (made,) = [json.loads(words[words.index("--role-definition") + 1]) for words in lines if "definition" in words]
    assert {action.rpartition("/")[2] for action in made["Actions"]} == {"read"}
    assert (made["Name"], made["AssignableScopes"]) == ("github-name-prod quota", [subscription])


@pytest.mark.parametrize(("environment", "reviewed"), [("dev", [False, True]), ("prod", [False, True, True])])
def test_overrides_and_users_traffic_wait_for_a_reviewer(environment: str, reviewed: list[bool]) -> None:
    """And production is for protected branches alone; dev is for pull requests, too."""
    made = [line for line in github(place(environment)) if "/environments/" in line]
    assert ["reviewers" in line for line in made] == reviewed
    protected = "deployment_branch_policy[protected_branches]=true"
    assert {protected in line for line in made} == {environment == "prod"}


def test_main_takes_what_was_reviewed_and_passed() -> None:
    """The one check that pull-request.yml always ends with, and whoever owns the code."""
    (protection,) = [line for line in github(place()) if "/branches/main/protection" in line]
    words = shlex.split(protection)
    assert "required_status_checks[contexts][]=passed" in words
    assert "required_pull_request_reviews[require_code_owner_reviews]=true" in words


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_a_shell_runs_nothing_else(environment: str, tmp_path: Path) -> None:
    """Every line is one call of az or gh, whatever a name holds."""
    strange = place(environment, resource_group="a group; touch pwned", workspace="$(touch pwned)`touch pwned`")
    lines = [*group(strange), *identity(strange), *github(strange)]
    # Only what stands first in a line counts: the others are asked for a value inside one.
    program = ["az() { echo az; }", "gh() { echo gh; }", *lines]
    bash = ["bash", "-euc", "\n".join(program)]
    said = subprocess.run(bash, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.split()
    assert said == [line.split()[0] for line in lines if not line.startswith("SUBJECT=")]
    assert list(tmp_path.iterdir()) == []
