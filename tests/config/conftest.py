"""Load a text as if it were a file, and see what is told."""

from collections.abc import Callable
from dataclasses import dataclass
from textwrap import dedent

import pytest

from sozutw.config.file import Loaded, load
from sozutw.config.model import Config
from sozutw.config.problems import Severity

LISTENER = '[[listeners]]\nprotocol = "http"\naddress = "127.0.0.1:8080"\n'


@dataclass
class Loader:
    """Loads texts from a folder that exists in memory only."""

    files: dict[str, str | OSError | ValueError]

    def load(self, text: str, *, skip: bool = False) -> Loaded:
        return load(
            dedent(text),
            "/etc/sozutw/my.toml",
            self.read,
            lambda regex: "unbalanced" if "(" in regex else None,
            check_answer=lambda _status, text: "it is bad" if text == "bad" else None,
            skip_unsupported=skip,
        )

    def read(self, path: str) -> str:
        found = self.files.get(path, FileNotFoundError(2, "No such file or directory"))
        if isinstance(found, str):
            return found
        raise found

    def config(self, text: str, *, skip: bool = False) -> Config:
        """Load what must be right, warnings aside."""
        loaded = self.load(text, skip=skip)
        assert loaded.config is not None, loaded.problems
        return loaded.config

    def told(self, text: str, *, skip: bool = False) -> list[str]:
        """Return each problem as ``E3 text``: its severity, its line, what it says."""
        loaded = self.load(text, skip=skip)
        assert (loaded.config is None) == any(p.is_refusal for p in loaded.problems)
        letters = {Severity.ERROR: "E", Severity.UNSUPPORTED: "U", Severity.WARNING: "W"}
        return [f"{letters[p.severity]}{p.line} {p.text}" for p in loaded.problems]

    def only(self, text: str, *, skip: bool = False) -> str:
        """Return the one problem that there is."""
        (problem,) = self.told(text, skip=skip)
        return problem


@pytest.fixture
def files() -> Loader:
    return Loader({})


@pytest.fixture
def in_listener(files: Loader) -> Callable[..., list[str]]:
    """Tell what is wrong with keys of an HTTP listener; the first is in line 4."""
    return lambda text, skip=False: files.told(LISTENER + text, skip=skip)
