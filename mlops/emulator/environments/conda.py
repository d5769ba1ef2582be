"""What a conda file asks for, in the words of pip."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import yaml

_PACKAGE = re.compile(r"(?:[\w./-]+::)?(?P<name>[A-Za-z0-9_.-]+)\s*(?P<version>[=<>!~ ].*)?")
_COMPARISON = re.compile(r"(?:==|>=|<=|!=|~=|<|>)")
# What a virtual environment has of its own.
_GIVEN = {"python", "pip"}


@dataclass(frozen=True)
class Requirements:
    """Lines for pip: those under `pip:` as they stand, and conda's packages translated, by their names."""

    pip: tuple[str, ...]
    conda: dict[str, str]
    left_out: tuple[str, ...]

    def lines(self) -> list[str]:
        """Return the lines of a requirements file."""
        return [*self.conda.values(), *self.pip]

    def plus(self, pip: tuple[str, ...]) -> Requirements:
        """Return the same with more lines for pip."""
        return replace(self, pip=(*self.pip, *pip))

    def without(self, names: set[str]) -> Requirements:
        """Return the same but for some of conda's packages."""
        left_out = (*self.left_out, *(f"{name} (not on PyPI)" for name in sorted(names)))
        conda = {name: line for name, line in self.conda.items() if name not in names}
        return replace(self, conda=conda, left_out=left_out)


def read(text: str) -> Requirements:
    """Read a conda file; raise ValueError when it is none."""
    try:
        document: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"The conda file is not YAML: {error}") from None
    dependencies = document.get("dependencies") if isinstance(document, dict) else None
    if not isinstance(dependencies, list):
        raise ValueError("The conda file has no list 'dependencies'.")  # noqa: TRY004 - to the user it is a bad value
    pip = [str(line) for entry in dependencies if isinstance(entry, dict) for line in entry.get("pip") or []]
    packages = [_package(entry) for entry in dependencies if isinstance(entry, str)]
    return Requirements(
        tuple(pip),
        {name: line for name, line in packages if name not in _GIVEN},
        tuple(line for name, line in packages if name in _GIVEN),
    )


def name_of(requirement: str) -> str:
    """Return the name of a package as pip compares it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\s\[=<>!~;@]", requirement.strip(), maxsplit=1)[0]).lower()


def _package(text: str) -> tuple[str, str]:
    """Return the name and the requirement of `[channel::]name[=version[=build]]`."""
    match = _PACKAGE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"The dependency {text!r} of the conda file cannot be read.")
    name, version = match["name"], (match["version"] or "").strip()
    if _COMPARISON.match(version):
        return name_of(name), f"{name}{version}"
    # Conda's `=1.2` takes any 1.2.x; what comes after a second `=` or blank is a build.
    number = re.split(r"[=\s]+", version.lstrip("= "))[0]
    return name_of(name), f"{name}=={number.removesuffix('.*').rstrip('*')}.*" if number else name
