"""
Every command and every option of `sozutw` stands in at least one end-to-end test.

Looked for is in the tests' own text: a test calls the commands that its texts begin with, with the
options that stand in any of them, those of the functions and constants that it uses included.
"""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import pytest

from sozutw.cli.commands import CommonOption
from sozutw.cli.listener_options import ANSWERS, H2_KNOBS, flag
from sozutw.cli.main import main

CASES: Final = sorted(Path(__file__).parent.glob("test_command_*.py"))

FILLED_IN: Final[dict[str, tuple[str, ...]]] = {
    "kind": ("http", "https"),
    "verb": ("activate", "deactivate", "remove", "update --front-timeout 1"),
    "flag(knob)": tuple(map(flag, H2_KNOBS)),
    "status": ANSWERS,
    "n": ("400", "404", "503"),
    "prefix": ("", "new-"),
}
"""What stands in the place of a field of an f-string, by the text of the field."""

OPTION: Final = re.compile(r"(?<![\w-])--?[A-Za-z][\w-]*")

Seen = set[tuple[str, str]]
"""Commands, each with one of its options; or with nothing, for itself."""


# What the tests say.


def texts(node: ast.AST) -> Iterator[str]:
    """Yield each text below a node; of f-strings all that they may become."""
    if isinstance(node, ast.JoinedStr):
        yield from _filled_in(node.values)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    else:
        for child in ast.iter_child_nodes(node):
            yield from texts(child)


def _filled_in(parts: list[ast.expr]) -> Iterator[str]:
    found = [""]
    for part in parts:
        if isinstance(part, ast.FormattedValue):
            values = FILLED_IN.get(ast.unparse(part.value), ("{}",))
        else:
            values = tuple(texts(part))
        found = [text + value for text in found for value in values]
    yield from found


def all_texts(tree: ast.Module) -> Iterator[list[str]]:
    """Yield for each test all texts that it has to do with."""
    known: dict[str, ast.stmt] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            known[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            known[ast.unparse(target)] = node
    for name in known:
        if name.startswith("test_"):
            yield [text for each in _used(name, known) for text in texts(known[each])]


def _used(name: str, known: dict[str, ast.stmt]) -> set[str]:
    """Return what of a module something uses, itself included."""
    used, left = set(), {name}
    while left:
        one = left.pop()
        used.add(one)
        names = {node.id for node in ast.walk(known[one]) if isinstance(node, ast.Name)}
        left |= (names & known.keys()) - used
    return used


def called(found: list[str]) -> Seen:
    """Return which commands these texts call, with which options."""
    named = {option for text in found for option in OPTION.findall(text)}
    seen: Seen = set()
    for text in found:
        for path, command in _path(text):
            seen.add((path, ""))
            seen |= {(path, option) for option in options(command) if named & {*option.split("/")}}
    return seen


def _path(text: str) -> Iterator[tuple[str, click.Command]]:
    """Yield the command that a text calls, with the groups that it stands in."""
    try:
        words = shlex.split(text)
    except ValueError:
        return
    command: click.Command = main
    path: list[str] = []
    for word in words:
        found = None
        if isinstance(command, click.Group):
            found = command.get_command(click.Context(command), word)
        if found is not None:
            command, path = found, [*path, word]
            yield " ".join(path), command
        elif not path:
            return


# What there is.


def options(command: click.Command) -> Iterator[str]:
    """Yield the options of a command; the two sides of a switch are two."""
    for param in command.params:
        if isinstance(param, click.Option) and not isinstance(param, CommonOption):
            yield "/".join(param.opts)
            if param.secondary_opts:
                yield "/".join(param.secondary_opts)


def commands(command: click.Command, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """Yield each command of the tree, groups included."""
    if path:
        yield path, command
    if isinstance(command, click.Group):
        ctx = click.Context(command)
        for name in command.list_commands(ctx):
            found = command.get_command(ctx, name)
            assert found is not None
            yield from commands(found, f"{path} {name}".strip())


def missing(path: str, command: click.Command, seen: Seen) -> list[str]:
    """Return what of a command no test calls."""
    return [part or path for part in ("", *options(command)) if (path, part) not in seen]


@pytest.fixture(scope="module")
def seen() -> Seen:
    trees = [
        ast.parse(path.read_text(encoding="utf-8")) for path in CASES if path != Path(__file__)
    ]
    return {one for tree in trees for found in all_texts(tree) for one in called(found)}


EVERY: Final = dict(commands(main))


@pytest.mark.parametrize("path", EVERY)
def test_a_command_and_its_options_are_called(path: str, seen: Seen) -> None:
    assert missing(path, EVERY[path], seen) == []


def test_the_check_bites() -> None:
    source = """
MORE = "--send-proxy"
OTHER = "--http2"
def options(): return MORE
def test_it(): asked.done(f"cluster add -i {name} {options()}", "the cluster h2 enable -i x")
"""
    (found,) = all_texts(ast.parse(source))
    seen = called(found)
    assert seen == {
        ("cluster", ""),
        ("cluster add", ""),
        ("cluster add", "-i/--id"),
        ("cluster add", "--send-proxy"),
    }
    assert "--http2" in missing("cluster add", EVERY["cluster add"], seen)
    assert missing("cluster h2", EVERY["cluster h2"], seen) == ["cluster h2"]
    assert called(["cluster 'add", "{}"]) == set()
