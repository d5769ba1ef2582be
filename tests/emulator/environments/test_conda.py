"""What a conda file means to pip."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from mlops.emulator.environments import conda

NAMES = st.from_regex(r"[a-z][a-z0-9]{0,8}([-_.][a-z0-9]{1,4})?", fullmatch=True)
NUMBERS = st.lists(st.integers(0, 99), min_size=1, max_size=3).map(lambda parts: ".".join(map(str, parts)))


@pytest.mark.parametrize(
    ("package", "requirement"),
    [
        ("numpy", "numpy"),
        ("numpy=1.26", "numpy==1.26.*"),
        ("numpy=1.26.*", "numpy==1.26.*"),
        ("numpy==1.26.4", "numpy==1.26.4"),
        ("numpy=1.26.4=py311h64a7726_0", "numpy==1.26.4.*"),
        ("numpy >=1.26,<2", "numpy>=1.26,<2"),
        ("conda-forge::scikit-learn=1.5", "scikit-learn==1.5.*"),
    ],
)
def test_conda_packages_in_pips_words(package: str, requirement: str) -> None:
    """A single `=` takes every version that begins so; channels and builds mean nothing to pip."""
    assert conda.read(f"dependencies: ['{package}']").lines() == [requirement]


def test_pips_own_lines_stay_as_they_are_and_python_is_left_out() -> None:
    """The list under `pip:` is handed on; the interpreter and pip are given."""
    text = "dependencies: [python=3.9, pip, numpy=1, {pip: ['a[b]==1; python_version>\"3\"', '--no-deps']}]"
    requirements = conda.read(text)
    assert requirements.lines() == ["numpy==1.*", 'a[b]==1; python_version>"3"', "--no-deps"]
    assert requirements.left_out == ("python==3.9.*", "pip")
    assert requirements.without({"numpy"}).left_out[-1] == "numpy (not on PyPI)"


@pytest.mark.parametrize("text", ["", "[]", "name: only", "dependencies: numpy", "dependencies: ['=1']", "a: [b"])
def test_what_is_no_conda_file_is_a_value_error(text: str) -> None:
    """The message says what is wrong."""
    with pytest.raises(ValueError, match=r"conda file|dependenc"):
        conda.read(text)


@given(name=NAMES, operator=st.sampled_from(["=", "==", ">=", "<", "~=", "!="]), number=NUMBERS)
def test_every_package_becomes_a_requirement_of_its_name(name: str, operator: str, number: str) -> None:
    """Whatever conda's version says, pip can read it, and finds it by the same name."""
    number = f"{number}.0"  # `~=` needs two parts
    (line,) = conda.read(f"dependencies: ['{name}{operator}{number}']").lines() or [f"{name}"]
    assert conda.name_of(Requirement(line).name) == conda.name_of(f"{name}{operator}{number}")
