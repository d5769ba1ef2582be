"""What every workflow keeps to: who may do what, for how long, and that its logic is not in YAML."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

from mlops.bootstrap import REVIEWED
from mlops.changes import INFRASTRUCTURE, TRAINING
from mlops.commands.comment import ASIDE
from mlops.records import STAGES
from mlops.settings import load

ROOT = Path(__file__).parents[2]
WRITES = {"id-token", "pull-requests", "attestations"}
SAME_REPOSITORY = "github.event.pull_request.head.repo.full_name == github.repository"
SOMEWHERE = {f"MLOPS_WORKSPACE__{name}": "x" for name in ("SUBSCRIPTION_ID", "RESOURCE_GROUP", "NAME")}
CHECKS = ("browser", "docs", "lint", "tests", "types", "workflows")
COMMANDS = (
    r'nox -s [a-z]+( -- [\w$"=. -]+)?',
    r'nox -s "\$STAGE" -- --environment "\$ENVIRONMENT" --run "\$RUN"',
    r"python3 -m mlops\.changes HEAD\^1 HEAD",
    r"python -m pip install --quiet --require-hashes --requirement \.github/nox\.txt",
    r"bicep lint pipelines/infra/main\.bicep",
    r"exit 1",
)


def test_foreign_actions_are_pinned_by_hash_with_their_version(uses: list[str]) -> None:
    """A tag can be moved to other code; a hash cannot, and the comment says which version it is."""
    assert uses
    assert [line for line in uses if not re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []


def test_an_action_has_one_version(uses: list[str]) -> None:
    """Dependabot moves all at once."""
    versions = dict(line.split("@") for line in uses)
    assert {f"{name}@{version}" for name, version in versions.items()} == set(uses)


def test_every_job_has_a_timeout(jobs: dict[str, Any]) -> None:
    """A job that hangs costs minutes, not six hours; six is what a runner gives."""
    own = {name: job for name, job in jobs.items() if "steps" in job}
    assert [name for name, job in own.items() if not 1 <= job.get("timeout-minutes", 0) <= 360] == []


def test_nothing_is_granted_but_by_the_job(workflows: dict[str, Any], jobs: dict[str, Any]) -> None:
    """`permissions: {}` at the top; each job says what it needs."""
    assert [name for name, file in workflows.items() if file["permissions"] != {}] == []
    assert [name for name, job in jobs.items() if "permissions" not in job] == []


def test_no_checkout_leaves_its_token_behind(steps: list[dict[str, Any]]) -> None:
    """What runs later in the job finds no credential in .git."""
    checkouts = [step for step in steps if step.get("uses", "").startswith("actions/checkout@")]
    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_a_run_is_one_line_without_expressions(steps: list[dict[str, Any]]) -> None:
    """One nox session or one documented command; what others wrote reaches it as a variable, never as code."""
    commands = [step["run"] for step in steps if "run" in step]
    assert [line for line in commands if not any(re.fullmatch(command, line) for command in COMMANDS)] == []
    assert [line for line in commands if "${{" in line] == []


def test_no_secret_is_stored(workflows: dict[str, Any]) -> None:
    """Azure is signed in to by OIDC: there is no `secrets.` but what GitHub itself gives for a run."""
    assert "secrets." not in str(workflows)
    assert "pull_request_target" not in str(workflows)


def test_releases_and_rollouts_are_never_canceled(workflows: dict[str, Any]) -> None:
    """Only checks give way to newer ones; all else waits its turn."""
    cancels = {name for name, file in workflows.items() if file["concurrency"]["cancel-in-progress"]}
    assert cancels == {"ci", "docs", "pull-request", "workflows"}


def test_whoever_writes_to_an_endpoint_waits_for_it(workflows: dict[str, Any]) -> None:
    """One group per endpoint; a stage that a release calls must not wait for the release itself. Rollback waits not."""
    groups = {name: file["concurrency"]["group"] for name, file in workflows.items()}
    for stage in STAGES:
        assert f"github.workflow == '{stage}' && format('endpoint-{{0}}', inputs.environment)" in groups[stage]
    assert groups["release"] == groups["drill"] == "endpoint-${{ inputs.environment || 'dev' }}"
    janitor = workflows["janitor"]["jobs"]["janitor"]["concurrency"]
    assert janitor == {"group": "endpoint-${{ matrix.environment }}", "cancel-in-progress": False, "queue": "max"}
    assert not groups["rollback"].startswith("endpoint-")


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_a_lost_rollout_is_taken_up_to_its_end(environment: str, workflows: dict[str, Any]) -> None:
    """Its job may last as long as a rollout, and the way back after that; nothing else waits for it."""
    plan = load(environment, variables=SOMEWHERE).rollout
    assert list(workflows["recover"]["jobs"]) == ["recover"]
    longest_s = max(plan.deadline_s, plan.bake_max_s + plan.post_bake_s) + plan.effect_s
    assert 60 * workflows["recover"]["jobs"]["recover"]["timeout-minutes"] > longest_s
    assert "rollout recover" not in str(workflows["reconcile"])


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_no_job_ends_before_what_it_waits_for(environment: str, jobs: dict[str, Any]) -> None:
    """A runner that is gone cannot say what became of a deployment: fifteen minutes are left beside the deadlines."""
    settings = load(environment, variables=SOMEWHERE)
    a_deployment, rollout = settings.deploy.deadline_s, settings.rollout
    longest_s = {
        "deploy/deploy": 2 * a_deployment,
        "janitor/janitor": 2 * a_deployment,
        "drill/drill": 2 * a_deployment + rollout.bake_max_s + rollout.effect_s,
        "finetune/finetune": settings.finetune.queue_deadline_s,
        "rollout/rollout": rollout.deadline_s + rollout.effect_s,
    }
    ended = {job: seconds for job, seconds in longest_s.items() if 60 * jobs[job]["timeout-minutes"] < seconds + 900}
    assert ended == {}


def test_a_release_is_the_seven_in_order(workflows: dict[str, Any]) -> None:
    """Each needs the one before and is given the digest of its record; beside them, only a dry run's plan."""
    jobs = dict(workflows["release"]["jobs"])
    assert jobs.pop("plan")["if"] == "inputs.dry_run"
    assert [job["uses"] for job in jobs.values()] == [f"./.github/workflows/{stage}.yml" for stage in STAGES]
    for before, stage in zip(STAGES, list(STAGES)[1:], strict=False):
        assert jobs[stage]["needs"] == before
        assert jobs[stage]["with"]["digest"] == f"${{{{ needs.{before}.outputs.digest }}}}"


