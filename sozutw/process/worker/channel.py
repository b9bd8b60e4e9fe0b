"""
The worker's end of its channel: whole words, with the sockets that belong to them.

It must not know what a word means. The words are ``control/proto/worker.proto``.
"""

import os
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from google.protobuf.message import DecodeError
from twisted.internet.interfaces import IFileDescriptorReceiver
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

from sozutw.config.state import RefusedRequestError
from sozutw.control.proto import worker_pb2 as words
from sozutw.wire.channel import FrameError, FrameReader, frame

MESSAGE_BYTES_MAX: Final = 64 * 1024 * 1024
"""An order may hold a certificate with a long chain, or answers of a few MiB."""

_log = Logger()


@implementer(IFileDescriptorReceiver)
class Channel(Protocol):
    """The worker's end of its channel: hands on whole words, with the sockets that came before."""

    transport: Any

    def __init__(
        self, received: Callable[[words.ToWorker], None], lost: Callable[[], None]
    ) -> None:
        """``received`` may raise ValueError or OSError for a word that cannot be meant."""
        self._received = received
        self._lost = lost
        self._reader = FrameReader(MESSAGE_BYTES_MAX)
        self.descriptors: deque[int] = deque()

    def say(self, **word: Any) -> None:
        """Say one word."""
        self.transport.write(frame(words.FromWorker(**word).SerializeToString()))

    def close(self) -> None:
        """Say no more: what was said goes out, and then the channel ends."""
        self.transport.loseConnection()

    def fileDescriptorReceived(self, descriptor: int) -> None:  # noqa: N802  # Twisted's name
        """Keep a descriptor for the word that it belongs to, which ends after it."""
        os.set_inheritable(descriptor, False)
        self.descriptors.append(descriptor)

    @override
    def dataReceived(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while (message := self._reader.take()) is not None:
                self._received(words.ToWorker.FromString(message))
        except (FrameError, DecodeError, ValueError, OSError, RefusedRequestError):
            _log.failure("the main process cannot be understood")
            self.transport.abortConnection()

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        while self.descriptors:
            os.close(self.descriptors.popleft())
        self._lost()
