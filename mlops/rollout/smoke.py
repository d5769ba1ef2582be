"""The smoke test: pinned questions whose answers are read, not only their status."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from mlops.errors import InputError
from mlops.records import Answer
from mlops.rollout.answers import is_bad, whole
from mlops.rollout.probe import Probe, Sample

CASES: Final = Path(__file__).parents[2] / "data" / "smoke.json"
NOT_FOUND: Final = 404
NO_STREAM: Final = (404, 405)
CLIENT_ERRORS: Final = range(400, 500)
"""What refuses nonsense; Azure's front says 424 where the container refused it."""
SHOWN: Final = 200
LETTER: Final = r"[^\W\d_]"


class Case(BaseModel):
    """One question; `body` stands for what is no conversation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    messages: tuple[dict[str, str], ...] = ()
    body: Any = None
    stream: bool = False
    expect: Literal["answer", "error"] = "answer"
    matches: str = LETTER
    """A regular expression that must be found in the answer: at least a letter, of any script."""

    @property
    def question(self) -> str:
        """Return what is asked, for people."""
        if self.body is not None:
            return f"[a request that is no conversation: {json.dumps(self.body)}]"
        return self.messages[-1]["content"]


def load(path: Path = CASES) -> tuple[Case, ...]:
    """Return the smoke cases of a file.

    Raises InputError, naming file and case, if they are not what they should be.
    """
    try:
        return TypeAdapter(tuple[Case, ...]).validate_json(path.read_bytes())
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise InputError(f"{path}: case {where} must be mended: {problem['msg']}") from None


def ask(probe: Probe, cases: Sequence[Case], *, deployment: str) -> Iterator[tuple[Case, Sample, str | None]]:
    """Put every case to a deployment; yield it with what came back and what is wrong with that, or None.

    What goes wrong is asked once more: a request in a thousand may be lost anywhere, and how many is the bake's matter.
    """
    for case in cases:
        sample = _put(probe, case, deployment)
        if problem(case, sample, deployment):
            sample = _put(probe, case, deployment)
        yield case, sample, problem(case, sample, deployment)


def _put(probe: Probe, case: Case, deployment: str) -> Sample:
    if case.body is not None:
        return probe.post(case.body, deployment=deployment)
    return probe.ask(case.messages, deployment=deployment, stream=case.stream)


def run(probe: Probe, *, deployment: str, say: Callable[[str], None] = lambda _: None) -> tuple[Answer, ...]:
    """Return the answers to all smoke cases.

    Raises InputError with the first that is not as it should be.
    """
    answers = []
    for case, sample, wrong in ask(probe, load(), deployment=deployment):
        if wrong:
            raise InputError(
                f"smoke test {case.name!r}: {wrong}: status {sample.status} {sample.cause}".rstrip()
                + f", answered by {sample.deployment}, text {sample.text[:SHOWN]!r}. Mend the model, or {CASES}"
            )
        answer = _beginning(sample.text) or f"[no answer, and none was due: status {sample.status}]"
        answers.append(Answer(question=_beginning(case.question), answer=answer))
    say(f"{len(answers)} smoke tests passed")
    return tuple(answers)


def _beginning(text: str) -> str:
    """Return the first words of a long text."""
    return text if len(text) <= SHOWN else f"{text[:SHOWN].rpartition(' ')[0]} …"


def problem(case: Case, sample: Sample, deployment: str) -> str | None:
    """Return what is wrong with an answer, or None."""
    if not sample.status:
        return "the connection failed"
    if sample.deployment != deployment:
        return f"{deployment} was asked and did not answer"
    if case.expect == "error":
        return _bad_refusal(sample)
    if case.stream and (sample.status in NO_STREAM or sample.cause.endswith(str(NOT_FOUND))):
        return None  # streaming is not served here
    return _bad_answer(case, sample)


def _bad_answer(case: Case, sample: Sample) -> str | None:
    if not sample.ok:
        return "no answer"
    if not whole(sample.text).strip():
        return "an empty answer"
    if is_bad(sample.text):
        return "broken characters, signs or a loop instead of an answer"
    if not re.search(case.matches, sample.text):
        return f"{case.matches!r} is not in the answer"
    return None


def _bad_refusal(sample: Sample) -> str | None:
    """Return what is wrong with the answer to nonsense: it must be a client's error or no answer, and no traceback."""
    if "Traceback" in sample.text:
        return "a traceback instead of an error"
    if not sample.ok and sample.status not in CLIENT_ERRORS:
        return "not the client's error that it should be"
    if sample.ok and sample.text.strip():
        return "an answer to what is no question"
    return None
