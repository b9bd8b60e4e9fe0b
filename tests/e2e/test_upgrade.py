"""New processes take over one after the other, and no client and no order is lost."""

import json
import os
import signal
import socket
from pathlib import Path

import pytest

from sozutw.control.client import Client
from sozutw.control.faults import RefusedError
from sozutw.control.proto import command_pb2 as pb
from tests.e2e.commanded import Asked
from tests.e2e.harness import connect, is_refused, wait_until
from tests.e2e.harness import get as fetch
from tests.e2e.live import Download, Upload, WebSocket, wait_for_file
from tests.e2e.stage import SECONDS_MAX, get, response, status_of
from tests.e2e.tls import shown_by, tls_connect, trusting
from tests.e2e.upgraded import (
    QUICK,
    SLOW,
    Generations,
    children_of,
    load,
    wait_for_answers,
)

UPGRADES = 10


@pytest.mark.timeout(180)
def test_ten_upgrades_under_load_fail_no_request(tmp_path: Path) -> None:
    with Generations(tmp_path) as place:
        at_rest = place.descriptors()
        with load(place) as loaders:
            for _ in range(UPGRADES):
                wait_for_answers(loaders, 5)
                old = place.upgrade()
                wait_for_answers(loaders, 5)
                place.expect_end(old)
        for name, loader in loaders.items():
            bad = {k: v for k, v in loader.outcomes.items() if k not in {"answered", "told to go"}}
            assert not bad, (name, loader.outcomes)
        assert loaders["kept"].outcomes["told to go"] >= UPGRADES
        place.expect_in_charge()
        # Connections to backends that nobody uses are kept for a while.
        idle = place.crowd.connections
        wait_until(
            lambda: len(place.descriptors()) - idle <= len(at_rest) + 2,
            "descriptors at baseline",
            said=lambda: f"{at_rest}\n{place.descriptors()}",
        )
        place.stop()
        assert not place.pid_path.exists()
        assert not place.socket_path.exists()


def test_what_is_under_way_ends_in_the_old_process_however_long_it_takes(tmp_path: Path) -> None:
    # The deadline of a stop is short, and does not hold.
    with Generations(tmp_path, "graceful_shutdown_timeout = 1") as place:
        held = [kind(place.client(), place.slow) for kind in (WebSocket, Download, Upload)]
        idle = place.client()
        first = place.upgrade()
        second = place.upgrade()
        assert place.left == [first, second]
        place.expect_gone(second)
        # The new one serves the whole while.
        place.expect_in_charge()
        idle.expect_silence(1.5)
        for one in held:
            one.check()
            one.exchange()
            one.end()
        # Who was idle all the time has his next request answered, and is told to go.
        idle.send(get("/", QUICK))
        head, _body = idle.receive_message(SECONDS_MAX)
        assert status_of(head) == 200
        assert b"\r\nConnection: close\r\n" in head
        assert first in place.left
        for one in held:
            one.client.close()
            one.back.close()
        place.expect_end(first)
        place.expect_in_charge()


def test_the_old_process_can_still_be_told_to_stop(tmp_path: Path) -> None:
    with Generations(tmp_path, "graceful_shutdown_timeout = 1") as place:
        client = place.client()
        client.send(get("/", SLOW))
        peer = place.slow.accept()
        peer.receive_until(b"\r\n\r\n")
        old = place.upgrade()
        os.kill(old, signal.SIGTERM)
        # Softly: an answer in time would still come; here none does.
        place.first.wait_for_text("stopping: 1 connection left (1 in an exchange), at most 1 s")
        client.receive_rest()
        peer.expect_end()
        place.expect_end(old)
        assert "1 s are over" in place.first.stderr()
        place.expect_in_charge()


