"""Load a text as if it were a file, and see what is told."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from textwrap import dedent

import pytest

from sozutw.config.file import Loaded, load
from sozutw.config.model import Config
from sozutw.config.problems import Severity
from sozutw.config.security import CertificateAndKey, TlsOptions
from sozutw.config.table import Checks

LISTENER = '[[listeners]]\nprotocol = "http"\naddress = "127.0.0.1:8080"\n'


def pem(content: str, label: str = "CERTIFICATE") -> str:
    """A block that holds any text; no TLS library reads it."""
    text = base64.b64encode(content.encode()).decode()
    return f"-----BEGIN {label}-----\n{text}\n-----END {label}-----\n"


def check_certificate(held: CertificateAndKey) -> str | None:
    """A key says itself what is wrong with it."""
    return held.key.partition("wrong: ")[2] or None


def check_options(options: TlsOptions) -> tuple[list[str], list[str]]:
    """Whatever is called BAD is an error, and ODD is a warning."""
    lists = {
        "cipher_list": options.cipher_list,
        "groups_list": options.groups_list,
        "signature_algorithms": options.signature_algorithms,
    }
    errors = [f"{key} has BAD" for key, names in lists.items() if "BAD" in names]
    return errors, [f"{key} has ODD" for key, names in lists.items() if "ODD" in names]


CHECKS = Checks(
    regex=lambda regex: "unbalanced" if "(" in regex else None,
    answer=lambda _status, text: "it is bad" if text == "bad" else None,
    certificate=check_certificate,
    authorities=lambda text: "it is bad" if "bad" in text else None,
    tls_options=check_options,
)


@dataclass
class Loader:
    """Loads texts from a folder that exists in memory only."""

    files: dict[str, str | OSError | ValueError]
    checks: Checks = CHECKS

    def load(self, text: str, *, skip: bool = False) -> Loaded:
        return load(
            dedent(text),
            "/etc/sozutw/my.toml",
            self.read,
            self.checks,
            skip_unsupported=skip,
        )

    def read(self, path: str) -> str:
        found = self.files.get(path, FileNotFoundError(2, "No such file or directory"))
        if isinstance(found, str):
            return found
        raise found

    def hold(self, *names: str, key: str = "the key") -> None:
        """Put certificates NAME.pem beside the file, each with its NAME.key."""
        for name in names:
            self.files[f"/etc/sozutw/{name}.pem"] = pem(name)
            self.files[f"/etc/sozutw/{name}.key"] = key

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
