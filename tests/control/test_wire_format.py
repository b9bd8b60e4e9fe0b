"""
The command socket byte for byte: requests written by hand, in front of the real verbs.

The numbers are those of Sōzu's protocol, written down here once more. How bytes are cut, what is
too long, and slow clients are in ``channel``; what a verb does, in ``changes`` and ``questions``.
"""

import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from twisted.internet.testing import StringTransport

from sozutw.config.dump import dump
from sozutw.config.model import Config, InetAddress
from sozutw.control.channel.connection import CommandConnection, Terms
from sozutw.control.channel.server import CommandService
from sozutw.control.proto import command_pb2 as pb
from tests.control.by_hand import Answer, answers, blob, fixed, framed, num, varint
from tests.fakes import certificates as made
from tests.fakes.desk import ME, DeskScene
from tests.fakes.loops import loop_named

OK, PROCESSING, FAILURE = 0, 1, 2
FRAME_BYTES_MAX = 2_000_000

WORKERS, METRICS, WORKER_RESPONSES, EVENT, FRONTENDS, LISTENERS = 1, 2, 3, 4, 5, 6
AVAILABLE, CERTIFICATES, COUNTS, LIMIT, CHECKS, DETAIL = 8, 12, 13, 14, 15, 16
EXPLANATION, SESSIONS, CHANGED = 1000, 1001, 1002

TAKEN = "Successfully applied request to all workers"
UNTOUCHED = "could not dispatch request on the main process state: "


class Wire:
    """The desk of a whole worker, behind a connection in memory."""

    def __init__(self) -> None:
        self.scene = DeskScene("A")
        self.scene.host.stopped.callback(None)
        self.scene.host.files["f"] = Config(listeners=())
        self.transport = StringTransport()
        terms = Terms(self.scene.world.clock, self.scene.desk, None, FRAME_BYTES_MAX)
        self.connection = CommandConnection(terms, lambda _: ME, lambda _: None)
        self.connection.makeConnection(self.transport)

    def send(self, data: bytes) -> list[Answer]:
        """Send bytes as they are, and return all that comes back."""
        self.transport.clear()
        self.connection.dataReceived(data)
        self.scene.settle()
        return answers(self.transport.value())

    def ask(self, message: bytes) -> Answer:
        """Send one message; what comes is any number of PROCESSING, and one that is not."""
        *told, answer = self.send(framed(message))
        assert all(one.status == PROCESSING for one in told)
        assert answer.status != PROCESSING
        return answer

    def configured(self) -> list[object]:
        """Return all that is configured."""
        return list(dump(self.scene.world.applier.state))


# Parts of messages. An address: 1 ip {1 v4 fixed32 | 2 v6 {1 low, 2 high}}, 2 port.


def v4(number: int, port: int) -> bytes:
    return blob(1, fixed(1, number)) + num(2, port)


HERE = v4(0x0A000001, 8080)
"""Where the worker's listener is: 10.0.0.1:8080."""
NEW = v4(0x7F000001, 8081)
SECURE = v4(0x7F000001, 8443)
LOOPBACK_6 = blob(1, blob(2, num(1, 1) + num(2, 0))) + num(2, 8080)

# 1 cluster_id, 2 sticky_session, 3 https_redirect, 5 load_balancing
CLUSTER = blob(1, "shop") + num(2, 0) + num(3, 0) + num(5, 0)
# 1 cluster_id, 2 backend_id, 3 address
BACKEND = blob(1, "shop") + blob(2, "shop-1") + blob(3, NEW)


def rule(address: bytes, *, cluster_id: str = "shop") -> bytes:
    # 1 cluster_id, 2 address, 3 hostname, 4 path {1 kind, 2 value}, 6 position
    path = num(1, 0) + blob(2, "/")
    parts = (blob(1, cluster_id), blob(2, address), blob(3, "shop.test"), blob(4, path), num(6, 2))
    return b"".join(parts)