def test_a_release_alone_is_gone_on_with(workflows: dict[str, Any]) -> None:
    """Its training is told all it was started with, whoever calls it; a pull request's is nobody's to go on with."""
    assert workflows["release"]["jobs"]["finetune"]["with"]["release"] == "${{ toJSON(inputs) }}"
    assert workflows["schedule"]["jobs"]["release"]["uses"] == "./.github/workflows/release.yml"
    assert "release" not in workflows["pull-request"]["jobs"]["finetune"]["with"]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_one_job_of_its_name(stage: str, workflows: dict[str, Any]) -> None:
    """Workflow, job and stage share a name; by hand and called, the inputs are the same but for what a release says."""
    file = workflows[stage]
    assert (file["name"], list(file["jobs"])) == (stage, [stage])
    (step,) = [step for step in file["jobs"][stage]["steps"] if step["uses"] == "./.github/actions/stage"]
    assert step["with"]["stage"] == stage
    names = list(STAGES)
    before = names[names.index(stage) - 1] if stage != names[0] else None
    assert step["with"].get("before") == before
    assert set(file["on"]["workflow_call"]["inputs"]) - {"digest", "release"} == set(
        file["on"]["workflow_dispatch"]["inputs"]
    )


@pytest.mark.parametrize(("number", "stage"), list(enumerate(STAGES, start=1)))
def test_the_headers_sentence_is_the_stages(number: int, stage: str) -> None:
    """The first line of a workflow says which stage of how many, in the script's own words."""
    tree = ast.parse((ROOT / "pipelines" / f"{stage}.py").read_text())
    (function,) = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == stage]
    sentence = (ast.get_docstring(function) or "").splitlines()[0]
    header = (ROOT / ".github" / "workflows" / f"{stage}.yml").read_text().splitlines()[0]
    assert header == f"# Stage {number} of 7: {sentence}"


def test_a_forks_pull_request_sees_no_token(workflows: dict[str, Any]) -> None:
    """What can sign in or write runs for branches of this repository only, or needs a job that does."""
    jobs = workflows["pull-request"]["jobs"]

    def is_guarded(name: str) -> bool:
        job = jobs[name]
        needs = [job["needs"]] if isinstance(job.get("needs"), str) else job.get("needs", [])
        # `always()` runs without what it needs, so its own condition has to hold.
        waits = "always()" not in str(job.get("if", ""))
        return SAME_REPOSITORY in str(job.get("if", "")) or (waits and any(is_guarded(need) for need in needs))

    granted = {
        name: {key for key, value in job["permissions"].items() if value == "write"} for name, job in jobs.items()
    }
    strong = [name for name, writes in granted.items() if WRITES & writes]
    assert strong
    assert [name for name in strong if not is_guarded(name)] == []


def test_without_azure_a_pull_request_may_be_merged(workflows: dict[str, Any]) -> None:
    """What trains, and says so, is skipped; the one check takes that as no failure."""
    jobs = workflows["pull-request"]["jobs"]
    assert all("vars.ENVIRONMENTS != ''" in jobs[name]["if"] for name in ("prepare", "checked"))
    assert jobs["finetune"]["needs"] == "prepare"
    assert "skipped" not in str(jobs["passed"])


def test_a_pull_requests_words_are_read_by_nothing(workflows: dict[str, Any]) -> None:
    """Title, body and branch name are not used at all; a number, labels and repository names are."""
    text = str(workflows["pull-request"])
    assert (
        re.findall(r"github\.(?:head_ref|event\.pull_request\.(?:title|body|head\.ref|head\.label|user))", text) == []
    )


