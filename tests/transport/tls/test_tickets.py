"""The number of tickets is told to OpenSSL before it begins; each test is a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sozutw.transport.tls.tickets import CONFIGURATION, tickets_in

COUNT = """
from OpenSSL import SSL
from tests.fakes.tls import server_context
sent = []
# Each ticket is a record of its own behind the server's last flight.
server, client = (SSL.Connection(c, None) for c in (server_context(), SSL.Context(SSL.TLS_METHOD)))
server.set_accept_state()
client.set_connect_state()
data = b""
for origin, target in ((client, server), (server, client), (client, server), (server, client)):
    try:
        origin.do_handshake()
    except SSL.WantReadError:
        pass
    try:
        data = origin.bio_read(1 << 16)
    except SSL.WantReadError:
        data = b""
        break
    target.bio_write(data)
while data:
    data = data[5 + int.from_bytes(data[3:5], "big"):]
    sent.append(1)
import os
from sozutw.transport.tls.tickets import TICKETS
print(len(sent), TICKETS, os.environ.get("OPENSSL_CONF"))
"""


def outcome_of(code: str, **environment: str) -> list[str]:
    told = dict(os.environ, **environment)
    if "OPENSSL_CONF" not in environment:
        told.pop("OPENSSL_CONF", None)
    done = subprocess.run(
        [sys.executable, "-c", code], env=told, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_one_ticket_is_given_where_we_come_first() -> None:
    first = "import sozutw.transport.tls.tickets\n"
    assert outcome_of(first + COUNT) == ["1", "1", "None"]


def test_where_openssl_is_loaded_already_its_own_number_holds() -> None:
    assert outcome_of("import OpenSSL\n" + COUNT) == ["2", "2", "None"]


@pytest.mark.parametrize("number", [0, 3])
def test_the_operators_configuration_is_respected(tmp_path: Path, number: int) -> None:
    own = tmp_path / "own.cnf"
    ours = CONFIGURATION.read_text("utf-8")
    own.write_text(ours.replace("NumTickets = 1", f"NumTickets = {number}"))
    first = "import sozutw.transport.tls.tickets\n"
    told = [str(number), str(number), str(own)]
    assert outcome_of(first + COUNT, OPENSSL_CONF=str(own)) == told


def test_a_configuration_that_says_nothing_leaves_the_number_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "other.cnf").write_text("# NumTickets = 7\n")
    assert tickets_in(tmp_path / "other.cnf") == 2
    assert tickets_in(tmp_path / "missing.cnf") == 2
    assert tickets_in(CONFIGURATION) == 1
