"""What the trainer is worth: `python tests/benchmarks/trainer.py`, beside TRL's SFTTrainer and transformers' Trainer.

One model of Phi-3's architecture with random weights and one set of real conversations (chitchat) in one order, learned
by four trainers: ours; Trainer on the same packed sequences; Trainer without packing, the conversations of a sequence
padded to the longest; SFTTrainer on the same packed sequences. In one process per precision their steps take turns, so
that a busy machine is as busy for all; tokens are those of the conversations, never padding. Peak memory is that of a
process of its own, with all its libraries. Then a run is killed (SIGKILL) between two checkpoints and resumed.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"  # before the libraries are imported: nothing is looked up

import torch
from rich.console import Console
from rich.table import Table
from transformers import Phi3ForCausalLM, Trainer, TrainerCallback, set_seed

import mlops.trainer.training_arguments
import mlops.trainer.weights
from mlops.trainer.arguments import FinetuneArguments
from mlops.trainer.chat import IGNORED
from mlops.trainer.checkpoints import last_checkpoint
from mlops.trainer.corpus import base_texts
from mlops.trainer.finetune import Conversations, build_trainer, read_conversations
from mlops.trainer.packing import PackedSequence, pack
from mlops.trainer.stand_in import CONTEXT, BaseModel, phi3_config
from mlops.trainer.tokenizer import train_tokenizer
from mlops.trainer.training_arguments import settings, training_arguments
from mlops.trainer.weights import start

STEPS, WARM_UP = 8, 2
LENGTH, BATCH = 1024, 2
PEERS = ("Trainer, packed", "Trainer, not packed", "TRL SFTTrainer")
LEAST = {"Trainer, packed": 1.0, "TRL SFTTrainer": 2.0}
NOISE = {"32": 1e-3, "16": 2e-2}  # of the loss, step by step
NAMES = {"32": "fp32", "16": "bf16"}
RESUME_NOISE = 1e-3


@dataclass(frozen=True)
class Measured:
    """Tokens a second in the median step, and the loss of every step."""

    tokens_per_s: float
    losses: list[float]


def main() -> None:
    """Measure, print the tables, and exit with 1 if a floor is missed."""
    table = Table("precision", "measure", "ours", "peer", "", "ratio", "floor", "verdict")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        met = [row for precision in NAMES for row in compare(folder, precision, table)]
        met += [resume(folder, table)]
    Console(width=130).print(table)
    sys.exit(0 if all(met) else 1)


def prepare(folder: Path) -> None:
    """Write the model, and the conversations as the trainer reads them."""
    import chitchat_dataset

    tokenizer = train_tokenizer(list(base_texts()), vocab_size=BaseModel.vocab_size, max_length=CONTEXT)
    set_seed(0)
    model = Phi3ForCausalLM(phi3_config(tokenizer, spec=BaseModel()))
    model.save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    with (folder / "chats.jsonl").open("w", encoding="utf-8") as file:
        for chat in list(chitchat_dataset.Dataset().values())[:400]:
            turns = ["\n".join(utterance["text"] for utterance in turn) for turn in chat["messages"]]
            roles = ("user", "assistant") * len(turns)
            messages = [{"role": role, "content": text} for role, text in zip(roles, turns, strict=False)]
            if len(messages) > 1:
                file.write(json.dumps({"messages": messages}) + "\n")


def compare(folder: Path, precision: str, table: Table) -> Iterator[bool]:
    """Add the rows of a precision; yield whether each floor was met."""
    found = {name: Measured(**values) for name, values in ask(folder, "--turns", precision).items()}
    peaks = {name: ask(folder, "--peak", precision, name) for name in (*PEERS, "ours")}
    ours = found["ours"]
    for peer in PEERS:
        theirs = found[peer]
        ratio, floor = ours.tokens_per_s / theirs.tokens_per_s, LEAST.get(peer)
        apart = max(abs(a - b) / a for a, b in zip(ours.losses, theirs.losses, strict=True))
        fast, same = floor is None or ratio >= floor, apart <= NOISE[precision]
        rate = (f"{ours.tokens_per_s:,.0f}", peer, f"{theirs.tokens_per_s:,.0f}", f"{ratio:.2f}")
        table.add_row(NAMES[precision], "tokens/s", *rate, f"{floor or ''}", verdict(fast))
        loss = (f"{ours.losses[-1]:.4f}", peer, f"{theirs.losses[-1]:.4f}", f"{apart:.1e} apart")
        table.add_row("", "loss, each step", *loss, f"{NOISE[precision]:.0e}", verdict(same))
        memory = (f"{peaks['ours']:,.0f}", peer, f"{peaks[peer]:,.0f}", f"{peaks['ours'] / peaks[peer]:.2f}")
        table.add_row("", "peak RSS, MB", *memory, "", "")
        yield fast
        yield same


def resume(folder: Path, table: Table) -> bool:
    """Add the row of a run that was killed and resumed; return whether it ended where an unbroken one did."""
    unbroken, killed = (command(folder, name) for name in ("unbroken", "killed"))
    subprocess.run(unbroken, check=True, stdout=subprocess.DEVNULL)
    with subprocess.Popen(killed, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        while not last_checkpoint(folder / "killed.checkpoints"):
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
    subprocess.run([*killed, "--resume_from_checkpoint", "true"], check=True, stdout=subprocess.DEVNULL)
    losses = [final_loss(folder / f"{name}.checkpoints") for name in ("unbroken", "killed")]
    apart = abs(losses[0] - losses[1]) / losses[0]
    shown = (f"{losses[1]:.4f}", "never killed", f"{losses[0]:.4f}", f"{apart:.1e} apart")
    table.add_row("fp32", "final loss after SIGKILL", *shown, f"{RESUME_NOISE:.0e}", verdict(apart <= RESUME_NOISE))
    return apart <= RESUME_NOISE


def verdict(met: bool) -> str:
    """Say whether a floor was met."""
    return "met" if met else "MISSED"


def command(folder: Path, name: str) -> list[str]:
    """Return the command of a short run that writes checkpoints."""
    values = {
        "pytorch_model_path": folder / "model",
        "train_file_path": folder / "chats.jsonl",
        "test_file_path": folder / "chats.jsonl",
        "mlflow_model_folder": folder / name,
        "max_seq_length": 256,
        "per_device_train_batch_size": 4,
        "per_device_eval_batch_size": 8,
        "max_steps": 12,
        "save_steps": 3,
        "learning_rate": 1e-3,
        "apply_lora": "true",
        "lora_dropout": 0.05,
    }
    return [sys.executable, "-m", "mlops.trainer.finetune", *(f"--{key}={value}" for key, value in values.items())]


def final_loss(folder: Path) -> float:
    """Return the validated loss at the end of a run."""
    last = last_checkpoint(folder)
    assert last
    history = json.loads((last / "trainer_state.json").read_bytes())["log_history"]
    return float([entry["eval_loss"] for entry in history if "eval_loss" in entry][-1])


def ask(folder: Path, *what: str) -> Any:
    """Return what a process of its own measured."""
    program = [sys.executable, __file__, str(folder), *what]
    return json.loads(subprocess.run(program, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def take_turns(folder: Path, precision: str) -> dict[str, dict[str, Any]]:
    """Train with all four, a step of each after a step of the others."""
    insist_on_bf16()
    makers = trainers(folder, precision, steps=STEPS)
    turns = Turns(len(makers))
    built = {name: make() for name, make in makers.items()}
    clocks = {name: Clock(turns, place) for place, name in enumerate(built)}
    for name, trainer in built.items():
        trainer.add_callback(clocks[name])
    threads = [threading.Thread(target=trainer.train) for trainer in built.values()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tokens = useful_tokens(built["ours"])
    return {
        name: {
            "tokens_per_s": tokens / statistics.median(clocks[name].seconds[WARM_UP:]),
            "losses": [entry["loss"] for entry in trainer.state.log_history if "loss" in entry],
        }
        for name, trainer in built.items()
    }


def peak_mb(folder: Path, precision: str, name: str) -> float:
    """Train for two steps and return the process's peak memory."""
    insist_on_bf16()
    trainers(folder, precision, steps=2)[name]().train()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def insist_on_bf16() -> None:
    """Compute in bf16 where it is asked for: without the instructions the trainer would not, the peers would."""
    for module in (mlops.trainer.training_arguments, mlops.trainer.weights):
        module.supports_bf16 = lambda _: True


