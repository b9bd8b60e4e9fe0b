"""The addresses behind a backend's host name, asked off the loop and kept."""

from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, Protocol

from twisted.internet import error
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress, IHostResolution, IResolutionReceiver
from twisted.python.failure import Failure
from zope.interface import implementer

from sozutw.transport.losses import failure


class NameAnswer(Protocol):
    """Who asked for a name."""

    def name_resolved(self, hosts: tuple[str, ...]) -> None:
        """These are its addresses, at least one, in the resolver's order."""

    def name_not_resolved(self, reason: Failure) -> None:
        """It has none, or the resolver failed."""


@lru_cache(1024)
def is_literal(host: str) -> bool:
    """Whether ``host`` is an address and not a name."""
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


class Names:
    """
    Names to addresses, kept until ``forget``.

    A backend's owner forgets its name whenever the backend goes into back-off, so that a server
    which moved is found again. A name that could not be resolved is not kept.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._known: dict[str, tuple[str, ...]] = {}
        self._asked: dict[str, _Question] = {}

    def known(self, host: str) -> tuple[str, ...] | None:
        """Return what needs no asking: the literal itself, or what is kept."""
        found = self._known.get(host)
        if found is not None:
            return found
        return (host,) if is_literal(host) else None

    def forget(self, host: str) -> None:
        """Ask anew next time; who waits for an answer now still gets it."""
        self._known.pop(host, None)
        self._asked.pop(host, None)

    def resolve(self, host: str, asker: NameAnswer) -> Callable[[], None]:
        """
        Answer later, from the loop, exactly once; return what takes the question back.

        Askers of one name share one look-up.
        """
        assert self.known(host) is None
        question = self._asked.get(host)
        if question is None:
            question = self._asked[host] = _Question(self, host)
            question.askers.append(asker)
            self._reactor.nameResolver.resolveHostName(question, host)
        else:
            question.askers.append(asker)

        def take_back() -> None:
            if asker in question.askers:
                question.askers.remove(asker)

        return take_back

    def answer_later(self, question: "_Question") -> None:
        """The resolver is done with a question; for the question only."""
        self._reactor.callLater(0, self._answered, question)

    def _answered(self, question: "_Question") -> None:
        hosts = tuple(dict.fromkeys(question.hosts))
        # Forgotten meanwhile: the answer serves those who asked, and is not kept.
        if self._asked.get(question.host) is question:
            del self._asked[question.host]
            if hosts:
                self._known[question.host] = hosts
        while question.askers:
            asker = question.askers.pop(0)
            if hosts:
                asker.name_resolved(hosts)
            else:
                message = f"no address for {question.host}"
                asker.name_not_resolved(failure(error.DNSLookupError(message)))


@implementer(IResolutionReceiver)
class _Question:
    """One look-up under way, in Twisted's terms."""

    def __init__(self, names: Names, host: str) -> None:
        self.host = host
        self.hosts: list[str] = []
        self.askers: list[NameAnswer] = []
        self._names = names

    def resolutionBegan(self, resolution: IHostResolution) -> None:  # noqa: N802
        """Nothing to note."""

    def addressResolved(self, address: IAddress) -> None:  # noqa: N802
        """One more."""
        if isinstance(address, (IPv4Address, IPv6Address)):
            self.hosts.append(address.host)

    def resolutionComplete(self) -> None:  # noqa: N802
        """That was all; a resolver may say so while it is still being asked."""
        self._names.answer_later(self)