def listener(address: bytes, *more: bytes) -> bytes:
    # 1 address, 5 expect_proxy, 6 sticky_name, 7 to 10 timeouts, 11 active
    numbers = ((7, 60), (8, 30), (9, 3), (10, 10), (11, 0))
    parts = (blob(1, address), num(5, 0), blob(6, "SOZUBALANCEID"), *(num(*one) for one in numbers))
    return b"".join((*parts, *more))


LEAF, NEXT = made.leaf("shop.test"), made.leaf("shop.test", "other.test")
# 1 certificate, 3 key
PAIR = blob(1, LEAF.pem) + blob(3, LEAF.key_pem())
NEXT_PAIR = blob(1, NEXT.pem) + blob(3, NEXT.key_pem())

ADD_CLUSTER = blob(13, CLUSTER)
ADD_BACKEND = blob(24, BACKEND)
ADD_FRONTEND = blob(15, rule(HERE))
ADD_LISTENER = blob(26, listener(NEW))
# 20 send_tls13_tickets
ADD_SECURE = blob(27, listener(SECURE, num(20, 4)))
ADD_SECURE_FRONTEND = blob(17, rule(SECURE))
ADD_CERTIFICATE = blob(19, blob(1, SECURE) + blob(2, PAIR))
# 1 address, 2 proxy, 3 from_scm
ACTIVATE = blob(30, blob(1, NEW) + num(2, 0) + num(3, 0))
# 1 uri, 2 interval, 3 timeout, 4 and 5 thresholds, 6 expected_status
CHECK = blob(1, "/up") + num(2, 10) + num(3, 5) + num(4, 3) + num(5, 3) + num(6, 0)
SET_CHECK = blob(52, blob(1, "shop") + blob(2, CHECK))
SAVE = blob(1, "{folder}/state")
LOAD = blob(2, "{folder}/state")
SAVE_AS = blob(1004, blob(1, "{folder}/state") + num(2, 1))
# 1 http, 2 https, 3 tcp
FILTERS = num(1, 0) + num(2, 0) + num(3, 0)
# 1 list, 5 no_clusters, 6 workers
METRICS_ASKED = num(1, 0) + num(5, 0) + num(6, 0)
STATUS = bytes.fromhex("62 00")


class Case(NamedTuple):
    """A request that is granted."""

    name: str
    request: bytes
    text: str = TAKEN
    content: int | None = None
    given: tuple[bytes, ...] = ()
    """What is asked before; all of it is granted too."""

    def filled(self, folder: Path) -> "Case":
        """Name a folder that there is, in texts whose length it changes."""
        path = str(folder / "state")
        texts = {
            SAVE: blob(1, path),
            LOAD: blob(2, path),
            SAVE_AS: blob(1004, blob(1, path) + num(2, 1)),
        }
        return self._replace(
            request=texts.get(self.request, self.request),
            given=tuple(texts.get(one, one) for one in self.given),
        )


