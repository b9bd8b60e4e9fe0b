"""Questions about certificates, by a name that they are for or by their fingerprint."""

from collections.abc import Callable, Iterator
from typing import Final

from sozutw.config.model import HttpsListener, InetAddress
from sozutw.config.security import CertificateAndKey
from sozutw.config.state import ConfigState
from sozutw.control.messages.translate import address_message, certificate_message
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.replies import ok
from sozutw.wire.tls import covers

OF_MAIN: Final = "Successfully queried certificates from the state of main process"
OF_WORKERS: Final = "Successfully queried certificates"

NamesOf = Callable[[CertificateAndKey], tuple[str, ...]]
"""What a certificate is served for; ``listen.certificates.Certificates.names_of``."""


def certificates_of_state(
    state: ConfigState, filters: pb.QueryCertificatesFilters, names_of: NamesOf
) -> pb.Response:
    """
    Answer QueryCertificatesFromTheState: texts by fingerprint, each with its names.

    Keys are left out: whoever asks which certificates there are has no need of them.
    """
    certificates = {}
    for address in state.addresses_of_certificates():
        for fingerprint, names, held in _found(state, address, filters, names_of):
            message = certificate_message(held)
            message.key = ""
            message.names[:] = names
            certificates[fingerprint] = message
    told = pb.CertificatesWithFingerprints(certs=certificates)
    return ok(OF_MAIN, certificates_with_fingerprints=told)


def certificates_of_worker(
    state: ConfigState, filters: pb.QueryCertificatesFilters, names_of: NamesOf
) -> pb.Response:
    """Answer QueryCertificatesFromWorkers: name by name, for each listener of TLS."""
    told = pb.ListOfCertificatesByAddress()
    for listener in state.listeners:
        if not isinstance(listener, HttpsListener):
            continue
        here = told.certificates.add(address=address_message(listener.address))
        for fingerprint, names, _ in _found(state, listener.address, filters, names_of):
            for name in names:
                if not filters.domain or _is_for(name, filters.domain):
                    here.certificate_summaries.add(domain=name, fingerprint=fingerprint)
    return ok(OF_WORKERS, certificates_by_address=told)


def _found(
    state: ConfigState,
    address: InetAddress,
    filters: pb.QueryCertificatesFilters,
    names_of: NamesOf,
) -> Iterator[tuple[str, tuple[str, ...], CertificateAndKey]]:
    for fingerprint, held in state.tables.certificates.get(address, {}).items():
        if not fingerprint.startswith(filters.fingerprint.lower()):
            continue
        names = names_of(held)
        if not filters.domain or any(_is_for(name, filters.domain) for name in names):
            yield fingerprint, names, held


def _is_for(name: str, domain: str) -> bool:
    return name == domain.lower() or covers({name}, domain)
