"""Blank contexts: each once in a process, and what is gained by them."""

import subprocess
import sys

import pytest

from sozutw.process.zygote.blanks import Blanks
from sozutw.transport.tls.contexts import ServerContexts
from tests.e2e.harness import ROOT
from tests.fakes.certificates import NOW
from tests.listen.test_certificates import https

PROGRAM = """
import os, socket, sys
sys.path[:0] = {path!r}
from sozutw.process.zygote.blanks import Blanks
from OpenSSL import SSL
from sozutw.transport.tls import binding
from sozutw.transport.tls.contexts import ServerContexts
from tests.fakes.certificates import NOW, chained, leaf
from tests.listen.test_certificates import https

listener = https(certificate=chained(leaf("localhost")))
blanks = Blanks(2)

def fork(number):
    ours, theirs = socket.socketpair()
    if os.fork():
        theirs.close()
        return ours
    status = 1
    try:
        ours.close()
        contexts = ServerContexts(listener, lambda: NOW, blanks.take(number))
        while theirs.recv(1):
            _, (descriptor,), _, _ = socket.recv_fds(theirs, 1, 1)
            with socket.socket(fileno=descriptor) as sock:
                server = SSL.Connection(contexts.context, sock)
                server.set_accept_state()
                server.do_handshake()
                server.send(b"x")
                try:
                    server.recv(1)
                except SSL.ZeroReturnError:
                    pass
        status = 0
    finally:
        os._exit(status)

def talk(worker, context, session=None):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        worker.send(b"!")
        socket.send_fds(worker, [b"+"], [theirs.fileno()])
        theirs.close()
        client = SSL.Connection(context, ours)
        client.set_connect_state()
        if session is not None:
            client.set_session(session)
        client.do_handshake()
        assert client.recv(1) == b"x"
        # A session whose connection ends without a farewell is not resumed.
        client.shutdown()
        return bool(binding.lib.SSL_session_reused(client._ssl)), client.get_session()

one, other = fork({first}), fork({second})
context = SSL.Context(SSL.TLS_CLIENT_METHOD)
context.set_max_proto_version({version})
_, session = talk(one, context)
print(talk(one, context, session)[0], talk(other, context, session)[0], end="")
one.close()
other.close()
for _ in "12":
    assert os.wait()[1] == 0
"""


def resumed(version: int, first: int, second: int) -> str:
    """Whether a worker resumes the session of itself, and another that of the first."""
    path = [str(ROOT), *filter(None, sys.path)]
    program = PROGRAM.format(path=path, first=first, second=second, version=version)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("version", [0x303, 0x304])
def test_a_session_is_resumed_by_any_worker_with_the_same_blank(version: int) -> None:
    assert resumed(version, 1, 1) == "True True"


@pytest.mark.parametrize("version", [0x303, 0x304])
@pytest.mark.parametrize(("first", "second"), [(0, 1), (7, 7)])
def test_by_one_with_another_or_none_it_is_not(version: int, first: int, second: int) -> None:
    assert resumed(version, first, second) == "True False"


def test_each_is_given_once_and_only_what_there_is() -> None:
    blanks = Blanks(2)
    one, other = blanks.take(1), blanks.take(0)
    assert one is not None
    assert other is not None
    assert one is not other
    assert blanks.take(1) is None
    assert blanks.take(2) is None
    assert blanks.take(-1) is None


def test_a_listener_s_entry_is_made_of_it() -> None:
    blank = Blanks(1).take(0)
    assert ServerContexts(https(), lambda: NOW, blank).context is blank
