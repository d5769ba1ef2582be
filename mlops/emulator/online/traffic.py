"""The rules of an endpoint's traffic and mirror maps, and the draw that follows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_MIRROR = 50


def refusal(traffic: Mapping[str, Any], *, mirror: Mapping[str, Any], states: Mapping[str, str]) -> str | None:
    """Return the first rule that the two maps break, or None.

    `states` is the provisioning state of every deployment of the endpoint. The rules are those of
    the endpoint YAML reference and of the safe-rollout guide; that a deployment with traffic must
    have succeeded is nowhere written, and the stricter reading is taken here.
    """
    reasons = (
        _bad_weight("Traffic", traffic, 100),
        _bad_sum(traffic),
        _bad_target("Traffic", traffic, states),
        _bad_weight("Mirror traffic", mirror, _MAX_MIRROR),
        _bad_target("Mirror traffic", mirror, states),
        _bad_mirror(traffic, mirror),
    )
    return next((reason for reason in reasons if reason), None)


def draw(traffic: Mapping[str, int], point: float) -> str | None:
    """Return the deployment at `point`, in [0, 1), of the weights laid end to end; None if all are 0."""
    mark = point * sum(traffic.values())
    for name, weight in traffic.items():
        mark -= weight
        if mark < 0:
            return name
    return None


def draw_mirror(mirror: Mapping[str, int], point: float) -> str | None:
    """Return the deployment that gets a copy of the request at `point`, in [0, 1), or None."""
    return next((name for name, percent in mirror.items() if point * 100 < percent), None)


def weight(document: Mapping[str, Any], deployment: str) -> int:
    """Return the live and mirrored percent that an endpoint's document gives to a deployment."""
    properties = document["properties"]
    live: int = properties["traffic"].get(deployment, 0)
    mirrored: int = properties["mirrorTraffic"].get(deployment, 0)
    return live + mirrored


def _bad_weight(what: str, weights: Mapping[str, Any], most: int) -> str | None:
    for name, percent in weights.items():
        if type(percent) is not int or not 0 <= percent <= most:
            return f"{what} for deployment [{name}] must be an integer from 0 to {most}, not {percent!r}."
    return None


def _bad_sum(traffic: Mapping[str, int]) -> str | None:
    total = sum(traffic.values()) if all(type(percent) is int for percent in traffic.values()) else 0
    return None if total in (0, 100) else f"Traffic values must sum to 0 or 100, not {total}."


def _bad_target(what: str, weights: Mapping[str, Any], states: Mapping[str, str]) -> str | None:
    for name, percent in weights.items():
        if name not in states:
            return f"{what} names deployment [{name}], which does not exist in this endpoint."
        if percent and states[name] != "Succeeded":
            return f"{what} names deployment [{name}], whose provisioning state is {states[name]}, not Succeeded."
    return None


def _bad_mirror(traffic: Mapping[str, int], mirror: Mapping[str, int]) -> str | None:
    shadows = [name for name, percent in mirror.items() if percent]
    if len(shadows) > 1:
        return f"Mirror traffic may go to one deployment only, not to {', '.join(shadows)}."
    if shadows and traffic.get(shadows[0]):
        return f"Deployment [{shadows[0]}] receives live traffic, so that it cannot receive mirror traffic too."
    return None
