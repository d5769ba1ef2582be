"""Read and write MLflow model folders that hold a chat model."""

import shutil
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_OID, uuid5

import yaml

from .errors import TrainerError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

LOCAL = {"local_files_only": True, "trust_remote_code": False}
REQUIREMENTS = ("mlflow", "torch", "transformers", "accelerate")
# Not the time of writing: the same model gives the same bytes.
CREATED = "1970-01-01 00:00:00"


@dataclass(frozen=True, kw_only=True)
class ModelParts:
    """Where a model's weights and tokenizer lie, and what the model is called."""

    weights: Path
    tokenizer: Path
    name: str


def find_parts(folder: Path) -> ModelParts:
    """Find the parts of an MLflow folder (flavor transformers or hftransformersv2) or of a plain checkpoint."""
    if (folder / "config.json").is_file():
        return ModelParts(weights=folder, tokenizer=folder, name=folder.name)
    if not (folder / "MLmodel").is_file():
        raise TrainerError(f"{folder}: neither MLmodel nor config.json found. Give a model folder.")
    description = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))
    name = (description.get("metadata") or {}).get("base_model_name", folder.name)
    flavors = description["flavors"]
    if "transformers" in flavors:
        weights = folder / flavors["transformers"]["model_binary"]
        return ModelParts(weights=weights, tokenizer=folder / "components" / "tokenizer", name=name)
    if "hftransformersv2" in flavors:
        return ModelParts(weights=folder / "data/model", tokenizer=folder / "data/tokenizer", name=name)
    raise TrainerError(
        f"{folder / 'MLmodel'}: flavors are {sorted(flavors)}; needed: transformers or hftransformersv2. "
        "Give a Hugging Face model in MLflow format."
    )


def load(folder: Path) -> tuple["PreTrainedModel", "PreTrainedTokenizerBase"]:
    """Load weights as fp32 and the tokenizer, from the folder alone and without code of the model's own."""
    return load_weights(folder), load_tokenizer(folder)


def load_weights(folder: Path, *, dtype: "torch.dtype | None" = None, **how: Any) -> "PreTrainedModel":
    """Load weights, as fp32 unless another format is given; more arguments are transformers' own."""
    import torch
    from transformers import AutoModelForCausalLM

    weights = find_parts(folder).weights
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(weights, dtype=dtype or torch.float32, **LOCAL, **how)
    return model


def load_tokenizer(folder: Path) -> "PreTrainedTokenizerBase":
    """Load the tokenizer."""
    from transformers import AutoTokenizer

    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(find_parts(folder).tokenizer, **LOCAL)
    return tokenizer


def load_config(folder: Path) -> "PreTrainedConfig":
    """Load what is said about the weights: sizes, longest sequence, number format."""
    from transformers import AutoConfig

    config: PreTrainedConfig = AutoConfig.from_pretrained(find_parts(folder).weights, **LOCAL)
    return config


def write_model_folder(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    folder: Path,
    *,
    metadata: dict[str, Any],
    readme: str,
) -> None:
    """Write an MLflow folder that answers as OpenAI's chat does (task llm/v1/chat).

    The same model, metadata and readme give the same bytes.
    """
    import mlflow.transformers
    from huggingface_hub import ModelCard
    from mlflow.models import Model

    from . import chat_loader

    description = Model(model_uuid=str(uuid5(NAMESPACE_OID, readme)), utc_time_created=CREATED)
    model.name_or_path = metadata["base_model_name"]  # MLflow writes it down; a path here means nothing there
    with tempfile.TemporaryDirectory() as temporary:
        finished = Path(temporary) / "model"
        mlflow.transformers.save_model(
            {"model": model, "tokenizer": tokenizer},
            str(finished),
            task="llm/v1/chat",
            torch_dtype=model.dtype,
            mlflow_model=description,
            code_paths=[str(chat_loader.__file__)],
            metadata={"base_model_task": "chat-completion", **metadata},
            model_card=ModelCard(readme, ignore_metadata_errors=True),
            pip_requirements=[f"{name}=={version(name)}" for name in REQUIREMENTS],
        )
        description.flavors["python_function"] |= {"loader_module": "chat_loader", "streamable": True}
        description.save(str(finished / "MLmodel"))
        (finished / "README.md").write_text(readme, encoding="utf-8")
        # Copied, not moved: the output of a job is a mount that cannot be replaced.
        shutil.copytree(finished, folder, dirs_exist_ok=True)
