"""Random writes, valid and not: an endpoint never reaches a state that the service's rules forbid."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.waiting import wait_for

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import ManagedOnlineDeployment, ManagedOnlineEndpoint
    from azure.core.polling import LROPoller

    from mlops.emulator.home import Home

MODELS = Path(__file__).parents[1] / "models"
PIN = "azureml-model-deployment"
# The third never succeeded, the fourth does not exist.
NAMES = ("blue", "green", "bad", "ghost")

pytestmark = pytest.mark.xdist_group("endpoints")

Weights = dict[str, Any]


@dataclass
class Oracle:
    """What the service's documents say an endpoint is after the writes that it accepted."""

    states: dict[str, str] = field(default_factory=dict)
    traffic: dict[str, int] = field(default_factory=dict)
    mirror: dict[str, int] = field(default_factory=dict)

    def allows(self, traffic: Weights, mirror: Weights) -> bool:
        """Return whether both maps may be written."""
        weights = [*traffic.items(), *mirror.items()]
        if any(type(weight) is not int or weight < 0 for _, weight in weights):
            return False
        if any(name not in self.states or (weight and self.states[name] != "Succeeded") for name, weight in weights):
            return False
        live = {name for name, weight in traffic.items() if weight}
        shadows = [name for name, weight in mirror.items() if weight]
        percents = sum(traffic.values()) in {0, 100} and sum(mirror.values()) <= 50
        return percents and len(shadows) < 2 and not live.intersection(shadows)

    def weight(self, name: str) -> int:
        """Return the live and mirrored percent of a deployment."""
        return self.traffic.get(name, 0) + self.mirror.get(name, 0)


WEIGHTS = st.sampled_from((0, 10, 50, 51, 100, -10, 101, 12.5, "10", True, None))
MAPS = st.dictionaries(st.sampled_from(NAMES), WEIGHTS, max_size=3)
SPLITS = st.integers(0, 100).map(lambda blue: {"blue": blue, "green": 100 - blue})
SHADOWS = st.builds(lambda name, percent: {name: percent}, st.sampled_from(NAMES), st.integers(0, 51))
CUT_OVERS = st.sampled_from(({}, {"blue": 100}, {"green": 100}, {"bad": 100}))


