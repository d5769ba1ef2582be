"""A conversation of a person with an endpoint, or with a model that is served on this machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from mlops.errors import AzureError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops.rollout.probe import Message, Probe, Sample

NO_STREAM: Final = frozenset({404, 405, 424})
"""What a container answers that does not know OpenAI's route; the service says 424 where a container failed."""


@dataclass
class Chat:
    """What was said so far; `deployment` pins who answers, else the traffic decides."""

    probe: Probe
    deployment: str | None
    messages: list[Message] = field(default_factory=list)
    _streams: bool = True

    def say(self, text: str, heard: Callable[[str], None]) -> Sample:
        """Say something and return the answer; `heard` is told it as it comes, where who answers can stream.

        Raises AzureError if there is no answer: the question is forgotten then.
        """
        asked = [*self.messages, {"role": "user", "content": text}]
        sample = self._ask(asked, heard)
        if not sample.ok or not sample.text.strip():
            said = sample.cause or sample.text.strip() or "an empty answer"
            who = self.deployment or "the endpoint"
            raise AzureError(f"{who} did not answer: status {sample.status}, {said:.300}. Look at `mlops status`")
        self.messages = [*asked, {"role": "assistant", "content": sample.text}]
        return sample

    def _ask(self, messages: list[Message], heard: Callable[[str], None]) -> Sample:
        if self._streams:
            sample = self.probe.ask(messages, deployment=self.deployment, stream=True, heard=heard)
            self._streams = sample.ttfb_s is not None or sample.status not in {200, *NO_STREAM}
            if self._streams:
                return sample
        return self.probe.ask(messages, deployment=self.deployment)
