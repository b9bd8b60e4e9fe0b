"""
How many TLS 1.3 tickets a handshake gives: told to OpenSSL before it begins.

pyOpenSSL has no call for it, and OpenSSL reads its configuration once, when it is loaded. So this
must be imported before anything that imports OpenSSL, as ``twisted.internet.endpoints`` does.
"""

import os
import re
import sys
from pathlib import Path
from typing import Final

CONFIGURATION: Final = Path(__file__).with_name("openssl.cnf")
_VARIABLE: Final = "OPENSSL_CONF"
_OPENSSL: Final = "cryptography.hazmat.bindings._rust"
_TICKETS_OF_OPENSSL: Final = 2
_NUMBER: Final = re.compile(r"^\s*NumTickets\s*=\s*(\d+)", re.MULTILINE)


def tickets_in(path: str | Path) -> int:
    """Return how many tickets a configuration of OpenSSL's asks for."""
    try:
        found = _NUMBER.search(Path(path).read_text("utf-8", "replace"))
    except OSError:
        found = None
    return int(found[1]) if found is not None else _TICKETS_OF_OPENSSL


def load_openssl() -> int:
    """
    Load OpenSSL with our configuration, or with the operator's; return how many tickets hold.

    Where it is loaded already, what was in the environment from the start holds. The variable is
    taken back afterwards: what else of this process or its children reads it is not meant.
    """
    configured = os.environ.get(_VARIABLE)
    if configured is not None:
        return tickets_in(configured)
    if _OPENSSL in sys.modules:
        return _TICKETS_OF_OPENSSL
    os.environ[_VARIABLE] = str(CONFIGURATION)
    try:
        import cryptography.hazmat.bindings._rust  # noqa: F401, PLC0415
    finally:
        del os.environ[_VARIABLE]
    return tickets_in(CONFIGURATION)


TICKETS: Final = load_openssl()
"""What each full handshake of TLS 1.3 gives in this process."""