def test_every_workflow_is_explained(workflows: dict[str, Any]) -> None:
    """The table in docs/azure.md has a line for each; the stages share one."""
    table = (ROOT / "docs" / "azure.md").read_text()
    assert [name for name in workflows if name not in STAGES and f"| `{name}.yml` |" not in table] == []


def test_reviewed_environments_are_those_that_bootstrap_makes(workflows: dict[str, Any]) -> None:
    """Moving users' traffic in prod, and overruling a gate, ask a reviewer; an override counts nowhere else."""
    for name in ("rollout", "drill"):
        assert "inputs.environment == 'prod' && 'prod-traffic'" in workflows[name]["jobs"][name]["environment"]
    gate = workflows["gate"]["jobs"]["gate"]
    assert "inputs.override != '' && format('{0}-override', inputs.environment)" in gate["environment"]
    assert gate["env"]["MLOPS_GATE__OVERRIDE"].startswith("${{ vars.OVERRIDES == 'reviewed' &&")
    assert {name for names in REVIEWED.values() for name in names} == {"dev-override", "prod-override", "prod-traffic"}


def test_what_code_owners_guard_is_there() -> None:
    """A path that was moved would lose its guard in silence; whoever changes a workflow is always asked for."""
    lines = (ROOT / ".github" / "CODEOWNERS").read_text().splitlines()
    paths = [line.split()[0] for line in lines if not line.startswith("#")]
    assert "/.github/" in paths
    assert [path for path in paths if not (ROOT / path.strip("/")).exists()] == []


def test_every_test_runs_in_one_part_of_ci(jobs: dict[str, Any]) -> None:
    """What the part of the rest leaves out are exactly the folders that have parts of their own."""
    parts = {part["paths"] for part in jobs["ci/tests"]["strategy"]["matrix"]["include"]}
    (rest,) = [part for part in parts if part.startswith("--ignore-glob=")]
    assert {str(path.relative_to(ROOT)) for path in ROOT.glob(rest.partition("=")[2])} == parts - {rest}


def test_what_starts_a_release_is_what_a_pull_request_trains_on(workflows: dict[str, Any]) -> None:
    """A change that can make another model is tried before it is merged and released after."""
    paths = workflows["release"]["on"]["push"]["paths"]
    assert {path.removesuffix("/**") for path in paths} == {*TRAINING, f"!{INFRASTRUCTURE}"}
    assert all((ROOT / path).exists() for path in TRAINING)


def test_a_pull_request_trains_on_little(workflows: dict[str, Any]) -> None:
    """Its run on Azure is a small one; a release takes what the settings say."""
    assert workflows["pull-request"]["jobs"]["prepare"]["with"]["percentage"] == "1"


def test_prose_alone_is_looked_at_too(workflows: dict[str, Any]) -> None:
    """The pages are built and tried for every pull request, in minutes; the one check asks for them."""
    jobs = workflows["pull-request"]["jobs"]
    assert jobs["docs"]["uses"] == "./.github/workflows/docs.yml"
    assert not {"if", "needs"} & set(jobs["docs"])
    assert "docs" in jobs["passed"]["needs"]
    assert workflows["docs"]["jobs"]["docs"]["timeout-minutes"] <= 5


@pytest.mark.parametrize(
    ("name", "running"),
    [
        ("announce", {"checks", "docs", "release"}),
        ("checked", {"prepare", "finetune"}),
        ("finetuned", {"evaluate"}),
    ],
)
def test_the_comment_goes_along_with_the_run(name: str, running: set[str], workflows: dict[str, Any]) -> None:
    """While it trains, the comment says what runs; a job that it says has passed is one that it waits for."""
    jobs = workflows["pull-request"]["jobs"]
    told = json.loads(jobs[name]["with"]["jobs"])
    assert {job for job, about in told.items() if not about["result"]} == running
    assert "always()" not in jobs[name].get("if", "")

    def awaited(job: str) -> set[str]:
        needs = jobs[job].get("needs", [])
        direct = {needs} if isinstance(needs, str) else set(needs)
        return direct.union(*map(awaited, direct))

    assert {job for job, about in told.items() if about["result"] == "success"} <= awaited(name)
    assert not running & awaited(name)
    assert name in jobs["comment"]["needs"], "the last word is the last comment's"
    assert name in ASIDE


def test_every_session_that_checks_is_run_by_a_workflow(steps: list[dict[str, Any]]) -> None:
    """A check that runs only by hand is soon one that fails."""
    run = "\n".join(step.get("run", "") for step in steps)
    assert [name for name in CHECKS if not re.search(rf"^nox -s {name}\b", run, re.MULTILINE)] == []


def test_a_pull_request_is_told_soon(jobs: dict[str, Any]) -> None:
    """What every pull request waits for ends, or is ended, in less than half an hour."""
    own = {name: job for name, job in jobs.items() if name.partition("/")[0] in ("ci", "docs", "pull-request")}
    assert {name: job["timeout-minutes"] for name, job in own.items() if job.get("timeout-minutes", 0) > 25} == {}
