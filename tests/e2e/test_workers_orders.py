"""Orders reach all workers, those too that are begun later, while clients ask all the time."""

import random
import resource
from pathlib import Path

import pytest

from sozutw.control.changes.changes import MISSED
from sozutw.control.client import Client, RefusedError, written
from sozutw.control.proto import command_pb2 as pb
from tests.e2e.commanded import finish
from tests.e2e.harness import connect, is_refused, wait_until
from tests.e2e.harness import get as fetch
from tests.e2e.stage import SECONDS_MAX, get, response, status_of
from tests.e2e.tls import shown_by, tls_connect, trusting
from tests.e2e.upgraded import QUICK, SLOW, load, wait_for_answers
from tests.e2e.workers import DIED, FINE, Manned, hashes_of

ORDERS = 100
NEW = "new.test"


@pytest.mark.parametrize("killed", [None, 1], ids=["all live", "one dies"])
def test_orders_under_load_reach_every_worker(tmp_path: Path, killed: int | None) -> None:
    chance = random.Random(5)
    with (
        Manned(tmp_path) as place,
        load(place) as loaders,
        Client(place.socket_path, 2 * SECONDS_MAX) as command,
    ):
        before = place.workers()
        missed: list[tuple[int, str]] = []
        for number in range(ORDERS):
            if number == ORDERS // 2 and killed is not None:
                place.kill(before[killed])
            try:
                order(command, place, chance, number)
            except RefusedError as error:
                missed.append((number, error.response.message))
        # It is in force, and the next worker has it; the one that was killed never had.
        text = f"{MISSED}\nworker {killed}: its channel closed"
        assert missed in ([], [(ORDERS // 2, text)])
        command.batch(
            written.add_http_frontend(place.at, f"batch{n}.test", "quick") for n in range(ORDERS)
        )
        # A reload puts the file in force again, and a bit more.
        more = f'[clusters.more]\nprotocol = "http"\n{rules_of(place, "more.test")}backends = []\n'
        place.config.write_text(place.text + more)
        assert "0 errors" in command.request(pb.Request(reload_configuration="")).message
        command.batch(
            written.add_http_frontend(place.at, f"last{n}.test", "quick") for n in range(ORDERS)
        )
        wait_for_answers(loaders, 3)
        place.wait_for_workers()
        expect_same(place)
        hosts = {
            "last0.test": 200,
            f"last{ORDERS - 1}.test": 200,
            "more.test": 503,
            "batch0.test": 404,
        }
        for host, status in hosts.items():
            assert fetch(place.port, "/", host)[0] == status, host
    for name, loader in loaders.items():
        kinds = {what.partition(":")[0] for what in loader.outcomes}
        assert kinds <= (FINE if killed is None else FINE | DIED), (name, loader.outcomes)


def order(command: Client, place: Manned, chance: random.Random, number: int) -> None:
    """Have something changed that the loaders do not see."""
    cluster, host = f"c{number % 7}", f"h{number // 4}.test"
    port = chance.choice(list(place.crowd.ports.values()))
    match number % 4:
        case 0:
            command.add_cluster(cluster, load_balancing=chance.choice(["RANDOM", "ROUND_ROBIN"]))
        case 1:
            command.add_backend(cluster, f"b{number}", f"127.0.0.1:{port}")
        case 2:
            command.add_http_frontend(place.at, host, cluster)
        case _ if number % 8 == 3:
            command.remove_http_frontend(place.at, host, f"c{(number - 1) % 7}")
        case _:
            command.remove_cluster(f"c{(number - 3) % 7}")


def rules_of(place: Manned, host: str) -> str:
    """Write the rules of a cluster that has one."""
    return f'frontends = [{{ address = "{place.at}", hostname = "{host}" }}]\n'


def expect_same(place: Manned) -> None:
    """Demand that all processes tell the same of every cluster."""
    told = hashes_of(place)
    assert set(told) == {"main", "0", "1"}
    assert told["0"] == told["1"] == told["main"], told
    lines = place.asked.told("cluster list")
    assert {line.split()[-1] for line in lines[1:]} == {"same"}


def test_a_listener_comes_and_goes_in_all_workers(tmp_path: Path) -> None:
    with Manned(tmp_path) as place:
        at_rest = place.census()
        asked = place.asked
        assert is_refused(place.idle_port)
        asked.done(f"listener http add -a {place.idle_at}")
        asked.done(f"frontend http add -a {place.idle_at} --hostname {QUICK} id quick")
        assert is_refused(place.idle_port)
        for _ in range(2):
            asked.done(f"listener http activate -a {place.idle_at}")
            serve_in_both(place)
            asked.done(f"listener http deactivate -a {place.idle_at}")
            assert is_refused(place.idle_port)
        asked.done(f"listener http activate -a {place.idle_at}")
        # Those that are begun later have it too.
        for worker, pid in place.workers().items():
            place.kill(pid)
            place.wait_for_another(worker, pid)
        place.wait_for_workers()
        serve_in_both(place)
        asked.done(f"listener http remove -a {place.idle_at}")
        # Its socket is closed in all processes.
        assert is_refused(place.idle_port)
        place.wait_for_census(at_rest)
        # Activated and taken back within one change, there is no socket for it.
        with Client(place.socket_path, SECONDS_MAX) as command:
            command.batch(
                [
                    written.add_http_listener(place.idle_at),
                    written.activate_listener(place.idle_at),
                    written.remove_listener(place.idle_at),
                ]
            )
        assert is_refused(place.idle_port)
        place.wait_for_census(at_rest)
        place.stop()


def serve_in_both(place: Manned) -> None:
    """Demand that the listener that came is served by both workers."""
    for worker in (0, 1):
        with place.only(worker), connect(place.idle_port) as client:
            client.send(get("/", QUICK))
            assert status_of(client.receive_message(SECONDS_MAX)[0]) == 200


def test_a_certificate_comes_and_is_replaced_in_all_workers(tmp_path: Path) -> None:
    with Manned(tmp_path) as place:
        files, issued = {}, {}
        for name in ("one", "two"):
            issued[name] = place.authority.issue(NEW)
            issued[name].write(tmp_path, name)
            files[name] = [tmp_path / f"{name}.{kind}.pem" for kind in ("certificate", "key")]
        pem, key = files["one"]
        chain = f"--certificate-chain {pem}"
        place.asked.done(
            f"certificate add -a {place.tls_at} --certificate {pem} {chain} --key {key}"
        )
        assert shown(place) == {issued["one"].fingerprint}
        pem, key = files["two"]
        new = f"--new-certificate {pem} --new-certificate-chain {pem} --new-key {key}"
        old = issued["one"].fingerprint
        place.asked.done(f"certificate replace -a {place.tls_at} {new} -f {old}")
        assert shown(place) == {issued["two"].fingerprint}
        victim = place.workers()[0]
        place.kill(victim)
        place.wait_for_another(0, victim)
        assert shown(place) == {issued["two"].fingerprint}
        place.stop()


def shown(place: Manned) -> set[str]:
    """Return the fingerprints of the certificates that new clients are shown, in both workers."""
    found = set()
    for worker in (0, 1):
        with place.only(worker), tls_connect(place.tls_port, trusting(None), NEW) as client:
            found.add(shown_by(client))
    return found


def test_settings_of_a_reload_hold_in_all_workers_and_in_later_ones(tmp_path: Path) -> None:
    with Manned(tmp_path) as place:
        place.config.write_text('max_connections_per_ip = 1\nlog_level = "debug"\n' + place.text)
        result = place.asked.call("reload")
        assert "0 errors" in result.stdout, result.output
        expect_limited(place)
        victim = place.workers()[1]
        place.kill(victim)
        place.wait_for_another(1, victim)
        place.wait_for_workers()
        expect_limited(place)
        place.asked.call("connection-limit remove")
        expect_unlimited(place)
        place.stop()


def expect_limited(place: Manned) -> None:
    """Demand that one address has one connection to a cluster, in each worker."""
    for worker in (0, 1):
        first, second = place.client_of(worker), place.client_of(worker)
        first.send(get("/", SLOW))
        peer = place.slow.accept()
        peer.receive_until(b"\r\n\r\n")
        second.send(get("/", SLOW))
        assert status_of(second.receive_message(SECONDS_MAX)[0]) == 429
        finish(peer, first)
        second.close()
    wait_until(lambda: not place.sessions(), "no client left")


def expect_unlimited(place: Manned) -> None:
    """Demand that it may have several."""
    for worker in (0, 1):
        clients = [place.client_of(worker) for _ in range(3)]
        for client in clients:
            client.send(get("/", SLOW))
        peers = [place.slow.accept() for _ in clients]
        for peer in peers:
            peer.receive_until(b"\r\n\r\n")
            peer.send(response(b"", b"Connection: close\r\n"))
        for client, peer in zip(clients, peers, strict=True):
            assert status_of(client.receive_message(SECONDS_MAX)[0]) == 200
            client.close()
            peer.close()


def test_a_worker_that_cannot_take_a_change_is_told_of_and_replaced(tmp_path: Path) -> None:
    with Manned(tmp_path) as place:
        at_rest = place.census()
        asked = place.asked
        asked.done(f"listener http add -a {place.idle_at}")
        asked.done(f"frontend http add -a {place.idle_at} --hostname {QUICK} id quick")
        victim = place.workers()[0]
        held = place.client_of(1)
        allow_no_more_descriptors(victim)
        place.has_crashed = True
        result = asked.call(f"listener http activate -a {place.idle_at}")
        assert result.exit_code == 5, result.output
        assert MISSED in result.stderr
        assert "worker 0: " in result.stderr
        assert "worker 1" not in result.stderr
        # It is in force all the same, and the next worker has it.
        place.wait_for_another(0, victim)
        place.wait_for_workers()
        place.ask(held)
        serve_in_both(place)
        expect_same(place)
        asked.done(f"listener http remove -a {place.idle_at}")
        held.close()
        place.wait_for_census(at_rest)
        place.stop()


def allow_no_more_descriptors(pid: int) -> None:
    """Let a process open nothing, and be given nothing: as if somebody had used it all up."""
    used = {int(one.name) for one in Path(f"/proc/{pid}/fd").iterdir()}
    lowest = min(set(range(len(used) + 1)) - used)
    _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (lowest, hard))
