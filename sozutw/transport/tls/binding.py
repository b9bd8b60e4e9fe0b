"""
What pyOpenSSL has no call for when contexts are made, over the binding that it rests on.

Each function looks whether the binding has what it needs, and says so when it has not: this is
the one place where contexts touch names that are private to pyOpenSSL.
"""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import sozutw.transport.tls.tickets  # noqa: F401  # isort: skip  # before OpenSSL is loaded

from OpenSSL import SSL
from OpenSSL._util import ffi, lib

_ALPN_SIGNATURE: Final = (
    "int (*)(SSL *, unsigned char **, unsigned char *, const unsigned char *, unsigned int, void *)"
)
_ALPN_NAMES: Final = (
    "SSL_CTX_set_alpn_select_cb",
    "SSL_TLSEXT_ERR_OK",
    "SSL_TLSEXT_ERR_ALERT_FATAL",
)


def set_groups(context: SSL.Context, groups: str) -> bool:
    """Let keys be exchanged in these groups, parted by colons; False if that cannot be."""
    return _set_list("SSL_CTX_set1_curves_list", context, groups)


def set_signature_algorithms(context: SSL.Context, algorithms: str) -> bool:
    """Let these algorithms sign, parted by colons; False if that cannot be."""
    return _set_list("SSL_CTX_set1_sigalgs_list", context, algorithms)


def has_lists() -> bool:
    """Whether groups and signature algorithms can be told at all."""
    return hasattr(lib, "SSL_CTX_set1_curves_list") and hasattr(lib, "SSL_CTX_set1_sigalgs_list")


def _set_list(function: str, context: SSL.Context, names: str) -> bool:
    call = getattr(lib, function, None)
    if call is None:
        return False
    is_taken = bool(call(context._context, names.encode("ascii")) == 1)  # noqa: SLF001
    # What is left in the queue would be taken for the reason of some later failure.
    lib.ERR_clear_error()
    return is_taken


AlpnChoice = Callable[[SSL.Context], None]


def alpn_choice(protocols: Sequence[bytes]) -> AlpnChoice:
    """
    Return what makes a context choose the first of ``protocols`` that a client offers.

    A client that offers none of them gets the alert ``no_application_protocol``; one that offers
    nothing at all is not asked. pyOpenSSL's own callback can only end a handshake by an
    exception, which it keeps for whoever calls next.
    """
    assert protocols
    if not all(hasattr(lib, name) for name in _ALPN_NAMES):
        return lambda context: context.set_alpn_select_callback(
            lambda _connection, offered: _first_shared(protocols, offered)
        )

    @ffi.callback(_ALPN_SIGNATURE, error=lib.SSL_TLSEXT_ERR_ALERT_FATAL)  # type: ignore[untyped-decorator]
    def choose(
        _ssl: Any, out: Any, out_length: Any, offer: Any, length: int, _argument: Any
    ) -> int:
        places = offered_protocols(ffi.buffer(offer, length)[:])
        for protocol in protocols:
            if protocol in places:
                # The offer outlives the call; OpenSSL copies the choice out of it.
                out[0] = offer + places[protocol]
                out_length[0] = len(protocol)
                return int(lib.SSL_TLSEXT_ERR_OK)
        return int(lib.SSL_TLSEXT_ERR_ALERT_FATAL)

    def install(context: SSL.Context) -> None:
        lib.SSL_CTX_set_alpn_select_cb(context._context, choose, ffi.NULL)  # noqa: SLF001
        # OpenSSL holds no reference to it: it must live as long as the context.
        context._alpn_select_callback = choose  # noqa: SLF001

    return install


def offered_protocols(offer: bytes) -> dict[bytes, int]:
    """Return each protocol of an ALPN extension's list, and where it begins in it."""
    places: dict[bytes, int] = {}
    at = 0
    while at < len(offer):
        length = offer[at]
        places.setdefault(offer[at + 1 : at + 1 + length], at + 1)
        at += 1 + length
    return places


def _first_shared(protocols: Sequence[bytes], offered: list[bytes]) -> bytes:
    for protocol in protocols:
        if protocol in offered:
            return protocol
    raise ValueError("no protocol in common")


def verification_failure(connection: SSL.Connection) -> str | None:
    """Return why OpenSSL refused the chain that the other side showed, None if it did not."""
    if not hasattr(lib, "SSL_get_verify_result"):
        return None
    code = lib.SSL_get_verify_result(connection._ssl)  # noqa: SLF001
    if code == lib.X509_V_OK:
        return None
    text: bytes = ffi.string(lib.X509_verify_cert_error_string(code))
    return text.decode("ascii", "replace")


@contextmanager
def as_file(text: str) -> Iterator[str]:
    """Give a path under which the text can be read meanwhile; it never reaches a disk."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("sozutw-pem", os.MFD_CLOEXEC)
        path = f"/proc/self/fd/{descriptor}"
    else:
        # Readable by us alone: mkstemp makes it with mode 0600.
        descriptor, path = tempfile.mkstemp(prefix="sozutw-")
    try:
        data = memoryview(text.encode("ascii"))
        while data:
            data = data[os.write(descriptor, data) :]
        yield path
    finally:
        os.close(descriptor)
        if not path.startswith("/proc/"):
            os.unlink(path)