GRANTED = (
    Case("save_state", SAVE, "Saved 5 config messages to "),
    Case("load_state", LOAD, "Successfully loaded state from path ", given=(SAVE,)),
    Case("list_workers", blob(4, b""), "Successfully listed workers", WORKERS),
    Case("list_frontends", blob(5, FILTERS), "Successfully listed frontends", FRONTENDS),
    Case("list_listeners", blob(6, b""), "Successfully listed listeners", LISTENERS),
    Case("reload_configuration", blob(11, "f"), "Successfully loaded the config: "),
    Case("status", STATUS, "Successfully collected the status of workers", WORKERS),
    Case("add_cluster", ADD_CLUSTER),
    Case("remove_cluster", blob(14, "shop"), given=(ADD_CLUSTER,)),
    Case("add_http_frontend", ADD_FRONTEND),
    Case("remove_http_frontend", blob(16, rule(HERE)), given=(ADD_FRONTEND,)),
    Case("add_https_frontend", ADD_SECURE_FRONTEND, given=(ADD_SECURE,)),
    Case(
        "remove_https_frontend",
        blob(18, rule(SECURE)),
        given=(ADD_SECURE, ADD_SECURE_FRONTEND),
    ),
    Case("add_certificate", ADD_CERTIFICATE, given=(ADD_SECURE,)),
    Case(
        "replace_certificate",
        blob(20, blob(1, SECURE) + blob(2, NEXT_PAIR) + blob(3, LEAF.fingerprint)),
        given=(ADD_SECURE, ADD_CERTIFICATE),
    ),
    Case(
        "remove_certificate",
        blob(21, blob(1, SECURE) + blob(2, LEAF.fingerprint)),
        given=(ADD_SECURE, ADD_CERTIFICATE),
    ),
    Case("add_backend", ADD_BACKEND),
    Case("remove_backend", blob(25, BACKEND), given=(ADD_BACKEND,)),
    Case("add_http_listener", ADD_LISTENER),
    Case("add_https_listener", ADD_SECURE),
    Case("remove_listener", blob(29, blob(1, NEW) + num(2, 0)), given=(ADD_LISTENER,)),
    Case("activate_listener", ACTIVATE, given=(ADD_LISTENER,)),
    Case(
        "deactivate_listener",
        blob(31, blob(1, NEW) + num(2, 0) + num(3, 0)),
        given=(ADD_LISTENER, ACTIVATE),
    ),
    Case("query_cluster_by_id", blob(35, "app"), "Successfully queried clusters", WORKER_RESPONSES),
    Case(
        "query_clusters_by_domain",
        blob(36, blob(1, "shop.test")),
        "Successfully queried clusters",
        WORKER_RESPONSES,
    ),
    Case("query_clusters_hashes", blob(37, b""), "Successfully queried clusters", WORKER_RESPONSES),
    Case("query_metrics", blob(38, METRICS_ASKED), "Successfully aggregated all metrics", METRICS),
    Case(
        "query_metrics, of which there are",
        blob(38, num(1, 1) + num(5, 0) + num(6, 0)),
        "Successfully listed available metrics",
        AVAILABLE,
    ),
    Case("soft_stop", blob(39, b""), "Successfully closed 1 workers, 0 errors"),
    Case("hard_stop", blob(40, b""), "Successfully closed 1 workers, 0 errors"),
    Case("configure_metrics", num(41, 2)),
    Case("Logging", blob(42, "debug")),
    Case(
        "query_certificates_from_the_state",
        blob(44, b""),
        "Successfully queried certificates from the state of main process",
        CERTIFICATES,
    ),
    Case(
        "query_certificates_from_workers",
        blob(45, blob(1, "shop.test")),
        "Successfully queried certificates",
        WORKER_RESPONSES,
    ),
    Case("count_requests", blob(46, b""), "Successfully counted requests", COUNTS),
    Case("update_http_listener", blob(47, blob(1, HERE) + num(5, 7))),
    Case("update_https_listener", blob(48, blob(1, SECURE) + num(5, 7)), given=(ADD_SECURE,)),
    Case("set_max_connections_per_ip", num(50, 5)),
    Case(
        "query_max_connections_per_ip",
        blob(51, b""),
        f"{TAKEN}: at most 5 connections",
        LIMIT,
        given=(num(50, 5),),
    ),
    Case("set_health_check", SET_CHECK, given=(ADD_CLUSTER,)),
    Case("remove_health_check", blob(53, "shop"), given=(ADD_CLUSTER, SET_CHECK)),
    Case(
        "query_health_checks",
        blob(54, b""),
        "Successfully listed health check configurations",
        CHECKS,
    ),
    Case(
        "set_metric_detail",
        blob(55, blob(1, "me") + num(2, 3) + num(3, 60)),
        "Successfully applied SetMetricDetail",
        DETAIL,
    ),
    Case(
        "explain", blob(1000, blob(1, "http://shop.test/")), "Successfully explained", EXPLANATION
    ),
    Case("list_sessions", blob(1001, b""), "0 sessions", SESSIONS),
    Case("apply_configuration", blob(1003, blob(1, "f")), "Successfully loaded", CHANGED),
    Case("save_state_as", SAVE_AS, "Saved "),
    # Sōzu's client takes the rest of its upgrade from the workers that it finds then.
    Case("upgrade_main", blob(8, b""), "Upgrade successful, closing main process"),
    Case("batch", blob(1005, blob(1, ADD_CLUSTER) + blob(1, ADD_BACKEND)), f"{TAKEN}: 2 as one"),
    Case(
        "replace_default_certificate",
        blob(1006, blob(1, SECURE) + blob(2, NEXT_PAIR)),
        given=(
            # 17 certificate, 19 key
            blob(27, listener(SECURE, blob(17, LEAF.pem), blob(19, LEAF.key_pem()), num(20, 4))),
        ),
    ),
)