class Machine(RuleBasedStateMachine):
    """One endpoint, written at random by the SDK and by its REST calls, beside what it should be."""

    world: World

    @initialize()
    def begin(self) -> None:
        """Begin with two deployments that succeeded and one that did not."""
        self.endpoint = self.world.restored()
        self.oracle = Oracle({"blue": "Succeeded", "green": "Succeeded", "bad": "Unrecoverable"})
        # A process that starts takes seconds: an example starts one more at most.
        self.may_start = True

    @rule(traffic=SPLITS | CUT_OVERS | MAPS, mirror=st.just({}) | SHADOWS | MAPS)
    def write_by_rest(self, traffic: Weights, mirror: Weights) -> None:
        """Write maps as they are: the oracle says whether the service takes them."""
        status = self.endpoint.put(traffic, mirror)
        assert status == (200 if self.oracle.allows(traffic, mirror) else 400)
        if status == 200:
            self.oracle.traffic, self.oracle.mirror = traffic, mirror

    @rule(traffic=SPLITS | CUT_OVERS, mirror=st.just({}) | SHADOWS)
    def write_by_sdk(self, traffic: Weights, mirror: Weights) -> None:
        """Write maps with the SDK, which leaves zeros out."""
        traffic, mirror = ({name: weight for name, weight in each.items() if weight} for each in (traffic, mirror))
        if self.oracle.allows(traffic, mirror):
            self.endpoint.write(traffic, mirror)
            self.oracle.traffic, self.oracle.mirror = traffic, mirror
        else:
            with pytest.raises(HttpResponseError, match="InferencingClientCallFailed") as refusal:
                self.endpoint.write(traffic, mirror)
            assert refusal.value.status_code == 400

    @precondition(lambda self: self.may_start)
    @rule(name=st.sampled_from(("blue", "green")))
    def break_deployment(self, name: str) -> None:
        """Update a deployment to a model that cannot be loaded: it fails, and goes on serving the one before."""
        self.may_start = False
        update = self.endpoint.deploy(name, "broken")
        with pytest.raises(ResourceExistsError, match="in progress"):
            self.endpoint.write({}, {})
        with pytest.raises(HttpResponseError, match="ResourceNotReady"):
            update.result()
        self.oracle.states[name] = "Failed"

    @rule(name=st.sampled_from(("blue", "green", "bad")))
    def mend_deployment(self, name: str) -> None:
        """Write what serves already, which takes no time; what never served can only be deleted."""
        if self.oracle.states.get(name) == "Unrecoverable":
            with pytest.raises(HttpResponseError, match="unrecoverable state"):
                self.endpoint.deploy(name, "echo")
        elif name in self.oracle.states:
            self.endpoint.deploy(name, "echo").result()
            self.oracle.states[name] = "Succeeded"

    @rule(name=st.sampled_from(("blue", "green", "ghost")))
    def delete_deployment(self, name: str) -> None:
        """Delete a deployment: refused while it has weight, and no error if there is none."""
        if self.oracle.weight(name):
            with pytest.raises(HttpResponseError, match="cannot be deleted") as refusal:
                self.endpoint.delete(name)
            assert refusal.value.status_code == 400
        elif name not in self.oracle.states or self.may_start:  # it will have to be started again
            self.endpoint.delete(name).result()
            self.may_start &= self.oracle.states.pop(name, None) is None

    @rule(key=st.sampled_from(("primary", "secondary")))
    def rotate(self, key: str) -> None:
        """Rotate a key: the old one opens nothing any more."""
        stale = self.endpoint.rotate(key)
        assert httpx.post(self.endpoint.url, headers={"Authorization": f"Bearer {stale}"}).status_code == 401

    @rule()
    def ask(self) -> None:
        """Find the data plane where the accepted writes have put it, after a while."""
        live = {name for name, weight in self.oracle.traffic.items() if weight}
        wait_for(lambda: {self.endpoint.ask().headers.get(PIN) for _ in range(20)} <= (live or {None}))
        for name in NAMES:
            serves = self.oracle.states.get(name) in {"Succeeded", "Failed"}
            assert self.endpoint.ask(pin=name).status_code == (200 if serves else 404)

    @invariant()
    def keep_the_rules(self) -> None:
        """Hold everything that can be read against the oracle and against the rules themselves."""
        document, states = self.endpoint.read()
        traffic, mirror = document["traffic"], document["mirrorTraffic"]
        assert (traffic, mirror) == (self.oracle.traffic, self.oracle.mirror)
        assert states == {name: state.replace("Unrecoverable", "Failed") for name, state in self.oracle.states.items()}
        assert document["provisioningState"] == "Succeeded"
        assert sum(traffic.values()) in {0, 100}
        assert sum(mirror.values()) <= 50
        assert traffic.keys() | mirror.keys() <= states.keys()
        assert not [name for name in mirror if mirror[name] and traffic.get(name)]


