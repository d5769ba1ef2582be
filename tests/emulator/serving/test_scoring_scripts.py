"""Deployments with a scoring script of their own, and MLflow models without one, behind Azure's inference server."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from azure.core.exceptions import HttpResponseError

if TYPE_CHECKING:
    from azure.ai.ml import MLClient
    from azure.ai.ml.entities import Environment

SCRIPTS = Path(__file__).parent / "scripts"
MODELS = Path(__file__).parents[1] / "models"
IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:latest"
Deploy = Callable[..., None]
Ask = Callable[..., httpx.Response]
Stream = Callable[..., AbstractContextManager[Iterator[str]]]

pytestmark = pytest.mark.xdist_group("endpoints")


@pytest.fixture(scope="module")
def endpoint(ml: MLClient) -> Iterator[str]:
    """Return the name of an endpoint."""
    from azure.ai.ml.entities import ManagedOnlineEndpoint

    name = f"s-{uuid.uuid4().hex[:8]}"
    ml.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name=name)).result()
    yield name
    ml.online_endpoints.begin_delete(name).result()


@pytest.fixture(scope="module")
def environment() -> Environment:
    """Return the environment of the scripts, inline as in the classic examples."""
    from azure.ai.ml.entities import Environment

    conda = {"dependencies": ["python=3.11", {"pip": ["azureml-inference-server-http", "joblib", "scikit-learn"]}]}
    return Environment(image=IMAGE, conda_file=conda)


@pytest.fixture(scope="module")
def deploy(ml: MLClient, endpoint: str, environment: Environment) -> Deploy:
    """Return a function that creates a deployment of that endpoint, with a script of this folder if it names one."""
    from azure.ai.ml.entities import CodeConfiguration, ManagedOnlineDeployment, OnlineRequestSettings

    def create(name: str, script: str | None = None, **fields: Any) -> None:
        if script:
            code = CodeConfiguration(code=str(SCRIPTS / script), scoring_script="score.py")
            fields = {"environment": environment, "code_configuration": code, **fields}
        slow = OnlineRequestSettings(request_timeout_ms=30000)
        deployment = ManagedOnlineDeployment(
            name=name,
            request_settings=slow,
            endpoint_name=endpoint,
            instance_type="Standard_DS3_v2",
            instance_count=1,
            **fields,
        )
        ml.online_deployments.begin_create_or_update(deployment).result()

    return create


@pytest.fixture(scope="module")
def ask(ml: MLClient, endpoint: str) -> Ask:
    """Return a function that sends a request to one deployment."""
    key, url = ml.online_endpoints.get_keys(endpoint).primary_key, ml.online_endpoints.get(endpoint).scoring_uri
    client = httpx.Client(headers={"Authorization": f"Bearer {key}"}, timeout=30)

    def send(deployment: str, *, method: str = "POST", path: str = "score", **fields: Any) -> httpx.Response:
        address = url.removesuffix("score") + path
        headers = {"azureml-model-deployment": deployment, **fields.pop("headers", {})}
        return client.request(method, address, headers=headers, **fields)

    return send


@pytest.fixture(scope="module")
def stream(ml: MLClient, endpoint: str) -> Stream:
    """Return a function that asks one deployment for a stream, of which it yields the lines."""
    key, url = ml.online_endpoints.get_keys(endpoint).primary_key, ml.online_endpoints.get(endpoint).scoring_uri
    address = url.removesuffix("score") + "v1/chat/completions"

    @contextmanager
    def begin(deployment: str, text: str, **parameters: Any) -> Iterator[Iterator[str]]:
        headers = {"Authorization": f"Bearer {key}", "azureml-model-deployment": deployment}
        body = {"messages": [{"role": "user", "content": text}], "stream": True, **parameters}
        with httpx.stream("POST", address, json=body, headers=headers, timeout=30) as answer:
            yield filter(None, answer.iter_lines())

    return begin


@pytest.fixture(scope="module")
def plain(deploy: Deploy, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the name of a deployment of a scikit-learn model that adds a column to twice the next, with a script."""
    import joblib
    from azure.ai.ml.entities import Model
    from sklearn.linear_model import LinearRegression

    file = tmp_path_factory.mktemp("model") / "linear.joblib"
    joblib.dump(LinearRegression().fit([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]], [0.0, 1.0, 2.0]), file)
    deploy("plain", "plain", model=Model(path=file), environment_variables={"GREETING": "hello"})
    return "plain"


