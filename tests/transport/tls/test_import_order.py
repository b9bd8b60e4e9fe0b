import ast
from pathlib import Path

import pytest

import sozutw.transport.tls

PACKAGE = Path(sozutw.transport.tls.__path__[0])
# Those that other packages import; each may be the first.
DOORS = ("certificates", "client", "contexts", "dialling", "library", "names", "selfsigned")
OPENSSL = ("OpenSSL", "cryptography", "service_identity")


def imported(node: ast.stmt) -> list[str]:
    match node:
        case ast.Import():
            return [name.name for name in node.names]
        case ast.ImportFrom():
            return [node.module or "", *(f"{node.module}.{name.name}" for name in node.names)]
    return []


@pytest.mark.parametrize("door", DOORS)
def test_the_number_of_tickets_is_settled_before_openssl_is_loaded(door: str) -> None:
    """Whichever module is the first: OpenSSL reads its configuration once."""
    tree = ast.parse((PACKAGE / f"{door}.py").read_text())
    for name in (name for node in tree.body for name in imported(node)):
        if name.startswith("sozutw.transport.tls"):
            return
        assert not name.startswith(OPENSSL), f"{name} comes before tickets"
