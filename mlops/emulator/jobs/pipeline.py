"""The graph of a pipeline job: its steps, what each waits for, and where data flows between them."""

from __future__ import annotations

import re
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlops.emulator.errors import bad_request
from mlops.emulator.jobs import components, history
from mlops.emulator.jobs.command import Input, Output, Step, read_input, read_output

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlops.emulator.jobs.components import Spec
    from mlops.emulator.store import Store

_BINDING = re.compile(r"\$\{\{\s*parent\.(?:(inputs|outputs)\.([\w.]+)|jobs\.(\w+)\.outputs\.(\w+))\s*\}\}")
# What Azure ML also runs and this emulator does not.
_KINDS = frozenset({"command", "pipeline"})


def plan(
    store: Store,
    nodes: Mapping[str, Any],
    *,
    job: str,
    inputs: Mapping[str, Input],
    outputs: Mapping[str, Output],
    default_compute: str | None,
) -> list[Step]:
    """Return the steps of a pipeline with every `${{parent.…}}` replaced.

    Raise ArmError (400) for a step of an unknown kind, an unknown component, wrong inputs, a binding
    to nothing and a cycle: the service refuses such a job at submission.
    """
    names = {node: child_name(job, node) for node in nodes}
    produced = {
        (node, output): _bind_output(body or {}, outputs, default_uri=history.output_uri(names[node], output))
        for node in nodes
        for output, body in _outputs(store, nodes[node], node).items()
    }
    steps = [
        _step(
            store,
            node,
            body,
            name=names[node],
            inputs=inputs,
            produced=produced,
            default_compute=default_compute,
        )
        for node, body in nodes.items()
    ]
    _refuse_cycles(steps)
    return steps


def read(store: Store, job: str, body: Mapping[str, Any]) -> list[Step]:
    """Return the steps of a pipeline job as it was submitted, or of a pipeline inside another."""
    inputs = {name: read_input(value or {}) for name, value in (body.get("inputs") or {}).items()}
    default_compute = _setting(body, "default_compute") or body.get("computeId")
    nodes = body.get("jobs") or {}
    return plan(store, nodes, job=job, inputs=inputs, outputs=outputs(job, body), default_compute=default_compute)


def outputs(job: str, body: Mapping[str, Any]) -> dict[str, Output]:
    """Return where the outputs of the pipeline as a whole go."""
    declared = (body.get("outputs") or {}).items()
    return {name: read_output(value or {}, default_uri=history.output_uri(job, name)) for name, value in declared}


def continues_on_failure(body: Mapping[str, Any]) -> bool:
    """Return whether independent steps go on when one has failed; the service's default is that they do."""
    setting = _setting(body, "continue_on_step_failure")
    return setting is None or str(setting).lower() == "true"


def nested(step: Step) -> dict[str, Any]:
    """Return the step's pipeline component as a job's body, its inputs and outputs bound."""
    return {
        "jobs": step.spec["jobs"],
        "inputs": {name: {"type": given.type, "value": given.value} for name, given in step.inputs.items()},
        "outputs": {name: {"type": output.type, "uri": output.uri} for name, output in step.outputs.items()},
        "computeId": step.compute,
        "settings": {},
    }


def _setting(body: Mapping[str, Any], name: str) -> Any:
    return (body.get("settings") or {}).get(name)


def child_name(job: str, node: str) -> str:
    """Return the name of a step's run: the same whenever it is asked for, so that a restart finds it."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{job}/{node}"))


def _outputs(store: Store, body: Mapping[str, Any], node: str) -> dict[str, Any]:
    declared = _spec(store, body, node).get("outputs") or {}
    return {name: {**(rule or {}), **((body.get("outputs") or {}).get(name) or {})} for name, rule in declared.items()}


def _spec(store: Store, body: Mapping[str, Any], node: str) -> Spec:
    if body.get("type", "command") not in _KINDS:
        raise bad_request(f"Step {node}: jobs of type {body['type']!r} are not supported by this emulator.")
    return components.find(store, body["componentId"])


def _step(
    store: Store,
    node: str,
    body: Mapping[str, Any],
    *,
    name: str,
    inputs: Mapping[str, Input],
    produced: Mapping[tuple[str, str], Output],
    default_compute: str | None,
) -> Step:
    spec = _spec(store, body, node)
    raw = {key: read_input(value) for key, value in (body.get("inputs") or {}).items()}
    bound = {key: _bind_input(value, inputs, produced, where=f"{node}.{key}") for key, value in raw.items()}
    compute = body.get("computeId") or default_compute
    return Step(
        node=node,
        name=name,
        spec=spec,
        inputs=components.complete(spec, bound, step=node),
        outputs={output: found for (owner, output), found in produced.items() if owner == node},
        environment_variables=body.get("environment_variables") or {},
        compute=_bind_input(Input("literal", compute), inputs, produced, where=f"{node}.compute").value,
        display_name=body.get("display_name") or body.get("displayName") or node,
        waits_for=frozenset(owner for value in raw.values() for owner in _producers(value)),
    )


def _producers(value: Input) -> set[str]:
    return {match[3] for match in _BINDING.finditer(value.value or "") if match[3]}


def _bind_input(
    given: Input, inputs: Mapping[str, Input], produced: Mapping[tuple[str, str], Output], *, where: str
) -> Input:
    def look_up(match: re.Match[str]) -> Input:
        if match[1] == "inputs" and match[2] in inputs:
            return inputs[match[2]]
        if match[3] and (match[3], match[4]) in produced:
            output = produced[match[3], match[4]]
            return Input(output.type, output.uri)
        raise bad_request(f"{where} is bound to {match[0]}, which does not exist.")

    if given.value is None:
        return given
    if match := _BINDING.fullmatch(given.value):
        return look_up(match)
    return replace(given, value=_BINDING.sub(lambda match: look_up(match).value or "", given.value))


def _bind_output(body: Mapping[str, Any], outputs: Mapping[str, Output], *, default_uri: str) -> Output:
    match = _BINDING.fullmatch(str(body.get("value") or ""))
    if match and match[1] == "outputs":
        return outputs[match[2]]
    return read_output(body, default_uri=default_uri)


def _refuse_cycles(steps: list[Step]) -> None:
    done: set[str] = set()
    waiting = list(steps)
    while ready := [step for step in waiting if step.waits_for <= done]:
        done |= {step.node for step in ready}
        waiting = [step for step in waiting if step.node not in done]
    if waiting:
        raise bad_request(f"The pipeline has a cycle through {', '.join(step.node for step in waiting)}.")
