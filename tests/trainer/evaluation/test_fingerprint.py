"""A model is known by its content."""

import shutil
from pathlib import Path

from mlops.trainer.evaluation.fingerprint import fingerprint


def test_a_copy_is_the_same_model_and_a_changed_weight_is_not(base_folder: Path, tmp_path: Path) -> None:
    """Name, place and model card do not matter; one byte of the weights does."""
    copy = shutil.copytree(base_folder, tmp_path / "other-name")
    (copy / "README.md").write_text("another card")
    assert fingerprint(copy) == fingerprint(base_folder)
    (weights,) = copy.rglob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert fingerprint(copy) != fingerprint(base_folder)