UNSERVED = {
    7: ("LaunchWorker", blob(7, "w")),
    22: ("AddTcpFrontend", blob(22, blob(1, "shop") + blob(2, NEW))),
    23: ("RemoveTcpFrontend", blob(23, blob(1, "shop") + blob(2, NEW))),
    # 1 address, 3 expect_proxy, 4 to 6 timeouts, 7 active
    28: (
        "AddTcpListener",
        blob(28, blob(1, NEW) + num(3, 0) + num(4, 60) + num(5, 30) + num(6, 3) + num(7, 0)),
    ),
    43: ("ReturnListenSockets", blob(43, b"")),
    49: ("UpdateTcpListener", blob(49, blob(1, NEW))),
    # 1 address, 3 and 4 timeouts, 5 max_rx_datagram_size, 6 max_flows, 7 active
    56: (
        "AddUdpListener",
        blob(56, blob(1, NEW) + num(3, 30) + num(4, 30) + num(5, 1500) + num(6, 0) + num(7, 0)),
    ),
    57: ("UpdateUdpListener", blob(57, blob(1, NEW))),
    58: ("AddUdpFrontend", blob(58, blob(1, "shop") + blob(2, NEW))),
    59: ("RemoveUdpFrontend", blob(59, blob(1, "shop") + blob(2, NEW))),
}


def number_of(request: bytes) -> int:
    """Return the number of the verb: that of the first field."""
    tag = shift = 0
    for byte in request:
        tag |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    return tag >> 3


def named(cases: "Sequence[Case | Wrong]") -> list[Any]:
    return [pytest.param(case, id=case.name) for case in cases]


def test_every_verb_is_asked_below() -> None:
    below = {number_of(case.request) for case in GRANTED} | UNSERVED.keys() | {9, 10, 1002}
    assert below == {field.number for field in pb.Request.DESCRIPTOR.fields}


@pytest.mark.parametrize("case", named(GRANTED))
def test_a_request_of_these_bytes_is_granted(case: Case, tmp_path: Path) -> None:
    wire = Wire()
    case = case.filled(tmp_path)
    for before in case.given:
        assert wire.ask(before).status == OK
    answer = wire.ask(case.request)
    assert answer.status == OK, answer.text
    assert answer.text.startswith(case.text)
    assert answer.content == case.content


@pytest.mark.parametrize(("name", "request_"), UNSERVED.values(), ids=str)
def test_what_is_not_served_is_refused_by_name(name: str, request_: bytes) -> None:
    wire = Wire()
    before = wire.configured()
    answer = wire.ask(request_)
    assert answer.status == FAILURE
    assert answer.text.startswith(f"{name} is not served yet: ")
    assert wire.configured() == before


class Wrong(NamedTuple):
    """A request that is refused, and why."""

    name: str
    request: bytes
    text: str
    given: tuple[bytes, ...] = ()


NOWHERE = v4(0x7F000001, 1)
JUNK = blob(1, "no certificate") + blob(3, "no key")

