"""
Take over from a running process: the other side of ``process.upgrade.attempt``.

``python -m sozutw.process.upgrade.takeover DESCRIPTOR`` is started by the process that hands over.
It becomes a proxy with that one's sockets and state, and with the settings of the file as it is.
"""

import os
import socket
import sys
import threading
from contextlib import suppress
from typing import Final

from sozutw.config.addresses import parse_socket_address
from sozutw.config.model import Config, InetAddress
from sozutw.config.requests import (
    AddCertificate,
    AddHttpsListener,
    RemoveListener,
    ReplaceDefaultCertificate,
    Request,
)
from sozutw.config.state import RefusedRequestError
from sozutw.control.changes.state_file import requests_in
from sozutw.control.messages.records import BadRecordError
from sozutw.listen.sockets import adopt
from sozutw.process.configuration import EX_CONFIG, read_configuration
from sozutw.process.host import Source
from sozutw.process.run import (
    EX_START,
    CannotStartError,
    choose_reactor,
    run_in_foreground,
)
from sozutw.process.signals import say_on_stderr
from sozutw.process.upgrade.conversation import Conversation
from sozutw.process.upgrade.inheritance import Inheritance
from sozutw.wire.handover import Handover, HandoverError, Word

STEP_SECONDS_MAX: Final = 30.0
"""For each step of the process that hands over."""


class CannotTakeOverError(Exception):
    """What is handed over cannot be served by this program; the text says why."""


def main(arguments: list[str]) -> int:
    """Take over, and serve until a signal ends it; return the exit status of a failure."""
    conversation = Conversation(socket.socket(fileno=int(arguments[0])), STEP_SECONDS_MAX)
    try:
        handover, descriptors = conversation.accept()
        config, inheritance = _taken(handover, descriptors)
    except (HandoverError, CannotTakeOverError, OSError, EOFError) as error:
        say_on_stderr(f"sozutw cannot take over: {error}")
        _refuse(conversation, str(error))
        return EX_START if isinstance(error, OSError | EOFError) else EX_CONFIG
    inheritance.ready = lambda: _agree(conversation)
    inheritance.served = lambda: _serve(conversation)
    source = Source(handover.configuration, handover.skips_unsupported)
    try:
        run_in_foreground(config, choose_reactor(), source=source, inheritance=inheritance)
    except RefusedRequestError as error:
        # Before the word "ready": the old process goes on.
        say_on_stderr(f"sozutw cannot take over: {error}")
        _refuse(conversation, str(error))
        return EX_CONFIG
    except CannotStartError as error:
        _refuse(conversation, error.why)
        raise
    return 0


def _taken(handover: Handover, descriptors: list[int]) -> tuple[Config, Inheritance]:
    """Make values of what was handed over."""
    verdict = read_configuration(
        handover.configuration, skip_unsupported=handover.skips_unsupported
    )
    if verdict.config is None:
        raise CannotTakeOverError("\n".join(verdict.lines()))
    records, *rest = descriptors
    with open(records, "rb") as file:
        data = file.read()
    requests: list[Request] = []
    try:
        for number, request in enumerate(requests_in(data), 1):
            if isinstance(request, RefusedRequestError):
                raise CannotTakeOverError(f"record {number} of the state: {request}")
            requests.append(request)
    except BadRecordError as error:
        raise CannotTakeOverError(f"the state: {error}") from None
    sockets = {parse_socket_address(text): adopt(rest.pop(0)) for text in handover.listeners}
    command = None if handover.command_socket is None else adopt(rest.pop(0))
    admin = None if handover.admin is None else adopt(rest.pop(0))
    if admin is not None and handover.admin is not None:
        sockets[parse_socket_address(handover.admin)] = admin
    handed = [adopt(descriptor) for descriptor in rest]
    requests += _renewed(verdict.config, requests)
    inheritance = Inheritance(
        requests, sockets, handover.command_socket, command, handed, handover.pid_file
    )
    return verdict.config, inheritance


def _renewed(config: Config, requests: list[Request]) -> list[Request]:
    """Return the orders for watched certificates whose files hold others than the state does."""
    held = {
        (request.address, request.certificate)
        for request in requests
        if isinstance(request, AddCertificate)
    }
    there: set[InetAddress] = set()
    for request in requests:
        if isinstance(request, AddHttpsListener):
            there.add(request.listener.http.address)
        elif isinstance(request, RemoveListener):
            there.discard(request.address)
    renewed: list[Request] = []
    for watched in config.watched:
        if watched.address not in there:
            continue  # The file names a listener that is not in force.
        if watched.is_default:
            renewed.append(ReplaceDefaultCertificate(watched.address, watched.certificate))
        elif (watched.address, watched.certificate) not in held:
            renewed.append(AddCertificate(watched.address, watched.certificate))
    return renewed


def _refuse(conversation: Conversation, why: str) -> None:
    try:
        conversation.say(Word("refused", why=why))
    except OSError:
        return  # Whoever would hear it has gone.
    finally:
        conversation.close()


def _agree(conversation: Conversation) -> None:
    """Say that all is ready, and wait for the word to take it; raises what ends the process."""
    try:
        conversation.say(Word("ready", os.getpid()))
        conversation.hear("take")
    except (HandoverError, OSError, EOFError) as error:
        say_on_stderr(f"sozutw does not take over: {error}")
        conversation.close()
        raise SystemExit(EX_START) from None


def _serve(conversation: Conversation) -> None:
    """Say that this process serves; the other one may go."""
    with suppress(OSError):  # It has gone already: then this one is alone.
        conversation.say(Word("taken", os.getpid()))
    threading.Thread(target=conversation.wait_for_the_end, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
