"""
Why a TLS connection broke, in Sōzu's words: OpenSSL's reasons, sorted.

It must not know the library: what it judges are the texts that OpenSSL gives its reasons, which its
numbers have been given for longer than any release that is served here.
"""

import errno
from typing import Final

from sozutw.transport.losses import TRUNCATED


class WantRead(BlockingIOError):  # noqa: N818  # no error, but what is missing
    """Nothing more can be done until the socket is readable."""

    errno = errno.EAGAIN
    strerror = "TLS waits for bytes"


class WantWrite(BlockingIOError):  # noqa: N818
    """Nothing more can be done until the socket is writable."""

    errno = errno.EAGAIN
    strerror = "TLS waits for room"


class TlsError(OSError):
    """The connection broke as TLS sees it; ``cause`` is one of CAUSES."""

    def __init__(self, cause: str, text: str) -> None:
        assert cause in CAUSES
        super().__init__(errno.EPROTO, text)
        self.cause = cause


EOF: Final = "eof"
"""The other side ended the connection, or reset it, before the handshake was over."""
PLAIN_HTTP: Final = "plain_http"
"""The client speaks HTTP without TLS."""
OTHER: Final = "other"

_REASONS: Final = {
    "alert_received": (
        # All with " alert " in them, and those without:
        "tlsv1 unsupported extension",
        "tlsv1 certificate unobtainable",
        "tlsv1 unrecognized name",
        "tlsv1 bad certificate status response",
        "tlsv1 bad certificate hash value",
    ),
    "peer_incompatible": (
        "no shared cipher",
        "no shared groups",
        "no suitable groups",
        "no suitable key share",
        "no shared signature algorithms",
        "no suitable signature algorithm",
        "no suitable digest algorithm",
        "legacy sigalg disallowed or unsupported",
        "unsupported protocol",
        "unsupported ssl version",
        "unknown protocol",
        "wrong ssl version",
        "version too low",
        "version too high",
        "no protocols available",
        "inappropriate fallback",
        "insufficient security",
        "unsupported elliptic curve",
        "wrong curve",
        "unsafe legacy renegotiation disabled",
        "no renegotiation",
        "dh key too small",
        "ee key too small",
        "missing supported groups extension",
        "missing sigalgs extension",
        "missing supported versions extension",
    ),
    "peer_misbehaved": (
        "bad change cipher spec",
        "bad cipher",
        "bad dh value",
        "bad ecpoint",
        "bad extension",
        "bad hrr version",
        "bad key share",
        "bad key update",
        "bad legacy version",
        "bad protocol version number",
        "bad psk",
        "bad psk identity",
        "binder does not verify",
        "ccs received early",
        "cipher code wrong length",
        "got a fin before a ccs",
        "inconsistent early data alpn",
        "inconsistent early data sni",
        "inconsistent extms",
        "invalid key update type",
        "missing psk kex modes extension",
        "no change following hrr",
        "record too small",
        "renegotiation mismatch",
        "scsv received when renegotiating",
        "ssl session id has bad length",
        "too many key updates",
        "too many warn alerts",
        "too much early data",
        "unknown cipher returned",
        "unsolicited extension",
        "wrong cipher returned",
        "wrong signature type",
    ),
    "invalid_message": (
        "bad data",
        "bad handshake length",
        "bad length",
        "bad packet",
        "bad packet length",
        "bad record type",
        "bad value",
        "clienthello tlsext",
        "ext length mismatch",
        "extra data in message",
        "invalid alert",
        "invalid ccs message",
        "invalid record",
        "length mismatch",
        "length too long",
        "length too short",
        "no ciphers specified",
        "no compression specified",
        "parse tlsext",
        "record length mismatch",
        "serverhello tlsext",
        "ssl session id too long",
        "tls ext invalid servername",
        "tls ext invalid servername type",
        "tls session id too long",
        "unknown alert type",
        "wrong version number",
    ),
    "inappropriate_message": (
        "app data in handshake",
        "application data after close notify",
        "data between ccs and finished",
        "mixed handshake and non handshake data",
        "not on record boundary",
        "unexpected ccs message",
        "unexpected end of early data",
        "unexpected record",
    ),
    "inappropriate_handshake_message": ("unexpected message", "bad hello request"),
    "oversized_record": (
        "compressed length too long",
        "data length too long",
        "encrypted length too long",
        "excessive message size",
        "exceeds max fragment size",
        "packet length too long",
    ),
    "no_alpn": ("no application protocol",),
    "invalid_certificate": (
        "bad certificate",
        "bad ecc cert",
        "ca key too small",
        "ca md too weak",
        "cert length mismatch",
        "certificate verify failed",
        "ecc cert not for signing",
        "signature for non signing certificate",
        "unknown certificate type",
        "wrong certificate type",
    ),
    "decrypt_error": (
        "bad digest length",
        "bad signature",
        "block cipher pad is wrong",
        "decryption failed",
        "decryption failed or bad record mac",
        "digest check failed",
        "wrong signature length",
        "wrong signature size",
    ),
    "no_certificates_present": (
        "no certificates returned",
        "peer did not return a certificate",
    ),
    PLAIN_HTTP: ("http request", "https proxy request"),
    TRUNCATED: ("unexpected eof while reading",),
}

_CAUSE_OF: Final = {reason: cause for cause, reasons in _REASONS.items() for reason in reasons}

CAUSES: Final = frozenset((*_REASONS, EOF, OTHER))
"""Sōzu's words for ``tls.handshake.failed.*``, and ours: ``plain_http``, ``eof``, ``truncated``."""


def cause_of(reason: str) -> str:
    """Return the cause that stands behind a reason of OpenSSL's."""
    if " alert " in reason:
        return "alert_received"
    return _CAUSE_OF.get(reason, OTHER)


def fault_of(reasons: list[str]) -> TlsError:
    """Return what a whole queue of reasons means: the first that says something decides."""
    causes = [cause_of(reason) for reason in reasons]
    cause = next((cause for cause in causes if cause != OTHER), OTHER)
    return TlsError(cause, ", ".join(dict.fromkeys(reasons)) or "OpenSSL gave no reason")
