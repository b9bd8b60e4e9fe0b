"""The pure packages know no reactor, no clock and no chance, directly or through others."""

import json
import subprocess
import sys
import tomllib

import pytest

from tests.own_coverage import PACKAGE, PURE, ROOT, pure_modules

# Not os and time: the interpreter itself and half of the standard library have them loaded.
# That no pure module imports these by itself is import-linter's part.
FORBIDDEN = (
    "twisted",
    "zope",
    "OpenSSL",
    "asyncio",
    "socket",
    "ssl",
    "random",
    "secrets",
    "logging",
    "subprocess",
    "multiprocessing",
    "selectors",
    "tempfile",
)

# A folder on the path and no site: nothing is loaded that the module did not ask for.
PROGRAM = """
import sys
sys.path[:0] = sys.argv[2:]
before = set(sys.modules)
__import__(sys.argv[1])
import json
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def loaded_by(module: str) -> list[str]:
    """Return the names of all modules that a fresh interpreter loads for one."""
    third_party = [p for p in sys.path if p.endswith("site-packages")]
    answer = subprocess.run(
        [sys.executable, "-I", "-S", "-c", PROGRAM, module, str(ROOT), *third_party],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    names: list[str] = json.loads(answer.stdout)
    return names


def name_of(path: object) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)  # type: ignore[attr-defined]


@pytest.mark.parametrize("module", [name_of(path) for path in pure_modules()])
def test_a_pure_module_brings_nothing_impure_along(module: str) -> None:
    loaded = loaded_by(module)
    assert module in loaded
    impure = [name for name in loaded if name.partition(".")[0] in FORBIDDEN]
    assert impure == []


def test_the_check_bites() -> None:
    assert "socket" in loaded_by("socket")
    assert "twisted" in loaded_by("sozutw.process.signals")


def test_all_agree_on_what_is_pure() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (forbidden,) = (c for c in contracts if c["name"].startswith("The pure packages"))
    assert tuple(forbidden["source_modules"]) == PURE


def test_an_init_file_holds_a_docstring_and_no_more() -> None:
    """What it imported would leak into every module beside it."""
    for path in PACKAGE.rglob("__init__.py"):
        text = path.read_text(encoding="utf-8").strip()
        assert text.startswith('"""'), path
        assert text.endswith('"""'), path
        assert text.count('"""') == 2, path