class Turns:
    """Whose turn it is among so many."""

    def __init__(self, number: int) -> None:
        self._number, self._next, self._changed = number, 0, threading.Condition()

    @contextmanager
    def mine(self, place: int) -> Iterator[None]:
        """Wait until the turn comes to a place; pass it on afterwards."""
        with self._changed:
            self._changed.wait_for(lambda: self._next == place)
            yield
            self._next = (place + 1) % self._number
            self._changed.notify_all()


class Clock(TrainerCallback):
    """Time the steps of one trainer, which are taken in turn."""

    def __init__(self, turns: Turns, place: int) -> None:
        self._turns, self._place, self.seconds = turns, place, list[float]()

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        """Wait, then start the clock."""
        self._turn = self._turns.mine(self._place)
        self._turn.__enter__()
        self._began = time.perf_counter()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Stop the clock and let the next one go."""
        self.seconds.append(time.perf_counter() - self._began)
        self._turn.__exit__(None, None, None)


def trainers(folder: Path, precision: str, *, steps: int) -> dict[str, Callable[[], Trainer]]:
    """Return how to make each trainer; all have the same model, data, order and settings."""
    from mlops.trainer.model_folder import load_tokenizer

    arguments = FinetuneArguments(
        pytorch_model_path=folder / "model",
        train_file_path=folder / "chats.jsonl",
        test_file_path=folder / "chats.jsonl",
        mlflow_model_folder=folder / "out",
        max_seq_length=LENGTH,
        per_device_train_batch_size=BATCH,
        max_steps=steps,
        precision=precision,
        learning_rate=1e-3,
        lr_scheduler_type="constant",
        logging_steps=1,
        evaluation_strategy="disable",
    )
    tokenizer = load_tokenizer(folder / "model")
    conversations = read_conversations(arguments, tokenizer)
    packed = random.Random(0).sample(pack(conversations.train, max_length=LENGTH), steps * BATCH)  # noqa: S311
    pad = tokenizer.pad_token_id

    def ours() -> Trainer:
        trainer = build_trainer(arguments, Conversations(train=conversations.train[:10], validation=[]))
        trainer.train_dataset = packed
        return trainer

    def plain(collator: Callable[..., Any]) -> Trainer:
        set_seed(arguments.seed)
        model = start(arguments, device=torch.device("cpu"))
        args = training_arguments(arguments, num_sequences=len(packed))
        return Trainer(model=model, args=args, data_collator=collator, train_dataset=packed)

    return {
        "ours": ours,
        "Trainer, packed": lambda: plain(partial(packed_batch, pad=pad)),
        "Trainer, not packed": lambda: plain(partial(padded_batch, pad=pad)),
        "TRL SFTTrainer": partial(trl, arguments, packed, tokenizer),
    }


def trl(arguments: FinetuneArguments, packed: list[PackedSequence], tokenizer: Any) -> Trainer:
    """Return TRL's trainer on the same sequences, whose conversations it keeps apart by their lengths."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    rows = [
        {"input_ids": row.input_ids, "labels": row.labels, "seq_lengths": [len(part) for part in parts(row)]}
        for row in packed
    ]
    same = settings(arguments, num_sequences=len(packed)) | {"include_num_input_tokens_seen": "no"}
    config = SFTConfig(**same, max_length=LENGTH, packing=True, dataset_kwargs={"skip_prepare_dataset": True})
    model = start(arguments, device=torch.device("cpu"))
    trainer: Trainer = SFTTrainer(
        model=model, args=config, train_dataset=Dataset.from_list(rows), processing_class=tokenizer
    )
    return trainer


