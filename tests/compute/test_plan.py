"""What a job will take: arithmetic that a person can check by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.compute.plan import (
    PREPARATION_HOURS,
    Machines,
    ModelSize,
    Throughput,
    alignment_plan,
    assumed,
    effective_batch,
    measured,
    memory_gb,
    plan,
    warnings,
)
from mlops.compute.price import Price
from mlops.compute.sizes import gpu
from mlops.records import Split

A100, T4 = "Standard_NC24ads_A100_v4", "Standard_NC4as_T4_v3"
PHI_3, GPT_OSS = ModelSize(3.8e9, 3.8e9), ModelSize(20.9e9, 3.6e9)
LORA = {"apply_lora": "true", "precision": "16"}
FULL = {"apply_lora": "false", "precision": "16"}


def machines(size: str = A100, *, nodes: int = 1, gpus: int = 1) -> Machines:
    """Return nodes of a size at 4 USD/h each."""
    return Machines(size, nodes, gpus, gpu(size), Price(4.0, "a test", "today"))


def data(rows: int, characters: int) -> Split:
    """Return a file of so many rows and characters."""
    return Split(rows=rows, characters=characters, sha256="0" * 64, uri="azureml://x/train.jsonl")


def test_the_plan_adds_up() -> None:
    """1,000 conversations of 4,000 characters, 3 epochs, 2 nodes of 4 GPUs at 1,000 tokens/s: counted by hand."""
    parameters = {**LORA, "num_train_epochs": 3, "per_device_train_batch_size": 2, "gradient_accumulation_steps": 2}
    made = plan(data(1000, 4_000_000), parameters, machines(nodes=2, gpus=4), Throughput(1000, 0.5, "a test"))
    assert made.effective_batch == 32
    assert made.steps == 32 * 3  # 1000 / 32, rounded up, three times
    assert made.tokens == 3_000_000
    assert made.tokens_per_s == 8000
    assert made.hours == pytest.approx(3_000_000 / 8000 / 3600 + 0.5)
    assert made.usd == pytest.approx(made.hours * 2 * 4.0)


def test_long_conversations_are_cut_and_steps_can_be_limited() -> None:
    """`max_seq_length` limits the tokens of a conversation, `max_steps` those of the job."""
    everything = plan(data(100, 4_000_000), LORA, machines(), Throughput(1000, 0, "a test"))
    cut = plan(data(100, 4_000_000), {**LORA, "max_seq_length": 256}, machines(), Throughput(1000, 0, "a test"))
    few = plan(data(100, 4_000_000), {**LORA, "max_steps": 10}, machines(), Throughput(1000, 0, "a test"))
    assert (everything.tokens, cut.tokens, few.tokens) == (1_000_000, 25_600, 100_000)
    assert (everything.steps, few.steps) == (100, 10)


def test_an_alignment_reads_both_answers_and_once_before_the_first_step() -> None:
    """100 preferences of 4,000 characters, 2 epochs: 200,000 tokens, and a third of 100,000 for the reference."""
    made = alignment_plan(data(100, 400_000), {**LORA, "num_train_epochs": 2}, machines(), Throughput(1000, 0.5, "x"))
    assert (made.steps, made.tokens) == (200, 200_000)
    assert made.hours == pytest.approx((200_000 + 100_000 / 3) / 1000 / 3600 + 0.5)
    assert made.throughput == "assumed: that of fine-tuning"
    cut = alignment_plan(data(100, 400_000), {**LORA, "max_seq_length": 100}, machines(), Throughput(1000, 0, "x"))
    assert cut.tokens == 100 * 2 * 100


@given(
    rows=st.integers(1, 10**6),
    characters=st.integers(0, 10**10),
    batch=st.integers(1, 64),
    nodes=st.integers(1, 8),
    epochs=st.integers(1, 10),
)
def test_more_is_never_cheaper(rows: int, characters: int, batch: int, nodes: int, epochs: int) -> None:
    """Another epoch or more text costs more; every conversation gets its step."""
    parameters = {**LORA, "per_device_train_batch_size": batch, "num_train_epochs": epochs}
    made = plan(data(rows, characters), parameters, machines(nodes=nodes), Throughput(500, 0.1, "a test"))
    longer = plan(
        data(rows, characters + 400),
        parameters | {"num_train_epochs": epochs + 1},
        machines(nodes=nodes),
        Throughput(500, 0.1, "a test"),
    )
    assert longer.usd > made.usd
    assert made.steps * made.effective_batch >= rows * epochs


def test_the_effective_batch_has_the_flows_defaults() -> None:
    """Row 11 of the flow: batch = per device x accumulation x GPUs x nodes, each 1 unless said."""
    assert effective_batch({}, machines()) == 1
    batches = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 3}
    assert effective_batch(batches, machines(nodes=2, gpus=4)) == 48


def test_the_assumption_is_a_share_of_the_gpus_peak() -> None:
    """20 % of an A100's 312 TFLOPS over 6 operations per parameter and token; a mixture of experts works with less."""
    dense, sparse = assumed(PHI_3, LORA, gpu(A100)), assumed(GPT_OSS, LORA, gpu(A100))
    assert dense is not None
    assert sparse is not None
    assert dense.tokens_per_s == pytest.approx(0.2 * 312e12 / 6 / 3.8e9)
    assert dense.preparation_hours == PREPARATION_HOURS
    assert "20% of A100-80's 312 TFLOPS" in dense.source
    assert sparse.tokens_per_s > dense.tokens_per_s


def test_jobs_that_were_timed_replace_the_assumption() -> None:
    """The median of the last jobs counts, so that one slow night does not."""
    assert measured([]) is None
    assert measured([(100, 0.1), (900, 0.3), (110, 0.2)]) == Throughput(110, 0.2, "measured: the last 3 of such jobs")


def test_an_adapter_fits_where_all_weights_do_not() -> None:
    """Phi-3-mini: 7.6 GB of weights and little more with LoRA, 68 GB for all; stage 3 spreads both over the GPUs."""
    assert memory_gb(PHI_3, LORA, machines()) == pytest.approx(8.2, abs=0.1)
    assert memory_gb(PHI_3, FULL, machines()) == pytest.approx(68.4, abs=0.1)
    staged = {**FULL, "apply_deepspeed": "true", "deepspeed_stage": "3"}
    assert memory_gb(PHI_3, staged, machines(gpus=4)) == pytest.approx(68.4 / 4, abs=0.1)


@pytest.mark.parametrize(
    ("size", "parameters", "tier", "expected"),
    [
        (A100, FULL, "dedicated", "expect to run out of memory"),
        (T4, LORA, "dedicated", "T4 has no bfloat16"),
        (A100, {"apply_lora": "true"}, "dedicated", "precision 32 on A100-80"),
        (A100, LORA, "low_priority", "low-priority nodes are taken away"),
        ("Standard_ND_unknown", LORA, "dedicated", "nothing is known of the GPU"),
    ],
)
def test_what_may_go_wrong_is_said_before(size: str, parameters: dict[str, str], tier: str, expected: str) -> None:
    """Memory, precision and preemption: each its own warning, and only that one."""
    (warning,) = warnings(PHI_3, parameters, machines(size), tier=tier)
    assert expected in warning


def test_a_good_match_has_no_warning() -> None:
    """An adapter of Phi-3-mini on an A100, 16 bits, dedicated."""
    assert warnings(PHI_3, LORA, machines(), tier="dedicated") == []
