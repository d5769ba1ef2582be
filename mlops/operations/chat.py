"""A conversation of a person with an endpoint."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlops.errors import AzureError

if TYPE_CHECKING:
    from mlops.rollout.probe import Message, Probe, Sample


@dataclass
class Chat:
    """What was said so far; `deployment` pins who answers, else the traffic decides."""

    probe: Probe
    deployment: str | None
    messages: list[Message] = field(default_factory=list)

    def say(self, text: str) -> Sample:
        """Say something and return the answer; raise AzureError if there is none: the question is forgotten then."""
        asked = [*self.messages, {"role": "user", "content": text}]
        sample = self.probe.ask(asked, deployment=self.deployment)
        if not sample.ok or not sample.text.strip():
            said = sample.cause or sample.text.strip() or "an empty answer"
            who = self.deployment or "the endpoint"
            raise AzureError(f"{who} did not answer: status {sample.status}, {said:.300}. Look at `mlops status`")
        self.messages = [*asked, {"role": "assistant", "content": sample.text}]
        return sample