def parts(sequence: PackedSequence) -> list[range]:
    """Return where each conversation of a sequence stands."""
    starts = [index for index, position in enumerate(sequence.position_ids) if position == 0]
    return [range(*bounds) for bounds in zip(starts, [*starts[1:], len(sequence.position_ids)], strict=True)]


def packed_batch(sequences: list[PackedSequence], *, pad: int) -> dict[str, Any]:
    """Return a batch as transformers documents it for packed data: boundaries are read from the positions."""
    longest = max(len(sequence.input_ids) for sequence in sequences)
    rows = [(sequence, longest - len(sequence.input_ids)) for sequence in sequences]
    return {
        "input_ids": torch.tensor([row.input_ids + [pad] * more for row, more in rows]),
        "position_ids": torch.tensor([row.position_ids + list(range(more)) for row, more in rows]),
        "labels": torch.tensor([row.labels + [IGNORED] * more for row, more in rows]),
        "use_cache": False,
    }


def padded_batch(sequences: list[PackedSequence], *, pad: int) -> dict[str, Any]:
    """Return the same conversations one below the other, padded to the longest."""
    chats = [(sequence, part) for sequence in sequences for part in parts(sequence)]
    longest = max(len(part) for _, part in chats)

    def rows(name: str, filler: int) -> torch.Tensor:
        filled = [getattr(row, name)[part.start : part.stop] + [filler] * (longest - len(part)) for row, part in chats]
        return torch.tensor(filled)

    mask = torch.tensor([[1] * len(part) + [0] * (longest - len(part)) for _, part in chats])
    return {"input_ids": rows("input_ids", pad), "labels": rows("labels", IGNORED), "attention_mask": mask}


def useful_tokens(trainer: Trainer) -> float:
    """Return the tokens of an average step, without padding."""
    dataset: Any = trainer.train_dataset
    return BATCH * sum(len(sequence.input_ids) for sequence in dataset) / len(dataset)


if __name__ == "__main__":
    match sys.argv[1:]:
        case [name, "--turns", precision]:
            print(json.dumps(take_turns(Path(name), precision)))
        case [name, "--peak", precision, peer]:
            print(json.dumps(peak_mb(Path(name), precision, peer)))
        case _:
            main()
