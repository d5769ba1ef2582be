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
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"  # before the libraries are imported: nothing is looked up

from rich.console import Console
from rich.table import Table
from trainers import insist_on_bf16, trainers, useful_tokens
from transformers import Phi3ForCausalLM, set_seed
from turns import Clock, Turns

from mlops.trainer.checkpoints import last_checkpoint
from mlops.trainer.corpus import base_texts
from mlops.trainer.stand_in import CONTEXT, BaseModel, phi3_config
from mlops.trainer.tokenizer import train_tokenizer

STEPS, WARM_UP = 8, 2
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
            time.sleep(0.05)  # between two looks
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


if __name__ == "__main__":
    match sys.argv[1:]:
        case [name, "--turns", precision]:
            print(json.dumps(take_turns(Path(name), precision)))
        case [name, "--peak", precision, peer]:
            print(json.dumps(peak_mb(Path(name), precision, peer)))
        case _:
            main()
