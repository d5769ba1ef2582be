"""How a model is spread over GPUs is data, which can be checked where there are none."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate.utils.deepspeed import HfDeepSpeedConfig

from mlops.trainer.arguments import FinetuneArguments
from mlops.trainer.errors import TrainerError
from mlops.trainer.lora import adapter, four_bits
from mlops.trainer.sharding import deepspeed, sharding
from mlops.trainer.training_arguments import training_arguments

CUDA, CPU = torch.device("cuda"), torch.device("cpu")


@pytest.fixture
def arguments(tmp_path: Path) -> FinetuneArguments:
    """Give arguments as a cluster of GPUs gets them."""
    return FinetuneArguments(
        mlflow_model_path=tmp_path / "model",
        train_file_path=tmp_path / "train.jsonl",
        mlflow_model_folder=tmp_path / "out",
        gradient_accumulation_steps=4,
        gradient_checkpointing=True,
    )


@pytest.mark.parametrize("stage", ["2", "3"])
def test_deepspeed_is_told_its_stage_and_the_trainer_the_rest(arguments: FinetuneArguments, stage: str) -> None:
    """Accelerate's own reader finds the stage; sizes and formats are left to the Trainer, so they cannot differ."""
    told = HfDeepSpeedConfig(deepspeed(replace(arguments, apply_deepspeed=True, deepspeed_stage=stage)))
    assert (told.is_zero2(), told.is_zero3()) == (stage == "2", stage == "3")
    waiting = ("train_micro_batch_size_per_gpu", "gradient_accumulation_steps", "gradient_clipping", "bf16.enabled")
    assert [told.get_value(key) for key in waiting] == ["auto"] * 4
    gathered = told.get_value("zero_optimization.stage3_gather_16bit_weights_on_model_save")
    assert gathered is (True if stage == "3" else None)


def test_deepspeed_is_for_gpus(arguments: FinetuneArguments, capsys: pytest.CaptureFixture[str]) -> None:
    """A laptop accepts the cloud's settings and says what it does not do."""
    wanted = replace(arguments, apply_deepspeed=True)
    assert "deepspeed" in sharding(wanted, device=CUDA)
    assert "deepspeed" not in sharding(wanted, device=CPU)
    assert "DeepSpeed is not used: this machine has no CUDA device" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not readable as JSON"),
        (json.dumps({"zero_optimization": {"stage": 3}}), "needs stage3_gather_16bit_weights_on_model_save"),
    ],
)
def test_a_configuration_of_ones_own_is_checked(
    arguments: FinetuneArguments, text: str, message: str, tmp_path: Path
) -> None:
    """What would fail after an hour of training fails before, as the registry's component does it."""
    file = tmp_path / "deepspeed.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(TrainerError, match=message):
        deepspeed(replace(arguments, deepspeed=file))


def test_fsdp_shards_layers_and_recomputes_them(arguments: FinetuneArguments) -> None:
    """Transformers takes the configuration as FSDP2, and it is FSDP that recomputes activations then."""
    settings = training_arguments(replace(arguments, apply_fsdp=True), num_sequences=8)
    plugin = settings.fsdp_plugin_args
    assert (plugin["fsdp_version"], plugin["reshard_after_forward"], plugin["activation_checkpointing"]) == (
        2,
        True,
        True,
    )
    assert not settings.activation_checkpointing
    assert training_arguments(arguments, num_sequences=8).activation_checkpointing


def test_qlora_without_a_gpu_is_refused_before_the_model_is_loaded(arguments: FinetuneArguments) -> None:
    """One sentence with what to change, instead of what bitsandbytes says when the weights are there."""
    with pytest.raises(TrainerError, match=r"--precision 4 \(QLoRA\) needs a CUDA device.*Use --precision 16"):
        training_arguments(replace(arguments, precision="4", apply_lora=True), num_sequences=8)


def test_qlora_is_nf4_under_an_adapter_on_every_layer(arguments: FinetuneArguments) -> None:
    """Four bits as in the paper: NormalFloat, scales quantized again, products in bf16, all linear layers adapted."""
    bits = four_bits().to_dict()
    assert (bits["load_in_4bit"], bits["bnb_4bit_quant_type"], bits["bnb_4bit_use_double_quant"]) == (True, "nf4", True)
    assert bits["bnb_4bit_compute_dtype"] == "bfloat16"
    assert adapter(arguments).target_modules == "all-linear"
