"""How TLS is spoken: from what operators ask for to what OpenSSL is told, and what is left out."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from sozutw.transport.tls.tickets import TICKETS  # isort: skip  # before OpenSSL is loaded

from OpenSSL import SSL

from sozutw.config.security import TlsOptions
from sozutw.transport.tls import binding, vocabulary

# By what is left of a name without its punctuation.
_VERSIONS: Final = {"TLSV12": SSL.TLS1_2_VERSION, "TLSV13": SSL.TLS1_3_VERSION}
_TOO_OLD: Final = frozenset(("SSLV2", "SSLV3", "TLSV1", "TLSV10", "TLSV11"))


class TlsOptionError(ValueError):
    """What was asked for cannot be spoken."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """How TLS is spoken, as OpenSSL is told; names in a list are parted by colons."""

    version_min: int
    version_max: int
    suites: str
    """Of TLS 1.3."""
    ciphers: str
    """Of TLS 1.2."""
    groups: str
    """Empty: what the library chooses; so with the signature algorithms."""
    signatures: str
    warnings: tuple[str, ...] = ()

    def tell(self, context: SSL.Context) -> None:
        """Let a context that is still unused speak so."""
        context.set_min_proto_version(self.version_min)
        context.set_max_proto_version(self.version_max)
        context.set_tls13_ciphersuites(self.suites.encode("ascii"))
        context.set_cipher_list(self.ciphers.encode("ascii"))
        if self.groups:
            is_taken = binding.set_groups(context, self.groups)
            assert is_taken
        if self.signatures:
            is_taken = binding.set_signature_algorithms(context, self.signatures)
            assert is_taken


def spoken(options: TlsOptions) -> Spoken:
    """
    Return what OpenSSL is told; its warnings name what is left out.

    Raises TlsOptionError if nothing is left of something that was asked for.
    """
    reading = _Reading()
    whole = reading.read(options)
    if whole is None:
        raise TlsOptionError("; ".join(reading.errors))
    return whole


def check_options(options: TlsOptions) -> tuple[list[str], list[str]]:
    """Return what is wrong with the options, and what is left out of them with a warning."""
    reading = _Reading()
    reading.read(options)
    return reading.errors, reading.warnings


class _Reading:
    """One reading of an operator's options."""

    __slots__ = ("errors", "warnings")

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.warnings: list[str] = []

    def read(self, options: TlsOptions) -> Spoken | None:
        versions = self._versions(options.tls_versions)
        suites, ciphers = self._suites_and_ciphers(options, versions)
        groups = self._known(
            "groups_list",
            options.groups_list,
            vocabulary.GROUPS,
            vocabulary.openssl_group,
            vocabulary.has_group,
        )
        signatures = self._known(
            "signature_algorithms",
            options.signature_algorithms,
            vocabulary.SIGNATURES,
            vocabulary.openssl_signature,
            vocabulary.has_signature,
        )
        if options.send_tls13_tickets not in (None, TICKETS):
            self.warnings.append(
                f"send_tls13_tickets = {options.send_tls13_tickets}: {TICKETS} will be sent; "
                "the number cannot be set for one listener"
            )
        if self.errors:
            return None
        return Spoken(
            min(versions),
            max(versions),
            ":".join(suites),
            ":".join(ciphers),
            ":".join(groups),
            ":".join(signatures),
            tuple(self.warnings),
        )

    def _versions(self, asked: tuple[str, ...]) -> set[int]:
        if not asked:
            return set(_VERSIONS.values())
        versions = set()
        for name in asked:
            plain = re.sub(r"[^A-Z0-9]", "", name.upper())
            if plain in _VERSIONS:
                versions.add(_VERSIONS[plain])
            elif plain in _TOO_OLD:
                self.warnings.append(f"tls_versions: {name} is not safe, and is not spoken")
            else:
                self.errors.append(
                    f"tls_versions: {name} is no version; TLS_V12 or TLS_V13 is meant"
                )
        if not versions and not self.errors:
            self.errors.append("tls_versions: no version is left; TLS_V12 or TLS_V13 is meant")
        return versions

    def _suites_and_ciphers(
        self, options: TlsOptions, versions: set[int]
    ) -> tuple[Iterable[str], Iterable[str]]:
        """Return those of TLS 1.3 and of TLS 1.2: both keys may name both, as in Sōzu."""
        suites: dict[str, None] = {}
        ciphers: dict[str, None] = {}
        for key in ("cipher_list", "cipher_suites"):
            for name in _split(getattr(options, key)):
                cipher = vocabulary.openssl_cipher(name)
                if cipher in vocabulary.known_ciphers():
                    ciphers[cipher] = None
                elif vocabulary.has_suite(cipher):
                    suites[cipher] = None
                else:
                    self._lacks(key, name)
        if (options.cipher_list or options.cipher_suites) and not (suites or ciphers):
            self.errors.append("cipher_list: the library has none of these ciphers")
        elif options.cipher_list and not ciphers and SSL.TLS1_2_VERSION in versions:
            # Nothing that was not asked for, where ciphers are of very different strength.
            self._leave_out_tls12(versions)
        elif options.cipher_list and not suites and SSL.TLS1_3_VERSION in versions:
            self.warnings.append(
                "cipher_list: there is none of TLS 1.3 in it, which is spoken with all of its own"
            )
        return suites or vocabulary.SUITES, ciphers or vocabulary.CIPHERS

    def _leave_out_tls12(self, versions: set[int]) -> None:
        versions.discard(SSL.TLS1_2_VERSION)
        if versions:
            self.warnings.append(
                "cipher_list: there is none of TLS 1.2 in it, which is not spoken therefore"
            )
        else:
            self.errors.append("cipher_list: there is none of TLS 1.2 in it")

    def _known(
        self,
        key: str,
        asked: tuple[str, ...],
        usual: tuple[str, ...],
        translate: Callable[[str], str],
        is_known: Callable[[str], bool],
    ) -> Iterable[str]:
        if not binding.has_lists():
            if asked:
                self.warnings.append(f"{key}: the library cannot be told, and chooses itself")
            return ()
        if not asked:
            return tuple(name for name in usual if is_known(name))
        found: dict[str, None] = {}
        for name in _split(asked):
            meant = translate(name)
            if is_known(meant):
                found[meant] = None
            else:
                self._lacks(key, name)
        if not found:
            self.errors.append(f"{key}: the library has none of these")
        return found

    def _lacks(self, key: str, name: str) -> None:
        self.warnings.append(f"{key}: the library lacks {name}, which is left out")


def _split(lists: Iterable[str]) -> Iterator[str]:
    """Yield each name; OpenSSL's way to write a list in one text is understood."""
    for names_in_one in lists:
        yield from filter(None, (name.strip() for name in names_in_one.split(":")))
