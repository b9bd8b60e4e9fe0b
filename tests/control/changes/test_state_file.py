"""State files: whole or not at all, and for nobody else's eyes."""

import os
from pathlib import Path

import pytest

from sozutw.config import requests as orders
from sozutw.config.model import Cluster, HttpListener, HttpsListener, InetAddress
from sozutw.config.security import BackendTls, CertificateAndKey
from sozutw.config.state import RefusedRequestError
from sozutw.control.changes import state_file
from sozutw.control.changes.state_file import StateFile, Withheld, read_state, requests_in
from sozutw.control.messages.records import BadRecordError, write_records
from sozutw.control.proto import command_pb2 as pb
from tests.config.conftest import pem

HERE = InetAddress("127.0.0.1", 8443)
HELD = CertificateAndKey(pem("one"), "PRIVATE KEY")
CLUSTERS = [orders.AddCluster(Cluster(str(n))) for n in range(200)]


def written(path: Path, requests: list[orders.Request]) -> StateFile:
    file = StateFile(str(path))
    for _ in file.steps(requests):
        pass
    file.settle()
    return file


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "state"
    assert written(path, list(CLUSTERS)).records == 200
    assert list(requests_in(read_state(str(path)))) == CLUSTERS
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["state"]


def test_it_is_written_in_small_steps_and_the_old_one_stays_till_the_end(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.write_text("old")
    file = StateFile(str(path))
    assert len(list(file.steps(CLUSTERS))) == 3
    assert path.read_text() == "old"
    file.settle()
    assert path.read_bytes().count(b"\0") == 200


def test_a_write_that_fails_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.write_text("old")

    def broken() -> object:
        yield CLUSTERS[0]
        raise ZeroDivisionError

    file = StateFile(str(path))
    with pytest.raises(ZeroDivisionError):
        list(file.steps(broken()))  # type: ignore[arg-type]
    assert os.listdir(tmp_path) == ["state"]
    assert path.read_text() == "old"


def test_a_file_that_cannot_be_put_in_its_place_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "state"
    file = StateFile(str(path))
    list(file.steps(CLUSTERS))
    path.mkdir()
    (path / "x").touch()
    with pytest.raises(OSError, match=r"director|exists"):
        file.settle()
    assert os.listdir(tmp_path) == ["state"]


def test_what_one_of_our_number_left_behind_is_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "state"
    (tmp_path / f"state.{os.getpid()}.new").write_text("torn")
    written(path, list(CLUSTERS))
    assert os.listdir(tmp_path) == ["state"]


def test_a_link_in_the_place_of_the_new_file_is_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "state"
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / f"state.{os.getpid()}.new").symlink_to(victim)
    written(path, list(CLUSTERS))
    assert victim.read_text() == "mine"


def test_what_is_no_file_is_left_where_it_is(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for path in (pipe, link, tmp_path):
        with pytest.raises(OSError, match="that is no file"):
            list(StateFile(str(path)).steps(CLUSTERS))
    assert pipe.is_fifo()
    assert sorted(os.listdir(tmp_path)) == ["link", "pipe"]
    with pytest.raises(OSError, match="NUL"):
        list(StateFile("a\0b").steps(CLUSTERS))


# Reading.


def refusal(path: Path) -> str:
    with pytest.raises(RefusedRequestError) as caught:
        read_state(str(path))
    return str(caught.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
def test_a_file_that_others_may_read_or_write_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "state"
    path.touch()
    path.chmod(mode)
    assert f"(mode {mode:04o})" in refusal(path)
    assert f"chmod 600 {path}" in refusal(path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    assert refusal(pipe) == f"{pipe} is no file"


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "a\0b") == "a path has no NUL in it"
    assert refusal(tmp_path / "none") == f"Cannot find file at path {tmp_path / 'none'}"
    assert "Is a directory" in refusal(tmp_path)
    fifo = Path("/dev/null")
    assert "is no file" in refusal(fifo)


def test_a_file_of_somebody_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state"
    path.touch(mode=0o600)
    owner = path.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    if owner == 0:
        assert read_state(str(path)) == b""  # What root wrote is good.
        os.chown(path, 12345, -1)
        owner = 12345
    assert f"belongs to user {owner}" in refusal(path)
    # Before twistd drops its privileges, whose the process will be is as good as its own.
    assert read_state(str(path), owner) == b""


def test_a_file_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state"
    path.touch(mode=0o600)
    path.write_bytes(b"12345")
    monkeypatch.setattr(state_file, "BYTES_MAX", 4)
    assert "more than 4 bytes" in refusal(path)


def test_what_is_refused_stands_in_its_place() -> None:
    messages = [
        pb.Request(remove_cluster="app"),
        pb.Request(status=pb.Status()),
        pb.Request(remove_cluster="b"),
    ]
    first, second, third = requests_in(b"".join(write_records(messages)))
    assert (first, third) == (orders.RemoveCluster("app"), orders.RemoveCluster("b"))
    assert isinstance(second, RefusedRequestError)


def test_what_is_no_record_ends_it() -> None:
    data = b"".join(write_records([pb.Request(remove_cluster="app")])) + b"{"
    with pytest.raises(BadRecordError) as caught:
        list(requests_in(data))
    assert caught.value.number == 2


# Without keys.


def test_keys_are_left_out_with_what_is_of_no_use_without_them() -> None:
    withheld = Withheld()
    kept = list(
        withheld.without_keys(
            [
                orders.AddHttpsListener(HttpsListener(HttpListener(HERE), certificate=HELD)),
                orders.AddHttpsListener(HttpsListener(HttpListener(HERE))),
                orders.AddCertificate(HERE, HELD),
                orders.AddCluster(Cluster("a", backend_tls=BackendTls(certificate=HELD))),
                orders.AddCluster(Cluster("b", backend_tls=BackendTls())),
                orders.AddCluster(Cluster("c")),
            ]
        )
    )
    assert kept == [
        orders.AddHttpsListener(HttpsListener(HttpListener(HERE))),
        orders.AddHttpsListener(HttpsListener(HttpListener(HERE))),
        orders.AddCluster(Cluster("a", backend_tls=BackendTls())),
        orders.AddCluster(Cluster("b", backend_tls=BackendTls())),
        orders.AddCluster(Cluster("c")),
    ]
    assert str(withheld).startswith("without 1 certificates of frontends and 2 of listeners")


def test_who_asks_for_a_lock_that_is_not_known_gets_no_open_door(tmp_path: Path) -> None:
    path = tmp_path / "state"
    listener = orders.AddHttpsListener(HttpsListener(HttpListener(HERE)))
    written(path, [listener, CLUSTERS[0]])
    text = path.read_text().replace(
        '"ADD_HTTPS_LISTENER":{', '"ADD_HTTPS_LISTENER":{"client_auth":2,'
    )
    refused, taken = requests_in(text.encode())
    assert "client_auth is not known here" in str(refused)
    assert taken == CLUSTERS[0]
