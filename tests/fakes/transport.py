"""
Transports and connects in memory, for tests of the data path.

``tests/transport/test_transport_contract.py`` runs one suite on ``FakeTransport`` and on a real
socket pair, so that what holds here holds there.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING
from typing import Protocol as Port

from twisted.internet import error
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.interfaces import (
    IAddress,
    IConsumer,
    IDelayedCall,
    IHalfCloseableProtocol,
    IProtocol,
    IPushProducer,
    IReactorTime,
    ITCPTransport,
)
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

if TYPE_CHECKING:
    from sozutw.config.model import BackendAddress
    from sozutw.wire.tls import TlsFacts

FULL_BYTES = 1 << 20
"""What ``buffered_bytes`` tells while the peer does not read."""


@implementer(ITCPTransport, IConsumer, IPushProducer)
class FakeTransport:
    """
    A connection of which the test plays the peer and the loop.

    The peer acts through ``receive``, ``hang_up``, ``reset_by_peer``, ``fill`` and ``drain``: these
    are events of the loop. What the real transport delivers *later* (never in the caller's frame:
    the loss after ``abortConnection``, bytes that waited for ``resumeProducing``) is delivered by
    ``turn``, or by the clock when one is given.
    """

    tls: "TlsFacts | None" = None

    def __init__(
        self,
        protocol: IProtocol | None = None,
        *,
        host: IAddress | None = None,
        peer: IAddress | None = None,
        clock: object = None,
    ) -> None:
        self.protocol = protocol
        self.host: IAddress = host or IPv4Address("TCP", "10.0.0.1", 8080)
        self.peer: IAddress = peer or IPv4Address("TCP", "192.0.2.1", 54321)
        self.clock = clock
        self.connected = True
        self.disconnecting = False
        self.disconnected = False
        """Lost: ``connectionLost`` was delivered."""
        self.is_aborted = False
        self.is_reset = False
        self.is_write_closed = False
        self.is_reading = True
        self.still_open = True
        """What ``is_still_open`` tells, beside what the peer did."""
        self.producer: IPushProducer | None = None
        self.producer_paused = False
        self.buffered_bytes = 0
        self.read_bytes = 65536
        self.no_delay = True
        self.keep_alive = False
        self.round_trip_value = 0
        self._written = bytearray()
        self._is_full = False
        self.has_failed_writing = False
        self._fails_to_write = False
        self._arrived: list[bytes] = []
        self._peer_finished = False
        self._read_ended = False
        self._later: list[Callable[[], None]] = []
        self._write_close_asked = False

    # What the test sees and does.

    @property
    def lost(self) -> bool:
        """Whether the protocol was told that the connection is gone."""
        return self.disconnected

    def value(self) -> bytes:
        """Return all that was written since the last ``clear`` or ``take``."""
        return bytes(self._written)

    def clear(self) -> None:
        """Forget what was written."""
        self._written.clear()

    def take(self) -> bytes:
        """Return what was written, and forget it."""
        taken = bytes(self._written)
        self._written.clear()
        return taken

    def connect(self, protocol: IProtocol) -> "FakeTransport":
        """Make ``protocol`` the owner of this connection, as an accept or a connect does."""
        self.protocol = protocol
        protocol.makeConnection(self)
        return self

    def receive(self, data: bytes) -> None:
        """The peer sent bytes; a paused transport keeps them for later."""
        assert not self._peer_finished, "the peer has already said all"
        assert data
        if self.disconnected:
            return
        self._arrived.append(data)
        self._deliver()

    def hang_up(self) -> None:
        """The peer closed, or half-closed: it sends no more."""
        self._peer_finished = True
        self._deliver()

    def reset_by_peer(self) -> None:
        """The peer reset the connection, which is noticed at once."""
        self._arrived.clear()
        self._lose(error.ConnectionLost("Connection reset by peer."))

    def lose(self, reason: BaseException | None = None) -> None:
        """The connection is lost, for ``reason``."""
        self._lose(reason or error.ConnectionLost())

    def fill(self) -> None:
        """The peer stops reading: what is written from here on stays in our buffer."""
        self._is_full = True
        self.buffered_bytes = FULL_BYTES
        self._pause_producer()

    def stop_taking(self) -> None:
        """The peer stops reading, which the next write finds out: as in life."""
        self._is_full = True

    def fail_to_write(self) -> None:
        """The peer has reset the connection, which the next write finds out."""
        self._fails_to_write = True

    def drain(self) -> None:
        """The peer reads again, and takes all."""
        self._is_full = False
        self.buffered_bytes = 0
        if self.producer is not None and self.producer_paused:
            self.producer_paused = False
            self.producer.resumeProducing()
        if self.buffered_bytes == 0:
            self._flushed()

    def turn(self) -> None:
        """Let the loop do what it was asked to do later, and what that brings."""
        while self._later:
            later, self._later = self._later, []
            for call in later:
                call()

    # What the protocol does: ITransport, ITCPTransport.

    def write(self, data: bytes) -> None:
        """Take bytes; dropped once the connection is lost or closing."""
        if not isinstance(data, bytes):
            raise TypeError(f"bytes, not {type(data).__name__}")
        if self.disconnected or self.disconnecting or self._write_close_asked:
            return
        if self._fails_to_write:
            if not self.has_failed_writing:
                self.has_failed_writing = True
                self._call_later(lambda: self._lose(error.ConnectionLost()))
            return
        self._written += data
        if self._is_full:
            self.buffered_bytes += len(data)
            self._pause_producer()

    def write_last(self, data: bytes) -> None:
        self.write(data)

    def writeSequence(self, iovec: object) -> None:
        """Take all of them at once."""
        self.write(b"".join(iovec))  # type: ignore[call-overload]

    def loseConnection(self) -> None:
        """Close once all was taken; ``connectionLost`` comes later."""
        if self.disconnected or self.disconnecting:
            return
        self.disconnecting = True
        self.is_reading = False
        if not self._is_full:
            self._call_later(self._flushed)

    def loseWriteConnection(self) -> None:
        """Say that no more will be written, once all was taken."""
        if self.disconnected or self.disconnecting or self._write_close_asked:
            return
        self._write_close_asked = True
        if not self._is_full:
            self._call_later(self._flushed)

    def abortConnection(self) -> None:
        """Close now; ``connectionLost`` comes later."""
        if self.disconnected or self.is_aborted:
            return
        self.is_aborted = True
        self.disconnecting = True
        self.is_reading = False
        self._arrived.clear()
        self._call_later(lambda: self._lose(error.ConnectionAborted()))

    def reset(self) -> None:
        """Close now, and let the peer see a reset."""
        self.is_reset = True
        self.abortConnection()

    def is_still_open(self) -> bool:
        """Whether nothing but silence waits to be read."""
        return (
            self.still_open
            and not self.disconnected
            and not self.disconnecting
            and not self._arrived
            and not self._peer_finished
        )

    def round_trip_us(self) -> int:
        """Return what the test set."""
        return self.round_trip_value

    def getHost(self) -> IAddress:
        """Return our side's address."""
        return self.host

    def getPeer(self) -> IAddress:
        """Return the peer's address."""
        return self.peer

    def getTcpNoDelay(self) -> bool:
        """Whether small writes go out at once."""
        return self.no_delay

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Send small writes at once, or not."""
        self.no_delay = bool(enabled)

    def getTcpKeepAlive(self) -> bool:
        """Whether the kernel probes a silent peer."""
        return self.keep_alive

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """Probe a silent peer, or not."""
        self.keep_alive = bool(enabled)

    # IConsumer, IPushProducer.

    def registerProducer(self, producer: IPushProducer, streaming: bool) -> None:
        """Name who is to be paused when the buffer is full."""
        if self.producer is not None:
            raise RuntimeError("a producer is already registered")
        if not streaming:
            raise RuntimeError("only streaming producers are served")
        if self.disconnected:
            producer.stopProducing()
            return
        self.producer = producer
        self.producer_paused = False
        if self._is_full:
            self._pause_producer()

    def unregisterProducer(self) -> None:
        """Forget the producer; nothing is resumed."""
        self.producer = None
        self.producer_paused = False

    def pauseProducing(self) -> None:
        """Read no more for now."""
        self.is_reading = False

    def resumeProducing(self) -> None:
        """Read again; what waited is delivered later."""
        if self.disconnected or self.disconnecting or self.is_reading:
            return
        self.is_reading = True
        if self._arrived or self._peer_finished:
            self._call_later(self._deliver)

    def stopProducing(self) -> None:
        """Close."""
        self.loseConnection()

    # How it goes on.

    def _call_later(self, call: Callable[[], None]) -> None:
        if self.clock is not None:
            self.clock.callLater(0, call)  # type: ignore[attr-defined]
        else:
            self._later.append(call)

    def _pause_producer(self) -> None:
        if self.producer is not None and not self.producer_paused:
            self.producer_paused = True
            self.producer.pauseProducing()

    def _deliver(self) -> None:
        while self._arrived and self.is_reading and not self.disconnected:
            assert self.protocol is not None
            self.protocol.dataReceived(self._arrived.pop(0))
        if not self._peer_finished or self._read_ended or self.disconnected or not self.is_reading:
            return
        self._read_ended = True
        if IHalfCloseableProtocol.providedBy(self.protocol):
            self.is_reading = False
            self.protocol.readConnectionLost()  # type: ignore[union-attr]
            self._end_if_both_halves_did()
        else:
            self._lose(error.ConnectionDone())

    def _end_if_both_halves_did(self) -> None:
        if self._read_ended and self.is_write_closed:
            self._lose(error.ConnectionDone())

    def _flushed(self) -> None:
        if self.disconnected or self.is_aborted:
            return
        if self.disconnecting:
            self._lose(error.ConnectionDone())
        elif self._write_close_asked and not self.is_write_closed:
            self.is_write_closed = True
            if IHalfCloseableProtocol.providedBy(self.protocol):
                self.protocol.writeConnectionLost()  # type: ignore[union-attr]
            self._end_if_both_halves_did()

    def _lose(self, reason: BaseException) -> None:
        if self.disconnected:
            return
        self.disconnected = True
        self.connected = False
        self.is_reading = False
        producer, self.producer = self.producer, None
        if producer is not None:
            producer.stopProducing()
        protocol, self.protocol = self.protocol, None
        if protocol is not None:
            protocol.connectionLost(Failure(reason))


class DialOwner(Port):
    """Who asked for a connection: Twisted's ClientFactory, in so far as a dialler uses it."""

    def buildProtocol(self, addr: IAddress) -> IProtocol | None:
        """Return the owner of the fresh connection, or None to refuse it."""

    def clientConnectionFailed(self, connector: object, reason: Failure) -> None:
        """There will be no connection."""


