"""What the documents cite exists: a stale pointer is broken documentation."""

import importlib
import re
from pathlib import Path

import pytest

from tests.own_coverage import PACKAGE, ROOT

DOCUMENTS = sorted([*PACKAGE.rglob("*.md"), *ROOT.glob("*.md"), *(ROOT / "doc").glob("*.md")])

# `relay.exchange.Exchange.start`, `pool.ConnectionPool`, `sessions/manager.py`
NAME = re.compile(r"`([a-z_][a-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)+)(?:\(\))?`")
PATH = re.compile(r"`((?:sozutw|tests|scripts|doc|etc|bench|\.ci|changelog\.d)/[\w./-]*)`")
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)(?:#[^)]*)?\)")


def short(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def resolve(name: str, folder: Path) -> bool:
    """
    Say whether a dotted name leads to something of ours.

    It may start at a module beside the document, at a package of sozutw, or at sozutw itself.
    """
    inside = folder == PACKAGE or PACKAGE in folder.parents
    packages = [".".join(folder.relative_to(ROOT).parts)] if inside else []
    return any(_exists(f"{start}.{name}") for start in [*packages, "sozutw"]) or (
        name.startswith("sozutw.") and _exists(name)
    )


def _exists(dotted: str) -> bool:
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for number, attribute in enumerate(parts[length:]):
            if number == len(parts[length:]) - 1 and attribute in _fields(found):
                return True
            if not hasattr(found, attribute):
                return False
            found = getattr(found, attribute)
        return length > 1 or len(parts) == 1
    return False


def _fields(found: object) -> set[str]:
    """Return what instances have: annotations, slots, and what ``__init__`` gives them."""
    names: set[str] = set()
    for kind in getattr(found, "__mro__", ()):
        names.update(getattr(kind, "__annotations__", ()))
        slots = getattr(kind, "__slots__", ())
        names.update([slots] if isinstance(slots, str) else slots)
        made = getattr(kind.__dict__.get("__init__"), "__code__", None)
        names.update(made.co_names if made is not None else ())
    return names


def is_ours(name: str, folder: Path) -> bool:
    """Say whether a dotted name claims to be a module of ours: many are keys or file names."""
    first = name.partition(".")[0]
    if first == "sozutw":
        return True
    if folder == ROOT / "doc":
        # Pages for operators speak of `metrics.address` and `backend.up`, which are no modules.
        return False
    beside = {p.stem for p in folder.iterdir()} if PACKAGE in folder.parents else set()
    packages = {p.name for p in PACKAGE.iterdir() if p.is_dir() and p.name != "__pycache__"}
    last = name.rpartition(".")[2]
    return first in beside | packages and last not in ("md", "py", "toml", "log")


@pytest.mark.parametrize("document", DOCUMENTS, ids=short)
def test_names_cited_in_a_document_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    cited = [n for n in NAME.findall(text) if is_ours(n, document.parent)]
    assert [n for n in cited if not resolve(n, document.parent)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=short)
def test_files_cited_in_a_document_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    missing = [p for p in PATH.findall(text) if not (ROOT / p).exists()]
    missing += [p for p in LINK.findall(text) if not (document.parent / p).exists()]
    assert missing == []


def test_the_check_bites() -> None:
    inside = PACKAGE / "process"
    assert resolve("signals.Signals.stop_asked", inside)
    assert resolve("config.model.Backend.weight", ROOT)
    assert resolve("process.run.ProcessService._proxy", ROOT)
    assert resolve("process.signals", ROOT)
    assert not resolve("signals.Signals.stop_never", inside)
    assert not resolve("signals.Semaphore", inside)
    assert not resolve("process.trains", ROOT)
    assert is_ours("process.trains", ROOT)
    assert not is_ours("metrics.toml", ROOT)
    assert not is_ours("metrics.address", ROOT / "doc")
