"""Every message with which `mlops`, `pipelines` and a job end: it names what it is about, and says what to do.

Not the emulator's: they are Azure's own words.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlops import errors
from mlops.errors import InputError, MlopsError
from mlops.trainer.errors import TrainerError

ROOT = Path(__file__).parent.parent
OURS = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, MlopsError)}
KINDS: dict[str, type[Exception]] = {**OURS, "TrainerError": TrainerError}
TO_MEND = (InputError, TrainerError)
"""Errors of whoever gave the input."""
LEFT_OUT = "emulator"
"""Its messages are Azure's: the service's own words, of which many say no more than what is wrong."""
CARRIED = {"run.damage", "str(error)"}
"""The whole message of another error, which is looked at where it is made."""
VERBS = (
    "add ask change check choose correct delete did get give install lower look make mend move name order prepare put "
    "raise register run save say set start take try turn unset use wait write"
)
INSTRUCTION = re.compile(
    rf"(^|[:;.,(] |\b(or|and|then|to) )({'|'.join(VERBS.split())})\b|\bmust\b", re.IGNORECASE | re.MULTILINE
)
"""A clause that begins with what to do, or the rule that the value breaks."""


@dataclass(frozen=True)
class Message:
    """What one `raise` says, with what it fills in as `{expression}`."""

    where: str
    kind: type[Exception]
    text: str


class Reader:
    """Reads the messages of a module; what its own functions and variables add to one counts as said."""

    def __init__(self, path: Path) -> None:
        self._where = str(path.relative_to(ROOT))
        self._tree = ast.parse(path.read_text())
        self._functions = {node.name: node for node in ast.walk(self._tree) if isinstance(node, ast.FunctionDef)}

    def messages(self) -> Iterator[Message]:
        """Yield every message of our own errors."""
        for function in self._functions.values():
            for node in ast.walk(function):
                if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                    kind = KINDS.get(ast.unparse(node.exc.func).rpartition(".")[2])
                    if kind:
                        said = self._text(node.exc.args[0], function)
                        yield Message(f"{self._where}:{node.lineno}", kind, said)

    def _text(self, node: ast.AST, function: ast.FunctionDef) -> str:
        """Return a message as it stands there, and after it what is filled in."""
        if isinstance(node, ast.JoinedStr):
            return "".join(self._text(part, function) for part in node.values)
        if isinstance(node, ast.BinOp):
            return self._text(node.left, function) + self._text(node.right, function)
        if isinstance(node, ast.Constant):
            return str(node.value)
        value = node.value if isinstance(node, ast.FormattedValue) else node
        return "\n".join([f"{{{ast.unparse(value)}}}", *self._added(value, function), ""])

    def _added(self, node: ast.AST, function: ast.FunctionDef) -> Iterator[str]:
        """Yield the texts behind an expression, from what it names here, and what that names."""
        names = _names(node)
        for _ in range(2):
            sources = [source for name in names for source in self._sources(name, function)]
            names = {name for source in sources for name in _names(source)}
            for source in sources:
                yield from _constants(source)

    def _sources(self, name: str, function: ast.FunctionDef) -> Iterator[ast.AST]:
        """Yield what a name stands for: a function of the module, a value assigned to it, an error that was caught."""
        if name in self._functions:
            yield self._functions[name]
        for node in ast.walk(function):
            match node:
                case ast.Assign(targets=[ast.Name(id=found)], value=value) if found == name:
                    yield value
                case ast.For(target=ast.Name(id=found), iter=value) if found == name:
                    yield value
                case ast.Call(func=ast.Attribute(value=ast.Name(id=found), attr="append")) if found == name:
                    yield node
                case ast.ExceptHandler(name=found, type=ast.Name(id=kind)) if found == name and kind in KINDS:
                    yield ast.Constant("must")  # another message of ours


def _names(node: ast.AST) -> set[str]:
    return {
        child.id if isinstance(child, ast.Name) else child.attr
        for child in ast.walk(node)
        if isinstance(child, (ast.Name, ast.Attribute))
    }


def _constants(node: ast.AST) -> Iterator[str]:
    docstring = ast.get_docstring(node, clean=False) if isinstance(node, ast.FunctionDef) else None
    for child in ast.walk(node):
        if isinstance(child, ast.Constant) and isinstance(child.value, str) and child.value != docstring:
            yield child.value


def all_messages() -> list[Message]:
    """Return every message of the library, the stages and the trainer; not the emulator's, which are Azure's words."""
    paths = [*(ROOT / "mlops").rglob("*.py"), *(ROOT / "pipelines").glob("*.py")]
    return [
        message
        for path in sorted(paths)
        if LEFT_OUT not in path.relative_to(ROOT).parts
        for message in Reader(path).messages()
    ]


@pytest.mark.parametrize("message", all_messages(), ids=lambda message: message.where)
def test_a_message_says_what_where_and_what_to_do(message: Message) -> None:
    """It fills in a value, of which it speaks; if somebody can mend it (exit code 2), it says how, or what must be."""
    assert "{" in message.text, message.text
    if issubclass(message.kind, TO_MEND) and message.text.partition("\n")[0].strip("{}") not in CARRIED:
        assert INSTRUCTION.search(message.text), message.text
