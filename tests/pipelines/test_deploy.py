"""deploy: the idle color, without traffic, answering."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.releases import said

if TYPE_CHECKING:
    from tests.pipelines.conftest import Released

pytestmark = pytest.mark.xdist_group("release")


def test_colors_alternate(second: Released) -> None:
    """The first release takes blue; the second green, while blue keeps serving."""
    assert (second.site.record("first", "deploy").name, second.site.record("first", "deploy").stable) == ("blue", None)
    assert (second["deploy"].name, second["deploy"].stable) == ("green", "blue")


def test_smoke_answers_have_content(first: Released) -> None:
    """A status of 200 is not an answer; text is, and what is no question gets none."""
    answers = {answer.question: answer.answer.strip() for answer in first["deploy"].smoke}
    assert len(answers) == 7
    refused = [question for question, answer in answers.items() if answer.startswith("[no answer, and none was due")]
    assert refused == ['[a request that is no conversation: {"question": "this is no conversation"}]']
    assert all(answers.values())
    assert "blue may take 376 s until it serves" in first.said
    assert "1 x 24 vCPUs = 24 of StandardNCADSA100v4Family" in first.said


def test_an_instance_type_the_model_does_not_allow_is_refused(first: Released) -> None:
    """Exit 2 before anything is created, instead of a print that nobody reads."""
    result = first.site.program("deploy", "first", MLOPS_DEPLOY__INSTANCE_TYPE="Standard_NC4as_T4_v3")
    assert result.returncode == 2
    assert "Standard_NC4as_T4_v3 is not allowed for inference" in said(result)


def test_a_judgement_against_another_champion_is_refused(second: Released) -> None:
    """What was compared with nobody, or with a model that serves no more, has to be evaluated again."""
    result = second.site.program("deploy", "first")
    assert result.returncode == 2
    assert "the candidate was compared with the base: run the evaluate stage again" in said(result)