REFUSED = (
    Wrong("save_state", blob(1, "/nowhere/s"), "Cannot create file at path /nowhere/s: "),
    Wrong("load_state", blob(2, "/nowhere/s"), "Cannot find file at path /nowhere/s"),
    Wrong(
        "upgrade_worker", num(9, 0), "Upgrade of worker 0 failed: worker 0 is the main process too"
    ),
    Wrong("upgrade_worker", num(9, 1), "Worker 1 does not exist, or is stopping / stopped"),
    Wrong("reload_configuration", blob(11, ""), "this process was started without a file"),
    Wrong("add_cluster", blob(13, blob(1, "") + CLUSTER[6:]), f"{UNTOUCHED}cluster_id "),
    Wrong("remove_cluster", blob(14, "nobody"), f"{UNTOUCHED}there is no cluster 'nobody'"),
    Wrong("add_http_frontend", blob(15, rule(NOWHERE)), f"{UNTOUCHED}there is no listener at "),
    Wrong(
        "add_http_frontend, twice",
        ADD_FRONTEND,
        f"{UNTOUCHED}shop.test PREFIX '/' (TREE) at 10.0.0.1:8080 already leads to cluster 'shop'",
        given=(ADD_FRONTEND,),
    ),
    Wrong("remove_http_frontend", blob(16, rule(HERE)), f"{UNTOUCHED}there is no frontend "),
    Wrong("add_https_frontend", blob(17, rule(HERE)), f"{UNTOUCHED}the listener at 10.0.0.1:8080"),
    Wrong("remove_https_frontend", blob(18, rule(SECURE)), f"{UNTOUCHED}there is no frontend "),
    Wrong(
        "add_certificate, which is none",
        blob(19, blob(1, SECURE) + blob(2, JUNK)),
        f"{UNTOUCHED}certificate cannot be used: there is no certificate in it",
        given=(ADD_SECURE,),
    ),
    Wrong("add_certificate, to nobody", ADD_CERTIFICATE, f"{UNTOUCHED}there is no listener at "),
    Wrong(
        "replace_certificate",
        blob(20, blob(1, SECURE) + blob(2, NEXT_PAIR) + blob(3, LEAF.fingerprint)),
        f"{UNTOUCHED}the listener at 127.0.0.1:8443 has no certificate",
        given=(ADD_SECURE,),
    ),
    Wrong(
        "remove_certificate",
        blob(21, blob(1, SECURE) + blob(2, "ff")),
        f'{UNTOUCHED}fingerprint is "ff"',
        given=(ADD_SECURE,),
    ),
    Wrong(
        "add_backend",
        blob(24, blob(1, "shop") + blob(2, "") + blob(3, NEW)),
        f"{UNTOUCHED}backend_id ",
    ),
    Wrong("remove_backend", blob(25, BACKEND), f"{UNTOUCHED}cluster 'shop' has no backend"),
    Wrong("add_http_listener", blob(26, listener(HERE)), f"{UNTOUCHED}there is already a listener"),
    Wrong("add_https_listener", blob(27, listener(HERE, num(20, 4))), f"{UNTOUCHED}there is alr"),
    Wrong("remove_listener", blob(29, blob(1, NEW) + num(2, 0)), f"{UNTOUCHED}there is no list"),
    Wrong("activate_listener", ACTIVATE, f"{UNTOUCHED}there is no listener at "),
    Wrong(
        "activate_listener, of another kind",
        blob(30, blob(1, HERE) + num(2, 1) + num(3, 0)),
        f"{UNTOUCHED}the listener at 10.0.0.1:8080 is for http and not for https",
    ),
    Wrong(
        "deactivate_listener",
        blob(31, blob(1, NEW) + num(2, 0) + num(3, 0)),
        f"{UNTOUCHED}there is no listener at ",
    ),
    Wrong("query_metrics", blob(38, b""), "required, but missing"),
    Wrong("configure_metrics", num(41, 9), "configure_metrics has a value that is not known here"),
    Wrong("Logging", blob(42, "wrong"), "Error parsing logging filter: "),
    Wrong("update_http_listener", blob(47, blob(1, NEW) + num(5, 7)), f"{UNTOUCHED}there is no l"),
    Wrong(
        "update_https_listener", blob(48, blob(1, HERE) + num(5, 7)), f"{UNTOUCHED}the listener "
    ),
    Wrong("set_health_check", SET_CHECK, f"{UNTOUCHED}there is no cluster 'shop'"),
    Wrong("remove_health_check", blob(53, "app"), f"{UNTOUCHED}cluster 'app' has no health check"),
    Wrong(
        "set_metric_detail",
        blob(55, blob(1, "m" * 65) + num(2, 3)),
        "SetMetricDetail: client_id has 65 bytes; 64 are allowed",
    ),
    Wrong("explain", blob(1000, blob(1, "gopher://a/")), "'gopher://a/' is neither "),
    Wrong("kill_session", num(1002, 5), "there is no session 5"),
    Wrong(
        "apply_configuration", blob(1003, blob(1, "")), "this process was started without a file"
    ),
    Wrong("save_state_as", blob(1004, blob(1, "/nowhere/s")), "Cannot create file at path"),
    Wrong(
        "batch, of which one is wrong",
        blob(1005, blob(1, ADD_CLUSTER) + blob(1, blob(14, "nobody"))),
        f"{UNTOUCHED}there is no cluster 'nobody'",
    ),
    Wrong(
        "replace_default_certificate",
        blob(1006, blob(1, HERE) + blob(2, NEXT_PAIR)),
        f"{UNTOUCHED}the listener at 10.0.0.1:8080 speaks no TLS",
    ),
)