def test_what_was_ordered_goes_over_and_what_was_not_asked_for_does_not_come(
    tmp_path: Path,
) -> None:
    saved = tmp_path / "state.json"
    top = f'saved_state = "{saved}"\nautomatic_state_save = true'
    with Generations(tmp_path, top) as place:
        new = place.authority.issue("new.test")
        new.write(tmp_path, "new")
        pem, key = tmp_path / "new.certificate.pem", tmp_path / "new.key.pem"
        certificate = f"--certificate {pem} --certificate-chain {pem} --key {key}"
        asked = place.asked
        for words in (
            f"listener http add -a {place.idle_at}",
            f"frontend http add -a {place.idle_at} --hostname back.test id quick",
            f"listener http remove -a {place.idle_at}",
            f"frontend http add -a {place.at} --hostname two.test id quick",
            f"frontend https add -a {place.tls_at} --hostname new.test id quick",
            f"certificate add -a {place.tls_at} {certificate}",
            "cluster health-check set -i quick -u /healthy --interval 60",
            f"backend remove -i quick --backend-id b -a 127.0.0.1:{place.crowd.ports['b']}",
        ):
            asked.done(words)
        before = dump_of(place)
        (tmp_path / "sozutw.toml").write_text(
            place.text + '[clusters.later]\nprotocol = "http"\nfrontends = []\nbackends = []\n'
        )
        old = place.upgrade()
        place.expect_end(old)
        assert dump_of(place) == before
        assert is_refused(place.idle_port)
        status, _, body = fetch(place.port, "/", "two.test")
        assert (status, body) == (200, b"a")
        with tls_connect(place.tls_port, trusting(place.authority), "new.test") as client:
            assert shown_by(client) == new.fingerprint
        # Rules outlive their listener, and are there when it comes back.
        asked.done(f"listener http add -a {place.idle_at}")
        asked.done(f"listener http activate -a {place.idle_at}")
        assert fetch(place.idle_port, "/", "back.test")[0] == 200
        # What the file says now is in force when somebody asks for it.
        place.asked.call("reload")
        assert "later" in place.asked.call("cluster list").output
        wait_for_file(saved, b"later")
        place.stop()


def dump_of(place: Generations) -> object:
    """Return all that is configured, as a state file tells it."""
    path = place.folder / "dump.json"
    result = place.asked.call(f"state save -f {path}")
    assert result.exit_code == 0, result.output
    records = [json.loads(one) for one in path.read_bytes().split(b"\n\0") if one]
    return [record["content"] for record in records]


def test_sockets_files_and_addresses_go_over(tmp_path: Path) -> None:
    with Generations(tmp_path) as place:
        inode = place.socket_path.stat().st_ino
        held = place.client()
        held.send(get("/", SLOW))
        peer = place.slow.accept()
        with Client(place.socket_path, SECONDS_MAX) as kept, Client(place.socket_path) as listening:
            events = listening.events()
            kept.request(pb.Request(status=pb.Status()))
            old = place.upgrade()
            assert place.socket_path.stat().st_ino == inode
            assert place.told_pid() == place.pid
            # While the old one drains, every probe and every command meets the new one.
            for _ in range(8):
                assert fetch(place.admin_port, "/readyz")[::2] == (200, b"ready\n")
                (_, line) = place.asked.told("status")
                assert line.split()[1] == str(place.pid)
            # Who is still connected to the old one is not told that a change was made.
            for change in (
                pb.Request(remove_cluster="quick"),
                pb.Request(save_state=str(tmp_path / "late.json")),
                pb.Request(upgrade_main=pb.UpgradeMain()),
            ):
                with pytest.raises(RefusedError, match="another process has taken over"):
                    kept.request(change)
            assert [next(events)[1].kind for _ in range(2)] == [
                pb.EVENTS_SUBSCRIBED,
                pb.MAIN_UPGRADED,
            ]
        peer.receive_until(b"\r\n\r\n")
        peer.send(response(b"late"))
        assert held.receive_message(SECONDS_MAX)[1] == b"late"
        place.expect_end(old)
        assert place.socket_path.exists()
        assert place.told_pid() == place.pid
        assert place.answer() in "ab"
        wait_until(lambda: place.access_path.read_text().count("GET") == 2, "both in the log")
        noted = place.audit_path.read_text().splitlines()
        done = [line for line in noted if "verb=main_upgraded" in line]
        assert ["result=ok" in line for line in done] == [True, False]
        place.stop()


def test_clients_in_the_kernels_queue_are_served_by_whoever_is_there(tmp_path: Path) -> None:
    with Generations(tmp_path) as place:
        old = place.upgrade()
        place.expect_end(old)
        os.kill(place.pid, signal.SIGSTOP)
        waiting = [place.client() for _ in range(20)]
        for client in waiting:
            client.send(get("/", QUICK))
        with socket.socket(socket.AF_UNIX) as command:
            command.connect(str(place.socket_path))
            os.kill(place.pid, signal.SIGCONT)
            old = place.upgrade()
        for client in waiting:
            head, _ = client.receive_message(SECONDS_MAX)
            assert status_of(head) == 200
            client.close()
        place.expect_end(old)


