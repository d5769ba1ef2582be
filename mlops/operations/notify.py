"""A message to people when a rollout starts, pauses, goes back or is done; that it is not heard never stops one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import httpx

from mlops.rollout.state import Phase

if TYPE_CHECKING:
    from mlops.rollout.state import State
    from mlops.sections import NotifySettings

TIMEOUT_S: Final = 5
TOLD: Final = {
    Phase.SHIFTING: "began",
    Phase.PAUSED: "is paused",
    Phase.ROLLING_BACK: "is going back",
    Phase.ROLLED_BACK: "was rolled back",
    Phase.BLOCKED: "is BLOCKED and needs somebody now",
    Phase.FAILED: "failed before any traffic moved",
    Phase.COMMITTED: "is done: the candidate serves everybody",
}


def send(settings: NotifySettings, endpoint: str, state: State) -> str | None:
    """Tell of a state, if it is one that people want to hear of; return what went wrong, or None."""
    told = TOLD.get(state.phase)
    is_first = state.phase is not Phase.SHIFTING or state.step == 0
    if settings.webhook is None or told is None or state.progress or not is_first:
        return None
    try:
        body = message(settings.format, endpoint, state, told)
        httpx.post(settings.webhook.get_secret_value(), json=body, timeout=TIMEOUT_S).raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"the webhook was not reached: {type(error).__name__}"  # its text may hold the address, a secret
    return None


def message(format: str, endpoint: str, state: State, told: str) -> dict[str, Any]:  # noqa: A002 - of the settings
    """Return the body that Slack's or Teams' incoming webhooks take."""
    weights = ", ".join(f"{name} {weight} %" for name, weight in state.traffic.items()) or "no traffic"
    title = f"Rollout of {state.candidate} on {endpoint} {told}"
    detail = f"{weights}. {state.reason}".strip()
    if format == "slack":
        return {"text": f"*{title}*\n{detail}"}
    lines = [
        {"type": "TextBlock", "text": title, "weight": "Bolder"},
        {"type": "TextBlock", "text": detail, "wrap": True},
    ]
    card = {"type": "AdaptiveCard", "version": "1.4", "body": lines}
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return {"type": "message", "attachments": [attachment]}