@pytest.mark.parametrize("case", named(REFUSED))
def test_a_request_of_these_bytes_is_refused_and_changes_nothing(case: Wrong) -> None:
    wire = Wire()
    for before in case.given:
        assert wire.ask(before).status == OK
    configured = wire.configured()
    answer = wire.ask(case.request)
    assert answer.status == FAILURE, answer.text
    assert answer.text.startswith(case.text)
    assert answer.content is None
    assert wire.configured() == configured
    assert wire.ask(STATUS).status == OK


WITH_REQUIRED = (5, 13, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 36, 38)
MORE_WITH_REQUIRED = (47, 48, 49, 52, 55, 56, 57, 58, 59, 1000, 1004, 1006)


@pytest.mark.parametrize("number", WITH_REQUIRED + MORE_WITH_REQUIRED)
def test_what_lacks_a_required_field_is_refused_by_its_name(number: int) -> None:
    wire = Wire()
    configured = wire.configured()
    answer = wire.ask(blob(number, b""))
    assert answer.status == FAILURE
    assert answer.text.startswith("required, but missing or without a known value: ")
    assert wire.configured() == configured


@pytest.mark.parametrize("case", named(GRANTED))
def test_cut_by_a_byte_it_is_refused(case: Case) -> None:
    wire = Wire()
    configured = wire.configured()
    answer = wire.ask(case.request[:-1])
    assert answer.status == FAILURE
    assert answer.text
    assert wire.configured() == configured
    assert wire.ask(STATUS).status == OK


