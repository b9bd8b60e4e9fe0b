"""
Hold each pure module to 100 % of its branches, covered by its own test file.

A pytest plugin, active with ``--own-coverage``. One ordinary run records which test
executed each line (coverage's dynamic contexts, which pytest-cov names after the test);
afterwards each module is judged by the contexts of its own test file alone, so that
no module lives on what its neighbours' tests happen to touch.
"""

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import coverage
import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "sozutw"

# The same list as the second contract of import-linter; tests/contracts compares them.
PURE = (
    "sozutw.wire",
    "sozutw.config",
    "sozutw.metrics",
    "sozutw.routing",
    "sozutw.balancing",
    "sozutw.relay",
    "sozutw.sessions.tokens",
    "sozutw.sessions.limits",
    "sozutw.sessions.session",
    "sozutw.backend.pool",
)


def modules_below(name: str) -> Iterator[Path]:
    """Yield the files of a module or package, without the ``__init__`` files, which are empty."""
    path = ROOT / name.replace(".", "/")
    if path.is_dir():
        yield from sorted(p for p in path.rglob("*.py") if p.name != "__init__.py")
    elif path.with_suffix(".py").exists():
        yield path.with_suffix(".py")


def pure_modules() -> list[Path]:
    """Return the file of every pure module that exists."""
    return [path for name in PURE for path in modules_below(name)]


def own_tests(module: Path) -> list[Path]:
    """
    Return the test files that are a module's own.

    ``sozutw/wire/http1/body.py`` is tested by ``tests/wire/http1/test_body.py``; where one file
    would be too long, ``test_body_*.py`` beside it count as well.
    """
    folder = ROOT / "tests" / module.relative_to(PACKAGE).parent
    return sorted(
        {*folder.glob(f"test_{module.stem}.py"), *folder.glob(f"test_{module.stem}_*.py")}
    )


def gaps(recorded: coverage.Coverage, module: Path) -> str | None:
    """Say what a module's own tests leave out, or None when they leave nothing."""
    # What runs at import has the empty context; it is nobody's merit and nobody's fault.
    contexts = ["^$"]
    for path in own_tests(module):
        contexts.append(f"^{re.escape(path.relative_to(ROOT).as_posix())}::")  # noqa: PERF401
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        recorded.json_report([str(module)], outfile=report.name, contexts=contexts)
        found = json.loads(Path(report.name).read_text(encoding="utf-8"))["files"]
    (figures,) = found.values()
    lines = figures["missing_lines"]
    branches = [f"{a}->{b}" for a, b in figures["missing_branches"] if a not in lines]
    if not lines and not branches:
        return None
    return f"lines {lines or 'all'}, branches {branches or 'all'}"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the switch, which means the coverage options of the run too."""
    parser.addoption(
        "--own-coverage",
        action="store_true",
        help="fail for each pure module that its own test file does not cover",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Add one failure for each module with gaps, so that the closing line counts it."""
    config = session.config
    if not config.getoption("--own-coverage") or hasattr(config, "workerinput"):
        return
    reporter = config.pluginmanager.getplugin("terminalreporter")
    recorded = coverage.Coverage(config_file=str(ROOT / "pyproject.toml"))
    recorded.load()
    measured = recorded.get_data().measured_files()
    for module in pure_modules():
        name = module.relative_to(ROOT).as_posix()
        if str(module) not in measured:
            missing: str | None = "never imported by any test"
        else:
            missing = gaps(recorded, module)
        if missing is not None:
            text = f"{name}: its own tests leave out: {missing}"
            report = pytest.TestReport(
                nodeid=f"own coverage of {name}",
                location=(name, None, name),
                keywords={},
                outcome="failed",
                longrepr=text,
                when="call",
            )
            reporter.stats.setdefault("failed", []).append(report)
            session.testsfailed += 1
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
