"""Which model was scored, by its content: names can be given to anything."""

import hashlib
from pathlib import Path

from mlops.trainer.model_folder import find_parts


def fingerprint(folder: Path) -> str:
    """Give the SHA-256 over names and contents of a model's weights and tokenizer files."""
    parts = find_parts(folder)
    digest = hashlib.sha256()
    for root in sorted({parts.weights, parts.tokenizer}):
        for path in sorted(path for path in root.rglob("*") if path.is_file()):
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(f"{path.relative_to(root)} {content}\n".encode())
    return digest.hexdigest()
