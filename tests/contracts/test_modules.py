"""Modules are small, say what they are, and have their tests."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.own_coverage import PACKAGE, ROOT, own_tests, pure_modules

LINES_MAX = 500

# Tested by running them: each name is followed by the file that does.
TESTED_ELSEWHERE: dict[str, str] = {}

MODULES = sorted(p for p in PACKAGE.rglob("*.py") if p.name != "__init__.py")


def short(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def holds_only_declarations(path: Path) -> bool:
    """
    Say whether a module has nothing that could be wrong when it runs.

    Protocols, frozen values without methods, enums and constants: there is nothing to call.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = [
                s
                for s in node.body
                if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))
            ]
            if body:
                return False
    return True


@pytest.mark.parametrize("module", MODULES, ids=short)
def test_a_module_has_its_own_tests(module: Path) -> None:
    name = short(module)
    if name in TESTED_ELSEWHERE:
        assert (ROOT / TESTED_ELSEWHERE[name]).exists()
    elif not holds_only_declarations(module):
        assert own_tests(module), (
            f"tests/{module.relative_to(PACKAGE).parent}/test_{module.stem}.py"
        )


@pytest.mark.parametrize("module", MODULES, ids=short)
def test_a_module_is_short_enough_to_be_read(module: Path) -> None:
    assert len(module.read_text(encoding="utf-8").splitlines()) <= LINES_MAX


@pytest.mark.parametrize("module", MODULES, ids=short)
def test_a_module_opens_with_a_sentence(module: Path) -> None:
    docstring = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8")))
    assert docstring, "no docstring"
    first = docstring.split("\n\n")[0].strip()
    assert first[-1] in ".:?", first


def test_nothing_is_excused_from_coverage() -> None:
    for module in pure_modules():
        assert not re.search(
            r"pragma:\s*no\s+(cover|branch)", module.read_text(encoding="utf-8")
        ), module


def test_imports_point_down_the_path_of_a_request() -> None:
    """scripts/test runs the same; here it is a failure with a name."""
    answer = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_the_tables_of_exceptions_name_what_exists() -> None:
    for name in TESTED_ELSEWHERE:
        assert (ROOT / name).exists(), name
