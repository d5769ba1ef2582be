"""Fine-tune a model of a few thousand weights with the trainer itself: `python tiny_training.py OUTPUT`."""

import json
import os
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # before the libraries are imported: nothing is looked up

from transformers import Phi3Config, Phi3ForCausalLM

from mlops.trainer import finetune
from mlops.trainer.tokenizer import train_tokenizer

CHATS = [
    [{"role": "user", "content": f"Do you like {color}?"}, {"role": "assistant", "content": f"Yes, {color} is nice."}]
    for color in ("red", "green", "blue", "black", "white", "pink", "brown", "gold", "gray", "yellow")
]

output, base = Path(sys.argv[1]), Path("base")
tokenizer = train_tokenizer([message["content"] for chat in CHATS for message in chat], vocab_size=400, max_length=64)
sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
tokens = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id}
Phi3ForCausalLM(Phi3Config(vocab_size=len(tokenizer), max_position_embeddings=64, **sizes, **tokens)).save_pretrained(
    base
)
tokenizer.save_pretrained(base)
Path("chats.jsonl").write_text("".join(json.dumps({"messages": chat}) + "\n" for chat in CHATS))
files = {f"{split}_file_path": "chats.jsonl" for split in ("train", "validation", "test")}
values = files | {"pytorch_model_path": base, "mlflow_model_folder": output, "max_steps": 2, "logging_steps": 1}
sys.exit(finetune.main([f"--{name}={value}" for name, value in values.items()]))
