"""The arrows of the architecture, walked import by import."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PURE = {"errors", "records"}
MAY_IMPORT = {
    "errors": set(),
    "records": {"errors"},
    "compute": PURE,
    "ports": set(),
    "times": set(),
    "whole": {"errors"},
    "datasets": PURE | {"whole"},
    "gates": PURE,
    "rollout": PURE,
    "layers": PURE,
    "judge": {"errors", "sections"},
    "provenance": {"records"},
    "verification": PURE | {"datasets", "gates", "workspace"},
    "sections": PURE | {"compute", "datasets", "finetuning", "gates", "rollout"},
    "settings": {"errors", "layers", "sections"},
    "finetuning": PURE | {"compute", "times"},
    "credentials": {"errors"},
    "workspace": PURE | {"credentials", "sections", "compute"},
    "planning": PURE | {"alignment", "compute", "finetuning", "sections", "settings", "times", "workspace"},
    "alignment": PURE | {"compute", "datasets", "finetuning", "sections", "workspace"},
    "reports": PURE | {"datasets", "finetuning", "times", "whole"},
    "github": {"errors"},
    "changes": {"github"},
    "bootstrap": set(),
    "stage": PURE | {"github", "layers", "sections", "settings", "workspace", "reports", "whole"},
    "operations": PURE
    | {"compute", "credentials", "ports", "reports", "rollout", "runs", "sections", "settings", "stage", "workspace"},
    "runs": PURE | {"releases", "rollout", "stage"},
    "releases": PURE | {"layers", "stage", "whole"},
    "studio": PURE | {"reports", "rollout", "runs", "sections", "settings", "stage", "workspace"},
    "commands": PURE
    | {"bootstrap", "datasets", "github", "layers", "operations", "planning", "releases", "reports", "rollout", "runs"}
    | {"sections", "settings", "stage", "studio", "verification", "workspace"},
    "completion": set(),
    "cli": PURE | {"commands", "completion", "reports"},
    "trainer": set(),
    "emulator": {"ports"},
}
ONLY_IN = {
    "azure.ai.ml": {"workspace"},
    "azure.identity": {"credentials"},
    "torch": {"trainer"},
    "transformers": {"trainer"},
    "peft": {"trainer"},
    "trl": {"trainer"},
    "aiohttp": {"emulator"},
    "pyarrow": {"datasets", "trainer"},
    "scipy": {"gates", "datasets", "rollout"},
    "matplotlib": {"reports"},
    "starlette": {"studio"},
    "jinja2": {"reports", "studio", "trainer"},
    "httpx": {"judge", "rollout", "operations", "credentials", "workspace"},
}


def modules() -> Iterator[tuple[str, Path]]:
    """Yield every module of ours with the package it belongs to."""
    for path in sorted((ROOT / "mlops").rglob("*.py")):
        part = path.relative_to(ROOT / "mlops").parts[0].removesuffix(".py")
        if part != "__init__":
            yield part, path


def imports(path: Path) -> Iterator[str]:
    """Yield the full names a module imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize(("package", "path"), list(modules()), ids=lambda value: getattr(value, "stem", value))
def test_imports_follow_the_arrows(package: str, path: Path) -> None:
    """A package imports of ours only what the architecture allows; `pipelines` is imported by nobody."""
    for name in imports(path):
        if name.startswith("mlops."):
            assert name.split(".")[1] in MAY_IMPORT[package] | {package}, f"{path} imports {name}"
        assert not name.startswith("pipelines"), f"{path} imports {name}"


@pytest.mark.parametrize(("package", "path"), list(modules()), ids=lambda value: getattr(value, "stem", value))
def test_a_heavy_library_has_one_home(package: str, path: Path) -> None:
    """What is heavy or talks to the world is imported by the one package that owns it."""
    for name in imports(path):
        for library, homes in ONLY_IN.items():
            assert not f"{name}.".startswith(f"{library}.") or package in homes, f"{path} imports {name}"


@pytest.mark.parametrize("path", sorted((ROOT / "pipelines").glob("*.py")), ids=lambda path: path.stem)
def test_pipelines_know_neither_trainer_nor_emulator(path: Path) -> None:
    """Stages reach both only through Azure ML's interface: that is the one code path."""
    assert not [name for name in imports(path) if name.startswith(("mlops.trainer", "mlops.emulator", "azure"))]


def test_the_library_is_light() -> None:
    """`import mlops` and the command line load neither torch nor the Azure SDK."""
    program = "import sys, mlops.cli, mlops.stage; print([m for m in ('torch', 'azure.ai.ml') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout.strip() == "[]"