@pytest.mark.parametrize(
    ("request_", "name"),
    [
        *((blob(number, b"\xff"), "") for number in (1, 2, 7, 11, 14, 35, 42, 53)),
        (
            blob(13, blob(1, b"sh\xc3") + num(2, 0) + num(3, 0) + num(5, 0)),
            "add_cluster.cluster_id",
        ),
        (blob(24, blob(1, "shop") + blob(2, b"\x80") + blob(3, NEW)), "add_backend.backend_id"),
        (blob(36, blob(1, b"\xed\xa0\x80")), "query_clusters_by_domain.hostname"),
        # 7 tags: a map is a list of pairs {1 name, 2 value}
        (
            blob(15, rule(HERE) + blob(7, blob(1, b"\xff") + blob(2, "a"))),
            "add_http_frontend.tags",
        ),
    ],
)
def test_a_text_that_is_no_utf8_is_refused(request_: bytes, name: str) -> None:
    wire = Wire()
    configured = wire.configured()
    answer = wire.ask(request_)
    assert answer.status == FAILURE
    assert answer.text.startswith(name)
    assert answer.text.endswith(" is not UTF-8")
    assert wire.configured() == configured


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (b"", "the request is empty: it asks for nothing"),
        *(
            (blob(n, b""), f"the request asks for number {n}, which")
            for n in (3, 32, 60, 999, 1007)
        ),
        (num(12, 1), "status has a value that is not known here"),
        (b"\x00", "this is no request: "),
        (b"\x66", "this is no request: "),
        (b"\xff" * 11, "this is no request: "),
        (b"GET / HTTP/1.1\r\n\r\n", "this is no request: "),
        (bytes(range(256)), "this is no request: "),
    ],
)
def test_what_is_no_request_is_refused(message: bytes, text: str) -> None:
    wire = Wire()
    answer = wire.ask(message)
    assert answer.status == FAILURE
    assert answer.text.startswith(text)
    assert wire.ask(STATUS).status == OK


# What is the same for all requests.


def test_several_requests_in_one_write_are_answered_in_order() -> None:
    wire = Wire()
    asked = (
        ADD_CLUSTER,
        ADD_BACKEND,
        blob(14, "nobody"),
        blob(35, "shop"),
        blob(14, "shop"),
        blob(99, b""),
        STATUS,
    )
    told = [one for one in wire.send(b"".join(map(framed, asked))) if one.status != PROCESSING]
    assert [(one.status, one.content) for one in told] == [
        (OK, None),
        (OK, None),
        (FAILURE, None),
        (OK, WORKER_RESPONSES),
        (OK, None),
        (FAILURE, None),
        (OK, WORKERS),
    ]


def test_of_two_verbs_in_one_request_the_last_counts() -> None:
    assert Wire().ask(STATUS + blob(4, b"")).text == "Successfully listed workers"


def test_a_subscription_tells_of_what_happens_and_is_never_answered() -> None:
    wire = Wire()
    assert wire.send(framed(blob(10, b""))) == [Answer(PROCESSING, "main", EVENT)]
    assert wire.send(framed(STATUS)) == []
    other = wire.scene.ok
    wire.transport.clear()
    other(pb.Request.FromString(ADD_CLUSTER))
    # 1 status, 2 message, 3 content {4 event {1 kind: CLUSTER_ADDED, 2 cluster_id}}
    told = num(1, 1) + blob(2, "0") + blob(3, blob(4, num(1, 4) + blob(2, "shop")))
    assert wire.transport.value() == framed(told)


def test_a_response_is_these_bytes() -> None:
    wire = Wire()
    wire.transport.clear()
    wire.connection.dataReceived(framed(blob(4, b"")))
    # {1 status: OK, 2 message, 3 content {1 workers {1 worker {1 id, 2 pid: 4242, 3 RUNNING}}}}
    expected = (
        "34 00 00 00 00 00 00 00"
        "08 00"
        "12 1b 53 75 63 63 65 73 73 66 75 6c 6c 79 20 6c 69 73 74 65 64 20 77 6f 72 6b 65 72 73"
        "1a 0b 0a 09 0a 07 08 00 10 92 21 18 00"
    )
    assert wire.transport.value() == bytes.fromhex(expected)


def backend_addresses(wire: Wire) -> list[InetAddress]:
    found = [one.address for one in wire.scene.world.applier.state.backends("shop")]
    return [one for one in found if isinstance(one, InetAddress)]


def test_addresses_are_numbers() -> None:
    wire = Wire()
    wire.ask(ADD_BACKEND)
    wire.ask(blob(24, blob(1, "shop") + blob(2, "shop-2") + blob(3, LOOPBACK_6)))
    assert backend_addresses(wire) == [InetAddress("127.0.0.1", 8081), InetAddress("::1", 8080)]
    # As the protocol's page has them.
    assert v4(0x7F000001, 8080).hex(" ") == "0a 05 0d 01 00 00 7f 10 90 3f"
    assert LOOPBACK_6.hex(" ") == "0a 06 12 04 08 01 10 00 10 90 3f"


