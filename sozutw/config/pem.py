"""PEM: the texts that certificates and keys are written in (RFC 7468), and their fingerprints."""

import binascii
import re
from hashlib import sha256
from typing import Final

_BLOCK: Final = re.compile(
    r"-----BEGIN ([A-Z0-9 ]{1,64})-----[ \t]*\r?\n([A-Za-z0-9+/=\s]*+)-----END \1-----"
)
CERTIFICATE: Final = "CERTIFICATE"


def blocks(text: str) -> list[tuple[str, bytes]]:
    """Return each block's label and its bytes; what stands between blocks is a comment."""
    found = []
    for block in _BLOCK.finditer(text):
        try:
            found.append((block[1], binascii.a2b_base64("".join(block[2].split()))))
        except binascii.Error:
            continue
    return found


def fingerprint_of(certificate: str) -> str:
    """
    Return the SHA-256 of the first certificate's DER, in hexadecimal digits, as Sōzu does.

    Raises ValueError if there is no certificate in the text.
    """
    for label, der in blocks(certificate):
        if label == CERTIFICATE:
            return sha256(der).hexdigest()
    raise ValueError("there is no certificate in it")
