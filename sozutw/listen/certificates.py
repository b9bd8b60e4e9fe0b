"""
The certificates of a worker's TLS listeners: judged before they are taken, served from then on.

It must not know what a handshake is: ``transport.tls`` makes the contexts. That package is
loaded when the first listener of TLS comes, since a plain proxy does without its 12 MiB.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from twisted.logger import Logger

from sozutw.config.model import HttpsListener, InetAddress
from sozutw.config.security import CertificateAndKey
from sozutw.config.state import RefusedRequestError
from sozutw.metrics.counters import TlsCounters

if TYPE_CHECKING:
    from sozutw.transport.tls.certificates import LoadedCertificate
    from sozutw.transport.tls.contexts import ServerContexts

_log = Logger()


def _no_blank(_address: InetAddress) -> None:
    """Each process has keys of its own."""


class Shown(NamedTuple):
    """A certificate as a client sees it."""

    fingerprint: str
    names: tuple[str, ...]
    kind: str
    """Of its key."""
    expires_at: float
    """Seconds of the wall clock."""
    is_built_in: bool
    """Whether it is the one that nobody trusts."""


class Certificates:
    """
    What each listener of TLS serves; ``prepare…`` judges and changes nothing, the rest follows.

    A handshake sees the certificates as they are when it begins; live connections keep theirs.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        """The wall clock: certificates expire by it."""
        self.is_telling = False
        """Whether what is left out of a listener's options is logged. What a file asks for was
        told when it was read."""
        self.judges_time = True
        """Whether certificates are refused that have expired. Not where another process has taken
        them when it was time, and serves them on: then time alone keeps nobody from doing so."""
        self.opened: Callable[[InetAddress], None] = lambda _address: None
        """Hears where handshakes begin with new contexts."""
        self.closed: Callable[[InetAddress], None] = lambda _address: None
        """Hears where there are no handshakes any more."""
        self.blank_for: Callable[[InetAddress], Any | None] = _no_blank
        """What the entry context of a listener at an address is made of, so that processes may
        have the keys of its tickets in common; None for a fresh one. Asked each time that a
        listener is prepared, and it must not give the same one twice."""
        self._contexts: dict[InetAddress, ServerContexts] = {}
        self._default_served = 0
        """By listeners that are gone."""

    def prepare_listener(self, listener: HttpsListener) -> "ServerContexts":
        """Return what a listener serves with; raises RefusedRequestError if it cannot."""
        from sozutw.transport.tls.certificates import CertificateError  # noqa: PLC0415
        from sozutw.transport.tls.contexts import ServerContexts  # noqa: PLC0415

        try:
            contexts = ServerContexts(
                listener,
                self._now,
                self.blank_for(listener.address),
                judges_time=self.judges_time,
            )
        except (CertificateError, ValueError) as error:
            raise RefusedRequestError(
                f"the listener at {listener.address} cannot be served: {error}"
            ) from None
        for warning in contexts.warnings if self.is_telling else ():
            _log.warn("{address}: {warning}", address=str(listener.address), warning=warning)
        return contexts

    def prepare(self, held: CertificateAndKey) -> "LoadedCertificate":
        """Return a certificate ready to be served; raises RefusedRequestError if it cannot be."""
        from sozutw.transport.tls.certificates import CertificateError, load  # noqa: PLC0415

        try:
            return load(held, self._now() if self.judges_time else None)
        except CertificateError as error:
            raise RefusedRequestError(f"the certificate is not taken: {error}") from None

    def prepare_known(self, held: Iterable[CertificateAndKey]) -> "list[LoadedCertificate]":
        """Return what was taken before, but for what has expired meanwhile, which is logged."""
        ready = []
        for each in held:
            try:
                ready.append(self.prepare(each))
            except RefusedRequestError as error:
                _log.warn("left out: {error}", error=error)
        return ready

    def open(self, address: InetAddress, contexts: "ServerContexts") -> None:
        """Serve with these at this address, in the place of others if there are any."""
        self.close(address)
        self._contexts[address] = contexts
        self.opened(address)

    def close(self, address: InetAddress) -> None:
        """Forget what was served at this address."""
        contexts = self._contexts.pop(address, None)
        if contexts is not None:
            self._default_served += contexts.default_served
            self.closed(address)

    def add(self, address: InetAddress, held: "LoadedCertificate") -> None:
        """Serve a certificate too; one that is known already stays as it is."""
        self._contexts[address].add(held)

    def remove(self, address: InetAddress, fingerprint: str) -> None:
        """Serve it no more."""
        contexts = self._contexts.get(address)
        if contexts is not None:
            contexts.remove(fingerprint)

    def replace(
        self, address: InetAddress, held: "LoadedCertificate", old_fingerprint: str
    ) -> None:
        """Serve one in the place of another, in one step."""
        self._contexts[address].replace(held, old_fingerprint)

    def replace_default(self, address: InetAddress, held: "LoadedCertificate") -> None:
        """Serve it where no other certificate has the name that was asked for."""
        self._contexts[address].replace_default(held)

    def context_of(self, address: InetAddress) -> Callable[[], Any]:
        """Return what returns the context for the next handshake at this address."""
        return lambda: self._contexts[address].context

    def shown(self, address: InetAddress, name: str) -> "tuple[Shown, ...]":
        """
        Return what a client sees that asks for a name at this address; none without a listener.

        Nothing is counted. Of several the client takes the first whose kind it can use.
        """
        contexts = self._contexts.get(address)
        if contexts is None:
            return ()
        from sozutw.transport.tls.store import asked_name  # noqa: PLC0415

        asked = asked_name(name.encode("ascii", "replace"))
        return tuple(
            Shown(
                held.fingerprint,
                held.names,
                held.kind,
                held.expires_at,
                contexts.is_for_nobody(held),
            )
            for held in contexts.shown(asked)
        )

    def names_of(self, held: CertificateAndKey) -> tuple[str, ...]:
        """Return what a certificate is for, whether or not it may be served any more."""
        from sozutw.transport.tls.certificates import names_in  # noqa: PLC0415

        return names_in(held)

    def begin_counting_anew(self) -> None:
        """Forget what ``count`` has told of the past; what there is stays."""
        self._default_served = 0
        for contexts in self._contexts.values():
            contexts.default_served = 0

    def count(self, counters: TlsCounters) -> None:
        """Write the gauges that are read off what is served."""
        every = self._contexts.values()
        served = self._default_served + sum(contexts.default_served for contexts in every)
        counters.default_served = served
        expiries = [contexts.min_expires_at() for contexts in every]
        counters.expires_at = int(min((at for at in expiries if at is not None), default=0))
