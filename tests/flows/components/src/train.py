"""Write a model that says what it was trained on."""

from __future__ import annotations

import argparse
from pathlib import Path

parser = argparse.ArgumentParser()
for name in ("training_data", "max_epochs", "learning_rate", "schedule", "model_output"):
    parser.add_argument(f"--{name}", required=True)
args = parser.parse_args()
lines = (Path(args.training_data) / "data.txt").read_text()
Path(args.model_output, "model.txt").write_text(f"{args.max_epochs} {args.learning_rate} {args.schedule}\n{lines}")
print("trained on", args.training_data)