@pytest.mark.parametrize("address", [blob(1, b"") + num(2, 80), v4(1, 65_536), v4(1, 1 << 31)])
def test_an_address_that_is_none_is_refused(address: bytes) -> None:
    wire = Wire()
    assert wire.ask(blob(24, blob(1, "shop") + blob(2, "b") + blob(3, address))).status == FAILURE
    assert backend_addresses(wire) == []


def test_a_weight_of_0_is_none() -> None:
    wire = Wire()
    for name, weight in (("unset", 0), ("heavy", 7)):
        # 5 load_balancing_parameters {1 weight}
        added = blob(1, "shop") + blob(2, name) + blob(3, NEW) + blob(5, num(1, weight))
        assert wire.ask(blob(24, added)).status == OK
    heavier = {
        one.backend_id: one.weight for one in wire.scene.world.applier.state.backends("shop")
    }
    assert heavier == {"unset": 100, "heavy": 7}


@pytest.mark.parametrize("weight", [-1, 1 << 31])
def test_a_weight_that_cannot_be_is_refused(weight: int) -> None:
    added = blob(1, "shop") + blob(2, "b") + blob(3, NEW) + blob(5, num(1, weight))
    assert Wire().ask(blob(24, added)).status == FAILURE


@pytest.mark.parametrize(
    "versions", [num(4, 4) + num(4, 5), blob(4, varint(4) + varint(5))], ids=["plain", "packed"]
)
def test_a_list_of_numbers_may_be_packed(versions: bytes) -> None:
    wire = Wire()
    wire.ask(ADD_SECURE)
    added = blob(19, blob(1, SECURE) + blob(2, PAIR + versions))
    answer = wire.ask(added)
    assert answer == Answer(OK, TAKEN, None)


def test_a_member_that_an_enumeration_does_not_have_is_refused_with_those_it_has() -> None:
    answer = Wire().ask(blob(13, blob(1, "shop") + num(2, 0) + num(3, 0) + num(5, 77)))
    assert answer.status == FAILURE
    assert "load_balancing" in answer.text


def test_what_a_later_version_adds_is_passed_over_and_told() -> None:
    wire = Wire()
    answer = wire.ask(blob(13, CLUSTER + num(23, 3)))
    assert answer.status == OK
    assert (
        answer.text
        == f"{TAKEN}; warning: field 23 of add_cluster is not known here, and has no effect"
    )


def test_the_frames_of_the_protocol_s_page_are_answered(tmp_path: Path) -> None:
    scene = DeskScene("A")
    asked = bytes.fromhex("0a 00 00 00 00 00 00 00 22 00 0a 00 00 00 00 00 00 00 62 00")
    with loop_named("direct") as loop, socket.socket(socket.AF_UNIX) as sock:
        service = CommandService(loop.reactor, str(tmp_path / "s"), scene.desk)
        service.startService()
        sock.connect(service.path)
        sock.sendall(asked)
        sock.shutdown(socket.SHUT_WR)
        sock.setblocking(False)
        parts: list[bytes] = []

        def has_ended() -> bool:
            try:
                parts.append(sock.recv(65536))
            except BlockingIOError:
                return False
            return parts[-1] == b""

        loop.run_until(has_ended)
        done: list[None] = []
        service.stopService().addCallback(done.append)
        loop.run_until(lambda: done)
    assert answers(b"".join(parts)) == [
        Answer(OK, "Successfully listed workers", WORKERS),
        Answer(PROCESSING, "Querying status of workers...", None),
        Answer(OK, "Successfully collected the status of workers", WORKERS),
    ]


def test_a_path_goes_as_the_protocol_s_page_has_it() -> None:
    expected = "10 00 00 00 00 00 00 00 0a 06 2f 76 61 72 2f 73"
    assert framed(blob(1, "/var/s")).hex(" ") == expected