def test_a_script_finds_what_azure_gives_it(plain: str, ask: Ask) -> None:
    """The model lies in AZUREML_MODEL_DIR by its own name; the script runs in its folder, with its variables."""
    answer = ask(plain, json={"data": [[1, 1], [3, 2]]})
    told = answer.json()
    assert told["predictions"] == pytest.approx([3, 7])
    assert told["model"] == ["linear.joblib"]
    assert Path(told["model_dir"]).parts[-3] == "azureml-models"
    assert told["cwd"] == told["app_root"]
    assert Path(told["app_root"]).name == "plain"
    assert (told["variable"], told["unit"]) == ("hello", "kilometers")
    assert told["size"] == "from a module beside the script"
    assert answer.headers["x-ms-server-version"].startswith("azmlinfsrv/")
    assert answer.headers["x-ms-run-function-failed"] == "False"


def test_a_failing_run_is_a_424_and_its_traceback_is_in_the_logs(
    plain: str, ask: Ask, ml: MLClient, endpoint: str
) -> None:
    """The client sees that the script failed, and what it printed and raised is in the inference server's log."""
    answer = ask(plain, json={"data": "no rows"})
    assert (answer.status_code, answer.headers["ms-azureml-model-error-statuscode"]) == (424, "500")
    assert "error occurred in scoring script" in answer.json()["message"]
    logs = ml.online_deployments.get_logs(plain, endpoint, lines=1000)
    for part in ("printed by init", "Init complete", "Traceback", "score.py"):
        assert part in logs
    assert ": nothing is built, this runs in the emulator's own Python" in logs.splitlines()[0]
    mounted = ml.online_deployments.get_logs(plain, endpoint, lines=10, container_type="storage-initializer")
    assert "linear.joblib is mounted at" in mounted


def test_a_failing_init_fails_the_deployment(deploy: Deploy, ml: MLClient, endpoint: str) -> None:
    """The deployment is Failed, and the traceback is in its logs."""
    with pytest.raises(HttpResponseError, match="ResourceNotReady"):
        deploy("broken", "broken")
    assert ml.online_deployments.get("broken", endpoint).provisioning_state == "Failed"
    logs = ml.online_deployments.get_logs("broken", endpoint, lines=100)
    assert "User's init function failed" in logs
    assert "RuntimeError: the weights have gone" in logs


def test_a_raw_script_needs_no_model_and_answers_what_it_likes(deploy: Deploy, ask: Ask) -> None:
    """With `@rawhttp` the script sees the request and its response is the client's, but for the status that fails."""
    deploy("raw", "raw")
    assert ask("raw", method="GET", params={"a": "1"}).json() == "GET /score?a=1"
    answer = ask("raw", content=b"\x00abc")
    assert (answer.content, answer.headers["x-mine"]) == (b"cba\x00", "yes")
    assert answer.headers["content-type"] == "image/jpeg"


def test_a_typed_script_of_an_mlflow_model_has_a_swagger(deploy: Deploy, ask: Ask) -> None:
    """An MLflow model may have its own script; its input's schema is served, and refused input says what is missing."""
    from azure.ai.ml.entities import Model

    deploy("typed", "typed", model=Model(path=MODELS / "table", type="mlflow_model"))
    assert ask("typed", json={"data": [[1, 1]]}).json() == [[1, 1]]
    swagger = ask("typed", method="GET", path="swagger.json").json()
    assert swagger["definitions"]["ServiceInput"]["example"] == {"data": [[1.0, 2.0]]}
    missing = ask("typed", json={"rows": []})
    assert (missing.status_code, missing.headers["ms-azureml-model-error-statuscode"]) == (424, "400")
    assert missing.json()["message"] == "A value is not provided for the 'data' parameter."


