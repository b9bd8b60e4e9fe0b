"""`backend add` and `remove`: each option is a field, and what is not given is not sent."""

from pathlib import Path

import pytest

from sozutw.control.proto import command_pb2 as pb
from tests.cli.scripted import LOOPBACK, asked, call

WHICH = ["-i", "shop", "--backend-id", "b1", "-a", "127.0.0.1:8080"]


def added(**more: object) -> pb.Request:
    backend = pb.AddBackend(cluster_id="shop", backend_id="b1", address=LOOPBACK)
    backend.MergeFrom(pb.AddBackend(**more))  # type: ignore[arg-type]
    return pb.Request(add_backend=backend)


ADDED = [
    ([], {}),
    (["-s", "x"], {"sticky_id": "x"}),
    (["--sticky-id", "x"], {"sticky_id": "x"}),
    (["-b", "true"], {"backup": True}),
    (["--backup", "false"], {"backup": False}),
    (["-w", "7"], {"load_balancing_parameters": pb.LoadBalancingParams(weight=7)}),
    (["--weight", "255"], {"load_balancing_parameters": pb.LoadBalancingParams(weight=255)}),
]


@pytest.mark.parametrize(("words", "fields"), ADDED, ids=str)
def test_what_is_given_is_sent(tmp_path: Path, words: list[str], fields: dict[str, object]) -> None:
    assert asked(tmp_path, "backend", "add", *WHICH, *words) == added(**fields)


def test_the_long_spellings_are_the_same(tmp_path: Path) -> None:
    words = ["--id", "shop", "--backend-id", "b1", "--address", "127.0.0.1:8080"]
    assert asked(tmp_path, "backend", "add", *words) == added()


def test_a_backend_is_removed(tmp_path: Path) -> None:
    removed = pb.RemoveBackend(cluster_id="shop", backend_id="b1", address=LOOPBACK)
    assert asked(tmp_path, "backend", "remove", *WHICH) == pb.Request(remove_backend=removed)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("[::1]:80", pb.SocketAddress(ip=pb.IpAddress(v6=pb.Uint128(low=1, high=0)), port=80)),
        ("app.example:80", pb.SocketAddress(ip=pb.IpAddress(), port=0, other="app.example:80")),
        ("unix:/run/a.sock", pb.SocketAddress(ip=pb.IpAddress(), port=0, other="unix:/run/a.sock")),
    ],
)
def test_addresses_of_every_kind_are_taken(
    tmp_path: Path, text: str, meant: pb.SocketAddress
) -> None:
    words = ["-i", "shop", "--backend-id", "b1", "-a", text]
    assert asked(tmp_path, "backend", "add", *words).add_backend.address == meant


@pytest.mark.parametrize("bad", ["nonsense", "1.2.3.4", "1.2.3.4:0", "1.2.3.4:70000", "::1:80"])
def test_a_bad_address_says_what_is_meant(bad: str) -> None:
    result = call("backend", "add", "-i", "shop", "--backend-id", "b1", "-a", bad)
    assert result.exit_code == 2
    assert repr(bad) in result.stderr
    assert " meant" in result.stderr or "brackets" in result.stderr


@pytest.mark.parametrize("missing", ["-i", "--backend-id", "-a"])
@pytest.mark.parametrize("action", ["add", "remove"])
def test_what_says_which_backend_is_required(action: str, missing: str) -> None:
    words = list(WHICH)
    at = words.index(missing)
    del words[at : at + 2]
    result = call("backend", action, *words)
    assert result.exit_code == 2
    assert missing in result.stderr


@pytest.mark.parametrize("weight", ["0", "256", "x"])
def test_a_weight_that_the_wire_cannot_say_is_refused(weight: str) -> None:
    assert call("backend", "add", *WHICH, "-w", weight).exit_code == 2