def test_a_child_that_is_replaced_in_turn_is_no_zombie(tmp_path: Path) -> None:
    with Generations(tmp_path) as place:
        held = place.client()
        held.send(get("/", SLOW))
        peer = place.slow.accept()
        first = place.upgrade()
        assert children_of(first) == [place.pid]
        second = place.upgrade()
        place.expect_gone(second)
        assert children_of(first) == []
        peer.receive_until(b"\r\n\r\n")
        peer.send(response(b"late"))
        assert held.receive_message(SECONDS_MAX)[1] == b"late"
        place.expect_end(first)
        place.expect_in_charge()


def test_what_twistd_began_goes_on_under_its_pid_file(tmp_path: Path) -> None:
    with Generations(tmp_path, by_twistd=True) as place:
        assert place.told_pid() == place.first.pid
        for _ in range(2):
            old = place.upgrade()
            place.expect_end(old)
            assert place.told_pid() == place.pid
        place.stop()
        assert not place.pid_path.exists()


def test_other_places_in_the_file_are_taken_by_the_new_process(tmp_path: Path) -> None:
    with Generations(tmp_path) as place:
        place.config.write_text(
            place.text.replace(place.admin_at, place.idle_at).replace("s.sock", "other.sock")
        )
        result = place.asked.call(f"-s {place.socket_path} upgrade")
        assert result.exit_code == 0, result.output
        place.left.append(place.pid)
        place.pid = place.told_pid()
        place.expect_end(place.first.pid)
        assert fetch(place.idle_port, "/readyz")[0] == 200
        assert is_refused(place.admin_port)
        assert not place.socket_path.exists()
        place.expect_in_charge()
        # A socket file that somebody removed comes back.
        with Client(tmp_path / "other.sock", SECONDS_MAX) as client:
            (tmp_path / "other.sock").unlink()
            assert client.request(pb.Request(upgrade_main=pb.UpgradeMain())).status == pb.OK
        place.left.append(place.pid)
        old, place.pid = place.pid, place.told_pid()
        place.expect_end(old)
        place.expect_in_charge()
        connect(place.port).close()


def test_a_file_that_is_broken_by_now_is_told_to_whoever_asks(tmp_path: Path) -> None:
    with Generations(tmp_path) as place:
        place.has_failed = True
        held = WebSocket(place.client(), place.slow)
        place.config.write_text(place.text + "adress = 1\n")
        why = pytest.raises(RefusedError, match=r"sozutw\.toml:\d+: unknown key adress")
        with Client(place.socket_path, SECONDS_MAX) as client, why:
            client.request(pb.Request(upgrade_main=pb.UpgradeMain()))
        place.config.unlink()
        result = Asked("-s", str(place.socket_path)).call("upgrade")
        assert result.exit_code == 1
        assert result.stderr.startswith(
            "Request failed: Upgrade of main process failed: the new process refused: "
        )
        assert "No such file" in result.stderr
        place.wait_for_log("the upgrade failed: the new process refused: ")
        held.exchange()
        place.config.write_text(place.text)
        place.expect_in_charge()
        old = place.upgrade()
        held.end()
        held.back.close()
        place.expect_end(old)


def test_who_asked_may_leave_before_it_is_done(tmp_path: Path) -> None:
    with Generations(tmp_path) as place:
        client = Client(place.socket_path, SECONDS_MAX)
        client.ask(pb.Request(upgrade_main=pb.UpgradeMain()))
        client.close()
        wait_until(lambda: place.told_pid() not in {0, place.pid}, "another process told of")
        old, place.pid = place.pid, place.told_pid()
        place.left.append(old)
        place.expect_end(old)
        place.expect_in_charge()


def test_a_stop_in_the_middle_of_an_upgrade_leaves_no_process(tmp_path: Path) -> None:
    with Generations(tmp_path) as place:
        place.has_failed = True
        held = place.client()
        held.send(get("/", SLOW))
        peer = place.slow.accept()
        with Client(place.socket_path, SECONDS_MAX) as client:
            answers = client.ask(pb.Request(upgrade_main=pb.UpgradeMain()))
            wait_until(lambda: bool(children_of(place.pid)), "the new process begun")
            (child,) = children_of(place.pid)
            place.left.append(child)
            os.kill(place.pid, signal.SIGTERM)
            *_, last = answers
        assert last.status == pb.FAILURE
        assert "this process was told to stop meanwhile" in last.message
        place.expect_gone(child)
        peer.receive_until(b"\r\n\r\n")
        peer.send(response(b"late"))
        assert held.receive_message(SECONDS_MAX)[1] == b"late"
        place.left.append(place.pid)
        place.expect_end(place.pid)
        assert not place.socket_path.exists()
        assert not place.pid_path.exists()