def test_a_model_with_a_signature_takes_a_split_table(deploy: Deploy, ask: Ask) -> None:
    """Without code, `input_data` holds columns, index and data; records are refused, as by Azure's script."""
    from azure.ai.ml.entities import Model

    deploy("signed", model=Model(path=MODELS / "signed", type="mlflow_model"))
    split = {"columns": ["a", "b"], "index": [0, 1], "data": [[1, 1], [3, 2]]}
    assert ask("signed", json={"input_data": split}).json() == [3, 7]
    assert ask("signed", json={"input_data": split, "params": {"factor": 2.0}}).json() == [6, 14]
    refusals = {
        "500": {"json": {"input_data": [{"a": 1, "b": 1}]}},
        "400": {"json": {"dataframe_split": split}},
        "415": {"content": b"a,b", "headers": {"Content-Type": "text/csv"}},
    }
    for status, request in refusals.items():
        answer = ask("signed", **request)
        assert (answer.status_code, answer.headers["ms-azureml-model-error-statuscode"]) == (424, status)
    swagger = ask("signed", method="GET", path="swagger.json").json()
    assert swagger["definitions"]["ServiceInput"]["example"]["input_data"]["columns"] == ["a", "b"]


def test_a_model_without_a_signature_takes_azures_forms(deploy: Deploy, ask: Ask) -> None:
    """A split table is a data frame, a list an array, an object named tensors, a text JSON of one of them."""
    from azure.ai.ml.entities import Model

    deploy("table", model=Model(path=MODELS / "table", type="mlflow_model"))
    forms = (
        ({"columns": ["a", "b"], "index": [0], "data": [[1, "x"]]}, "DataFrame", [{"a": 1, "b": "x"}]),
        ([[1, 2], [3, 4]], "ndarray", [[1, 2], [3, 4]]),
        ([{"a": 1}], "ndarray", [{"a": 1}]),
        ({"a": [1, 2]}, "dict", {"a": [1, 2]}),
        ("[[1, 2]]", "ndarray", [[1, 2]]),
    )
    for data, form, echoed in forms:
        answer = ask("table", json={"input_data": data}).json()
        assert (answer["type"], answer["data"]) == (form, echoed)


def test_tokens_come_through_the_front_door_one_by_one(deploy: Deploy, stream: Stream, tmp_path: Path) -> None:
    """A stream reaches the client of the endpoint while the model still works on it."""
    from azure.ai.ml.entities import Model

    deploy("stream", model=Model(path=MODELS / "stream", type="mlflow_model"))
    go_on = tmp_path / "go-on"
    with stream("stream", f"first wait-for:{go_on}") as lines:
        assert '"role": "assistant"' in next(lines)
        assert "first" in next(lines)
        go_on.touch()
        assert list(lines)[-1] == "data: [DONE]"


def test_a_registrys_model_is_deployed_as_it_is(deploy: Deploy, ask: Ask, stream: Stream) -> None:
    """Its id is enough: no code, no environment, no registration; it streams tokens and answers the same as a whole."""
    deploy("phi", model="azureml://registries/azureml/models/Phi-3-mini-4k-instruct/versions/15")
    parameters = {"max_new_tokens": 12, "do_sample": False}
    messages = [{"role": "user", "content": "hello"}]
    whole = ask("phi", json={"input_data": {"input_string": messages, "parameters": parameters}}).json()
    assert whole["usage"]["completion_tokens"] <= 12
    with stream("phi", "hello", max_tokens=12, temperature=0) as lines:
        chunks = [json.loads(line.removeprefix("data: ")) for line in lines if "[DONE]" not in line]
    text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
    assert text.strip() == whole["output"].strip()
    assert len(chunks) > 3


def test_what_names_no_image_is_refused(deploy: Deploy, environment: Environment) -> None:
    """A custom model needs code, code needs an environment, and what is named must exist: else 400, at once."""
    from azure.ai.ml.entities import CodeConfiguration, Model

    code = CodeConfiguration(code=str(SCRIPTS / "raw"), scoring_script="score.py")
    custom = Model(path=SCRIPTS / "raw" / "score.py", type="custom_model")
    refusals = (
        ({"model": custom}, "'Image' must not be empty"),
        ({"model": custom, "environment": environment}, "give a code configuration"),
        ({"code_configuration": code}, "'Image' must not be empty"),
        ({"code_configuration": code, "environment": "azureml:nowhere:1"}, "environment was not found"),
        ({"environment": environment}, "'Image' must not be empty"),
    )
    for fields, reason in refusals:
        with pytest.raises(HttpResponseError, match=reason) as refusal:
            deploy("refused", **fields)
        assert refusal.value.status_code == 400
