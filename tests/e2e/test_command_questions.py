"""`sozutw explain`, `sessions`, `metrics` and `status`: what is told is what is."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sozutw.control.messages.session_numbers import number_from, text_of
from sozutw.control.proto import command_pb2 as pb
from tests.e2e.commanded import Asked, Commanded, finish, location
from tests.e2e.harness import Peer, connect, wait_until
from tests.e2e.stage import SECONDS_MAX, status_of
from tests.e2e.tls import tls_connect, trusting

# explain


def steps(asked: Asked, words: str) -> dict[str, str]:
    """Return what is chosen at each step, by the kind of step."""
    told = asked.told(f"explain {words}")
    if asked.is_json:
        held = told["EXPLANATION"]["steps"]
        return {step["kind"]: step["chosen"] or "none" for step in held}
    return dict(line.split(": ", 1) for line in told if not line.startswith(" "))


@pytest.mark.alone  # Each worker has turns and counts of its own.
def test_a_plain_request_goes_where_it_was_explained(commanded: Commanded, asked: Asked) -> None:
    told = steps(asked, f"http://one.test:{commanded.port}/x")
    assert told["listener"] == commanded.http
    assert told["frontend"] == "one.test (TREE) -> one"
    assert told["cluster"] == "one"
    name, _, address = told["backend"].partition(" at ")
    assert address == str(commanded.echoes["ab".index(name)])
    assert commanded.answers("/x") == name
    # To ask is not to go: the other one is next, however often it is asked.
    other = {"a": "b", "b": "a"}[name]
    for _ in range(3):
        assert steps(asked, f"http://one.test:{commanded.port}/x")["backend"].startswith(
            f"{other} "
        )
    assert commanded.answers("/x") == other


def test_a_path_of_its_own_leads_to_another_cluster(commanded: Commanded, asked: Asked) -> None:
    told = steps(asked, f"http://one.test:{commanded.port}/two/x")
    assert (told["cluster"], told["backend"]) == ("two", f"c at {commanded.backend}")
    with connect(commanded.port) as client:
        finish(commanded.held(client, "/two/x"), client)


def test_a_request_over_tls_is_explained_with_its_certificate(
    commanded: Commanded, asked: Asked
) -> None:
    told = steps(asked, f"https://one.test:{commanded.tls_port}/")
    assert told["listener"] == commanded.https
    assert commanded.shown_for("one.test")[:16] in told["certificate"]
    with tls_connect(commanded.tls_port, trusting(commanded.authority), "one.test") as client:
        client.send(b"GET / HTTP/1.1\r\nHost: one.test\r\nConnection: close\r\n\r\n")
        head, body = client.receive_message()
    assert status_of(head) == 200
    by, explained = json.loads(body)["by"], told["backend"].partition(" at ")[0]
    assert by == explained or commanded.workers  # Each worker has turns of its own.
    assert commanded.http in str(asked.told(f"explain https://one.test:{commanded.tls_port}/"))


def test_a_denied_request_is_explained(commanded: Commanded, asked: Asked) -> None:
    selector = f"-a {commanded.http} --hostname one.test -p /admin -m POST"
    asked.done(f"frontend http add {selector} deny")
    told = steps(asked, f"http://one.test:{commanded.port}/admin --method POST")
    assert "cluster" not in told or told["cluster"] == "none"
    assert "401" in str(asked.told(f"explain http://one.test:{commanded.port}/admin -m POST"))
    with connect(commanded.port) as client:
        client.send(b"POST /admin HTTP/1.1\r\nHost: one.test\r\nContent-Length: 0\r\n\r\n")
        assert status_of(client.receive_message()[0]) == 401
    assert steps(asked, f"http://one.test:{commanded.port}/admin")["cluster"] == "one"
    asked.done(f"frontend http remove {selector} deny")


def test_a_redirected_request_is_explained(commanded: Commanded, asked: Asked) -> None:
    selector = f"-a {commanded.http} --hostname r.test"
    asked.done(
        f"frontend http add {selector} --redirect permanent --redirect-scheme use-https id one"
    )
    told = str(asked.told(f"explain http://r.test:{commanded.port}/p"))
    assert "301" in told
    assert "https://r.test/p" in told
    status, head, _ = commanded.ask("/p", "r.test")
    assert (status, location(head)) == (301, "https://r.test/p")
    asked.done(f"frontend http remove {selector} id one")


def test_an_unknown_host_or_port_is_explained(commanded: Commanded, asked: Asked) -> None:
    assert steps(asked, f"http://nix.test:{commanded.port}/")["frontend"] == "none"
    assert "404" in str(asked.told(f"explain http://nix.test:{commanded.port}/"))
    assert commanded.answers(host="nix.test") == 404
    assert steps(asked, "http://one.test:1/")["listener"] == "none"


@pytest.mark.alone  # Each worker has turns and counts of its own.
def test_a_client_that_has_no_room_is_explained(commanded: Commanded, asked: Asked) -> None:
    asked.done("connection-limit set 1")
    with connect(commanded.port) as client:
        peer = commanded.held(client)
        url = f"http://one.test:{commanded.port}/two"
        assert "429" in str(asked.told(f"explain {url} --source 127.0.0.1"))
        assert "429" not in str(asked.told(f"explain {url} --source 192.0.2.1"))
        assert "429" not in str(asked.told(f"explain {url}"))
        assert commanded.answers("/two") == 429
        finish(peer, client)
    asked.done("connection-limit remove")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("explain", "Missing argument 'URL'."),
        ("explain one.test", "Invalid value for 'URL': 'one.test': http://HOST[:PORT]/PATH"),
        ("explain ftp://one.test/", "Invalid value for 'URL': 'ftp://one.test/': http://"),
        ("explain http://one.test:x/", "it is no URL"),
        ("explain http://one.test/ -H nothing", "Invalid value for '-H' / '--header': 'nothing'"),
        ("explain http://one.test/ --source one.test", "an IP address is meant, without a port"),
        ("sessions kill nobody", "Invalid value for 'TOKEN': 'nobody': a token is meant"),
        ("sessions kill", "Missing argument 'TOKEN'."),
        ("metrics get -r 0", "Invalid value for '-r' / '--refresh'"),
        ("metrics", ""),
        ("logging", "Missing argument 'FILTER'."),
        ("upgrade --worker first", "Invalid value for '--worker': 'first': a whole number"),
        ("status now", "Got unexpected extra argument (now)"),
    ],
)
def test_a_wrong_command_line_says_what_is_meant(asked: Asked, words: str, text: str) -> None:
    if text or asked.is_json:
        asked.misused(words, text)
    else:
        assert asked.call(words).exit_code == 2


# sessions


def sessions(asked: Asked) -> list[dict[str, Any]]:
    """Return what is told of each session, by the names of the JSON."""
    told = asked.told("sessions list")
    if asked.is_json:
        return list(told["SESSIONS"]["vec"])
    names = ("token", "peer", "listener", "protocol", "state")
    return [dict(zip(names, line.split(), strict=False)) for line in told[1:]]


@contextmanager
def websocket(commanded: Commanded) -> Iterator[tuple[Peer, Peer]]:
    """Give both ends of a WebSocket."""
    with connect(commanded.port) as client:
        client.send(
            b"GET /two HTTP/1.1\r\nHost: one.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        peer = commanded.backend.accept(SECONDS_MAX)
        peer.receive_until(b"\r\n\r\n", SECONDS_MAX)
        peer.send(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        )
        assert status_of(client.receive_until(b"\r\n\r\n", SECONDS_MAX)) == 101
        with peer:
            yield client, peer


def test_a_live_websocket_is_listed_and_killed(commanded: Commanded, asked: Asked) -> None:
    with websocket(commanded) as (client, peer), websocket(commanded) as (other, other_peer):
        wait_until(lambda: len(sessions(asked)) == 2, "two sessions listed")
        one, _ = sessions(asked)
        assert one["peer"] == f"127.0.0.1:{client.port}"
        assert one["listener"] == commanded.http
        assert one["protocol"].lower() in ("ws", "websocket"), one
        if asked.is_json:
            assert (one["cluster_id"], one["backend_id"]) == ("two", "c")
            assert one["backend_address"] == str(commanded.backend)
        peer.send(b"before")
        assert client.receive_exactly(6) == b"before"
        token = one["token"]
        name = text_of(number_from(str(token)))
        text = f"Success: session {name} ({one['peer']}) is cut off\n"
        asked.done(f"sessions kill {token}", text)
        assert client.receive_rest(SECONDS_MAX) == b""
        assert peer.receive_rest(SECONDS_MAX) == b""
        # Nobody else is touched, and the token names nobody any more.
        other_peer.send(b"alive")
        assert other.receive_exactly(5) == b"alive"
        text = f"Request failed: there is no session {name}"
        asked.refused(
            f"sessions kill {token}", 1, text, "`sozutw sessions list` shows what there is."
        )
        assert len(sessions(asked)) == 1
    wait_until(lambda: sessions(asked) == [], "no session left")


# metrics


def value(asked: Asked, words: str, *path: str) -> int:
    """Return one number of those that are told; of workers, their sum."""
    name = path[-1]
    told = asked.told(f"metrics get {words}")
    if asked.is_json:
        if path[0] == "workers":
            held = told["METRICS"]["workers"].values()
            return sum(
                int(number) for one in held for number in one["proxy"][name]["inner"].values()
            )
        found = told["METRICS"]
        for step in path:
            found = found[int(step) if step.isdigit() and isinstance(found, list) else step]
        (number,) = found["inner"].values()
        return int(number)
    lines = [line for line in told if line.split()[:1] == [name]]
    assert len(lines) == 1 or path[0] == "workers"
    return sum(int(line.split()[1]) for line in lines)


def test_what_was_served_was_counted_and_is_cleared(commanded: Commanded, asked: Asked) -> None:
    asked.done("metrics clear")
    assert value(asked, "-n http.requests", "proxying", "http.requests") == 0
    sent = received = 0
    for path, host, status in (
        ("/", "one.test", 200),
        ("/", "one.test", 200),
        ("/", "nix.test", 404),
    ):
        sent += len(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
        told, head, body = commanded.ask(path, host)
        assert told == status
        received += len(head) + len(body)
    for name, number in (
        ("http.requests", 3),
        ("http.status.200", 2),
        ("http.status.404", 1),
        ("bytes_in", sent),
        ("bytes_out", received),
    ):
        assert value(asked, f"--names {name} --no-clusters", "proxying", name) == number, name
    assert value(asked, "-k one -n requests", "clusters", "one", "cluster", "requests") == 2
    words = "--workers -n http.requests --no-clusters"
    assert value(asked, words, "workers", "http.requests") == 3
    asked.done("metrics clear")
    assert value(asked, "-w -n http.status.200", "workers", "http.status.200") == 0


def test_the_names_of_metrics_are_listed(asked: Asked) -> None:
    told = asked.told("metrics get --list")
    if asked.is_json:
        held = told["AVAILABLE_METRICS"]
        assert "http.requests" in held["proxy_metrics"]
        assert "requests" in held["cluster_metrics"]
    else:
        assert "  http.requests" in told
        assert told.index("Of the proxy") < told.index("Of clusters") < told.index("  requests")
    assert asked.told("metrics get -l") == told


def test_clusters_and_backends_are_chosen_by_name(commanded: Commanded, asked: Asked) -> None:
    def told_of(words: str) -> set[str]:
        told = asked.told(f"metrics get {words}")
        if asked.is_json:
            return set(told["METRICS"]["clusters"])
        return {line.split()[1] for line in told if line.startswith("Cluster ")}

    commanded.answers()
    assert told_of("") == {"one", "two"}
    assert told_of("--clusters one") == {"one"}
    assert told_of("-k one,two") == {"one", "two"}
    assert told_of("-k one -k two") == {"one", "two"}
    assert told_of("--no-clusters") == set()
    result = asked.call("metrics get --clusters nix")
    assert (result.exit_code, result.stderr) == (0, "Note: there is no cluster 'nix'\n")


def test_metrics_can_be_left_out_and_told_again(commanded: Commanded, asked: Asked) -> None:
    asked.done("metrics disable")
    assert "Cluster one" not in str(asked.told("metrics get"))
    result = asked.call("metrics get -k one")
    assert result.stderr == "Note: clusters and backends are left out until metrics are enabled\n"
    asked.done("metrics enable")
    told = asked.told("metrics get -k one")
    assert "one" in (told["METRICS"]["clusters"] if asked.is_json else told[-2] + str(told))


def test_a_lease_of_more_detail_tells_backends(commanded: Commanded, asked: Asked) -> None:
    result = asked.call("metrics get -b a")
    note = "Note: the detail is cluster; detail in [metrics] of the configuration raises it\n"
    assert (result.exit_code, result.stderr) == (0, note)
    lease = pb.SetMetricDetail(client_id="test", detail=pb.DETAIL_BACKEND, ttl_seconds=60)
    with commanded.client() as client:
        client.request(pb.Request(set_metric_detail=lease))
        commanded.answers()
        commanded.answers()
        told = asked.told("metrics get --backends a")
        if asked.is_json:
            held = told["METRICS"]["clusters"]["one"]["backends"]
            assert [one["backend_id"] for one in held] == ["a"]
        else:
            assert "Backend one/a" in told
            assert "Backend one/b" not in told
        end = pb.SetMetricDetail(client_id="test", clear=True)
        client.request(pb.Request(set_metric_detail=end))
    assert asked.call("metrics get -b a").stderr == note


def test_metrics_are_told_again_and_again_until_interrupted(commanded: Commanded) -> None:
    with commanded.run("metrics get -n http.requests -r 1") as command:
        command.wait_for_text("http.requests")
        wait_until(lambda: command.stdout().count("http.requests") == 2, "the second time")
        command.signal(signal.SIGINT)
        assert command.wait() == 130
        assert command.stderr() == ""


# status, logging, upgrade


def test_the_process_is_told(commanded: Commanded, asked: Asked) -> None:
    told = asked.told("status")
    pids = [info.pid for info in commanded.roll()]
    if not commanded.workers:
        assert pids == [commanded.process.pid]
    if asked.is_json:
        vec = [{"id": n, "pid": pid, "run_state": 0} for n, pid in enumerate(pids)]
        assert told == {"WORKERS": {"vec": vec}}
    else:
        assert [line.split() for line in told] == [
            ["WORKER", "PID", "STATE"],
            *([str(number), str(pid), "running"] for number, pid in enumerate(pids)),
        ]


def test_the_log_tells_more_and_less(commanded: Commanded, asked: Asked) -> None:
    def audits() -> int:
        return commanded.process.stdout().count("INFO MAIN\tAUDIT")

    asked.done("logging error")
    before = audits()
    asked.told("status")
    asked.done("logging error,sozutw.control=info")
    asked.done("logging info")
    wait_until(lambda: audits() > before, "audit lines again")
    text = (
        "Request failed: Error parsing logging filter: 'loud' is not a level; one of off, error, "
    )
    asked.refused("logging sozutw=loud", 1, text + "warn, info, debug, trace is meant")