class FakeDial:
    """One connect under way, ended by the test."""

    def __init__(self, address: "BackendAddress", factory: DialOwner, seconds_max: float) -> None:
        self.address = address
        self.factory = factory
        self.seconds_max = seconds_max
        self.is_over = False
        self.is_cancelled = False
        self.transport: FakeTransport | None = None
        self.protocol: IProtocol | None = None
        self.timer: IDelayedCall | None = None

    def cancel(self) -> None:
        """Want it no more: the factory hears nothing of it afterwards."""
        if not self.is_over:
            self.end()
            self.is_cancelled = True

    def end(self) -> None:
        """It came to something, or to nothing: no timer runs for it any more."""
        self.is_over = True
        timer, self.timer = self.timer, None
        if timer is not None and timer.active():
            timer.cancel()

    @override
    def __repr__(self) -> str:
        state = "cancelled" if self.is_cancelled else "over" if self.is_over else "under way"
        return f"<FakeDial {self.address} {state}>"


class FakeDialler:
    """
    Record what was dialled; the test completes or fails each dial by hand.

    With a clock a dial that nobody ends fails by itself when its time is over.
    """

    def __init__(self, clock: IReactorTime | None = None) -> None:
        self.dials: list[FakeDial] = []
        self.clock = clock

    def dial(
        self,
        address: "BackendAddress",
        factory: DialOwner,
        seconds_max: float,
        tls: object | None = None,
    ) -> FakeDial:
        """Begin to connect; nothing is called before the test says so."""
        dial = FakeDial(address, factory, seconds_max)
        self.dials.append(dial)
        if self.clock is not None:
            index = len(self.dials) - 1
            dial.timer = self.clock.callLater(seconds_max, self._time_out, index)
        return dial

    def _time_out(self, index: int) -> None:
        self.fail(index, error.TimeoutError())

    @property
    def pending(self) -> list[FakeDial]:
        """The dials that are neither completed, failed nor cancelled."""
        return [dial for dial in self.dials if not dial.is_over]

    def complete(self, index: int = -1) -> FakeTransport | None:
        """Let a dial succeed; None when it was cancelled before or its owner refuses."""
        dial = self.dials[index]
        if dial.is_cancelled:
            return None
        assert not dial.is_over, f"{dial} has already ended"
        dial.end()
        peer: IAddress
        if hasattr(dial.address, "path"):
            peer = UNIXAddress(dial.address.path)
        else:
            peer = IPv4Address("TCP", dial.address.host, dial.address.port)
        protocol = dial.factory.buildProtocol(peer)
        if protocol is None:
            return None
        dial.protocol = protocol
        dial.transport = FakeTransport(peer=peer, clock=self.clock)
        return dial.transport.connect(protocol)

    def fail(self, index: int = -1, reason: Exception | None = None) -> None:
        """Let a dial fail; nothing happens when it was cancelled before."""
        dial = self.dials[index]
        if dial.is_cancelled:
            return
        assert not dial.is_over, f"{dial} has already ended"
        dial.end()
        dial.factory.clientConnectionFailed(
            dial, Failure(reason or error.ConnectionRefusedError("Connection refused"))
        )