class World:
    """The endpoint of the machine, and everything it is asked for."""

    def __init__(self, ml: MLClient, home: Home) -> None:
        from azure.ai.ml.entities import Model

        self.ml, self.name = ml, f"m-{uuid.uuid4().hex[:8]}"
        models = [
            Model(name=f"m-{model}", version="1", path=MODELS / model, type="mlflow_model")
            for model in ("echo", "broken")
        ]
        self.models = {model.name.removeprefix("m-"): ml.models.create_or_update(model).id for model in models}
        # Both planes are asked directly where the SDK would not send what is to be refused.
        token = ml._credential.get_token("https://management.azure.com/.default").token  # noqa: SLF001 - no public way
        self.control = httpx.Client(
            base_url=f"{home.url}/subscriptions/{ml.subscription_id}/resourceGroups/{ml.resource_group_name}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{ml.workspace_name}/onlineEndpoints",
            headers={"Authorization": f"Bearer {token}"},
            params={"api-version": "2025-12-01"},
        )
        assert self.put({"blue": 100}, {}) == 400, "Traffic was taken on creation."
        self.url = str(self.write({}, {}).scoring_uri)
        self.data = httpx.Client(timeout=30)
        self._sign_in()

    def restored(self) -> World:
        """Return it with two deployments that succeeded, one that did not, and no traffic."""
        self.write({}, {})
        _, states = self.read()
        for name in ("blue", "green"):
            if states.get(name) != "Succeeded":
                self.deploy(name, "echo").result()
        if "bad" not in states:
            with pytest.raises(HttpResponseError, match="ResourceNotReady"):
                self.deploy("bad", "broken").result()
        return self

    def read(self) -> tuple[dict[str, Any], dict[str, str]]:
        """Return the endpoint's properties and the states of its deployments."""
        deployments = self.control.get(f"{self.name}/deployments").json()["value"]
        states = {document["name"]: document["properties"]["provisioningState"] for document in deployments}
        return self.control.get(self.name).json()["properties"], states

    def put(self, traffic: Weights, mirror: Weights) -> int:
        """Write the endpoint by REST; return the status, when the operation is done."""
        properties = {"authMode": "Key", "traffic": traffic, "mirrorTraffic": mirror}
        status = self.control.put(self.name, json={"location": "local", "properties": properties}).status_code
        if status == 200:
            wait_for(lambda: self.read()[0]["provisioningState"] == "Succeeded")
        return status

    def write(self, traffic: Weights, mirror: Weights) -> ManagedOnlineEndpoint:
        """Write the endpoint by the SDK."""
        from azure.ai.ml.entities import ManagedOnlineEndpoint

        endpoint = ManagedOnlineEndpoint(name=self.name, auth_mode="key", traffic=traffic, mirror_traffic=mirror)
        return self.ml.online_endpoints.begin_create_or_update(endpoint).result()

    def deploy(self, name: str, model: str) -> LROPoller[ManagedOnlineDeployment]:
        """Begin to create or update a deployment."""
        from azure.ai.ml.entities import ManagedOnlineDeployment

        what = {"name": name, "endpoint_name": self.name, "model": self.models[model]}
        deployment = ManagedOnlineDeployment(**what, instance_type="Standard_DS3_v2", instance_count=1)
        return self.ml.online_deployments.begin_create_or_update(deployment)

    def delete(self, name: str) -> LROPoller[None]:
        """Begin to delete a deployment."""
        return self.ml.online_deployments.begin_delete(name, self.name)

    def rotate(self, key: str) -> str:
        """Renew one key and return the old one."""
        before = self.ml.online_endpoints.get_keys(self.name)
        self.ml.online_endpoints.begin_regenerate_keys(self.name, key_type=key).result()
        self._sign_in()
        return str(getattr(before, f"{key}_key"))

    def ask(self, *, pin: str | None = None) -> httpx.Response:
        """Send a message, pinned to a deployment or not."""
        body = {"input_data": {"input_string": [{"role": "user", "content": "hello"}], "parameters": {}}}
        return self.data.post(self.url, json=body, headers={PIN: pin} if pin else {})

    def close(self) -> None:
        """Delete the endpoint, whatever its traffic, and its deployments with it."""
        self.ml.online_endpoints.begin_delete(self.name).result()
        assert self.ask().status_code == 404
        self.control.close()
        self.data.close()

    def _sign_in(self) -> None:
        key = self.ml.online_endpoints.get_keys(self.name).primary_key
        self.data.headers["Authorization"] = f"Bearer {key}"


def test_no_sequence_of_writes_reaches_a_forbidden_state(ml: MLClient, emulator: Home) -> None:
    """Whatever is written in whatever order, what is read and who answers follows the rules."""
    world = World(ml, emulator)
    limits = settings(
        max_examples=6,
        stateful_step_count=25,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(type("OnTheEmulator", (Machine,), {"world": world}), settings=limits)
    finally:
        world.close()
