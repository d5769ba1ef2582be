"""Which registered model is the champion: the models' tags follow the traffic, and no one else writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mlops.errors import AzureError
from mlops.rollout.state import Phase
from mlops.workspace import assets, endpoints

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops.operations.site import Site
    from mlops.rollout.state import State
    from mlops.workspace.endpoints import Endpoint

DECIDED: Final = {Phase.COMMITTED: True, Phase.RETIRING: True, Phase.SUCCEEDED: True, Phase.ROLLED_BACK: False}
"""The phases in which one of the two owns the traffic: whether it is the candidate."""


def models(site: Site, endpoint: Endpoint) -> dict[str, str]:
    """Return the model behind each deployment, of those that the releases register: others' models are not ours."""
    found = {name: endpoints.deployed_model(site.workspace, endpoint.name, name) for name in endpoint.traffic}
    ours = site.settings.register_.name
    return {name: model for name, model in found.items() if (named := assets.parts(model)) and named[0] == ours}


def follow(site: Site, state: State, served: Mapping[str, str]) -> None:
    """Tag the model that owns the traffic as champion and the other one as retired; `served` is what `models` found.

    The traffic has moved already: tags that cannot be written are told of, and end nothing.
    """
    if state.phase not in DECIDED:
        return
    owner, other = (state.candidate, state.stable) if DECIDED[state.phase] else (state.stable, state.candidate)
    stages = {
        served[name]: stage
        for name, stage in ((other, assets.RETIRED), (owner, assets.CHAMPION))
        if name is not None and name in served
    }
    for model, stage in stages.items():
        try:
            assets.move(site.workspace, model, stage)
        except AzureError as error:
            site.say(f"{model} could not be tagged as {stage}; the traffic is as it should be: {error}")
