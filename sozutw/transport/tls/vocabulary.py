"""
What operators call ciphers, groups and signature algorithms, in the words of OpenSSL.

Sōzu's names (that is rustls'), IANA's and OpenSSL's own are understood. Whether the library has
what is meant is asked of the library itself.
"""

import re
from functools import cache
from typing import Final

import sozutw.transport.tls.tickets  # noqa: F401  # isort: skip  # before OpenSSL is loaded

from OpenSSL import SSL

from sozutw.transport.tls import binding

SUITES: Final = (
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_AES_128_GCM_SHA256",
)
"""Of TLS 1.3."""
CIPHERS: Final = (
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
)
"""Of TLS 1.2: forward secrecy and authenticated encryption, nothing else."""
GROUPS: Final = ("X25519MLKEM768", "X25519", "P-256", "P-384")
SIGNATURES: Final = (
    "ecdsa_secp256r1_sha256",
    "ecdsa_secp384r1_sha384",
    "ecdsa_secp521r1_sha512",
    "ed25519",
    "ed448",
    "rsa_pss_pss_sha256",
    "rsa_pss_pss_sha384",
    "rsa_pss_pss_sha512",
    "rsa_pss_rsae_sha256",
    "rsa_pss_rsae_sha384",
    "rsa_pss_rsae_sha512",
    # For TLS 1.2 only; 1.3 has no use for them but in certificates.
    "rsa_pkcs1_sha256",
    "rsa_pkcs1_sha384",
    "rsa_pkcs1_sha512",
)

_GROUP_NAMES: Final = {
    "x25519mlkem768": "X25519MLKEM768",
    "x25519": "X25519",
    "x448": "X448",
    **dict.fromkeys(("p-256", "secp256r1", "prime256v1"), "P-256"),
    **dict.fromkeys(("p-384", "secp384r1"), "P-384"),
    **dict.fromkeys(("p-521", "secp521r1"), "P-521"),
    "secp256r1mlkem768": "SecP256r1MLKEM768",
    "secp384r1mlkem1024": "SecP384r1MLKEM1024",
}
_SIGNATURE_NAMES: Final = {
    "ecdsa_nistp256_sha256": "ecdsa_secp256r1_sha256",
    "ecdsa_nistp384_sha384": "ecdsa_secp384r1_sha384",
    "ecdsa_nistp521_sha512": "ecdsa_secp521r1_sha512",
    **{f"rsa_pss_sha{bits}": f"rsa_pss_rsae_sha{bits}" for bits in (256, 384, 512)},
}
_IANA: Final = re.compile(r"TLS_(?P<exchange>[A-Z]+(?:_[A-Z]+)?)_WITH_(?P<rest>[A-Z0-9_]+)")
_BLOCK_CIPHER: Final = re.compile(
    r"(?P<name>AES|CAMELLIA)_(?P<bits>128|256)_(?P<mode>GCM|CBC|CCM_8|CCM)(?:_(?P<hash>SHA[0-9]*))?"
)
# OpenSSL's lists have a language, in "!", "?", "*", "/" and "@"; names are meant here.
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+.-]*")


def openssl_cipher(name: str) -> str:
    """Return what OpenSSL calls a cipher; a name that cannot be told is returned as it is."""
    name = name.upper()
    if name.startswith("TLS13_"):
        return "TLS_" + name.removeprefix("TLS13_")
    iana = _IANA.fullmatch(name)
    if iana is None:
        return name
    exchange = "" if iana["exchange"] == "RSA" else iana["exchange"].replace("_", "-") + "-"
    if iana["rest"] == "CHACHA20_POLY1305_SHA256":
        return f"{exchange}CHACHA20-POLY1305"
    block = _BLOCK_CIPHER.fullmatch(iana["rest"])
    if block is None:
        return name
    parts = [block["name"] + block["bits"]]
    if block["mode"] != "CBC":
        parts.append(block["mode"].replace("_", ""))
    if block["hash"]:
        parts.append(block["hash"])
    return exchange + "-".join(parts)


def openssl_group(name: str) -> str:
    """Return what OpenSSL calls a group; an unknown name is returned as it is."""
    return _GROUP_NAMES.get(name.lower(), name)


def openssl_signature(name: str) -> str:
    """Return what OpenSSL calls a signature algorithm; unknown names are returned as they are."""
    if "+" in name:
        return name.upper()
    return _SIGNATURE_NAMES.get(name.lower(), name.lower())


@cache
def known_ciphers() -> frozenset[str]:
    """Return the ciphers of TLS 1.2 that the library has, those with a certificate."""
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    context.set_cipher_list(b"ALL:!aNULL:!eNULL:!PSK:!SRP")
    listed = SSL.Connection(context, None).get_cipher_list()
    return frozenset(name for name in listed if not name.startswith("TLS_"))


@cache
def has_suite(name: str) -> bool:
    """Whether the library has this cipher suite of TLS 1.3."""
    if not name.startswith("TLS_") or not _NAME.fullmatch(name):
        return False
    try:
        SSL.Context(SSL.TLS_METHOD).set_tls13_ciphersuites(name.encode("ascii"))
    except SSL.Error:
        return False
    return True


@cache
def has_group(name: str) -> bool:
    """Whether the library can exchange keys in this group."""
    return bool(_NAME.fullmatch(name)) and binding.set_groups(SSL.Context(SSL.TLS_METHOD), name)


@cache
def has_signature(name: str) -> bool:
    """Whether the library can sign so."""
    return bool(_NAME.fullmatch(name)) and binding.set_signature_algorithms(
        SSL.Context(SSL.TLS_METHOD), name
    )
