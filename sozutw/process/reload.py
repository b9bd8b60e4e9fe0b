"""A reload that a signal asks for: what `sozutw reload` does, told in the log."""

import os
from typing import Final

from twisted.logger import Logger

from sozutw.control.desk import Actor, Desk
from sozutw.control.messages.targets import target_of
from sozutw.control.proto import command_pb2 as pb

CHANGES_TOLD_MAX: Final = 20
"""So many changes have a line each; the others are counted."""

_log = Logger()


class FileReload:
    """
    Has a file made true by the desk, as if somebody had asked for it on the command socket.

    It takes its turn among other changes, and leaves its line in the audit trail. However often
    it is asked while one is under way, one more follows.
    """

    def __init__(self, desk: Desk, path: str) -> None:
        self._desk = desk
        self._path = path
        self._is_under_way = False
        self._is_wanted_again = False

    def ask(self) -> None:
        """Read the file and do what differs."""
        if self._is_under_way:
            self._is_wanted_again = True
            return
        self._is_under_way = True
        _log.info("SIGHUP: {path} is read again", path=self._path)
        request = pb.Request(apply_configuration=pb.ApplyConfiguration(path=self._path))
        # The kernel could tell who has sent the signal; Python does not.
        actor = Actor(os.getuid(), os.getgid(), os.getpid(), "SIGHUP", 0)
        self._desk.serve(request, actor, _ignore).addCallback(self._answered)

    def _answered(self, response: pb.Response) -> None:
        if response.status == pb.OK:
            _tell_changes(response)
        else:
            # Each problem of a file has its line, with the file's name and the place.
            for line in response.message.splitlines():
                _log.error("SIGHUP: {line}", line=line)
        self._is_under_way = False
        if self._is_wanted_again:
            self._is_wanted_again = False
            self.ask()


def _ignore(progress: pb.Response) -> None:
    """Nobody waits for the answer step by step."""


def _tell_changes(response: pb.Response) -> None:
    changes = response.content.changes.requests
    for change in changes[:CHANGES_TOLD_MAX]:
        verb = change.WhichOneof("request_type")
        _log.info("SIGHUP: {verb} {target}", verb=verb, target=target_of(change))
    more = len(changes) - CHANGES_TOLD_MAX
    if more > 0:
        _log.info("SIGHUP: and {more} changes more", more=more)
    _log.info("SIGHUP: {message}", message=response.message)
