"""
The seam between the command socket and the verbs: who asks, and who answers.

It must not know sockets, nor what a verb does.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from twisted.internet.defer import Deferred

from sozutw.control.proto import command_pb2 as pb


class Actor(NamedTuple):
    """Who asks, as the kernel told when the client connected (SO_PEERCRED)."""

    uid: int
    gid: int
    pid: int
    command: str
    """The short name of the client's program; empty if it could not be read."""
    client_id: int
    """Never used twice in the life of a process."""


Tell = Callable[[pb.Response], None]
"""Sends a response with status PROCESSING: the answer is still to come."""


class Desk(Protocol):
    """Who answers requests."""

    def serve(self, request: pb.Request, actor: Actor, tell: Tell) -> "Deferred[pb.Response]":
        """
        Answer with one OK or FAILURE; the Deferred never fails.

        For SubscribeEvents it never fires, and is cancelled when the client leaves; whatever
        else was begun goes on without a reader.
        """

    def turned_away(self, message: bytes, actor: Actor, refusal: pb.Response) -> None:
        """Take note of what came from somebody who may ask for nothing; it may be no request."""
