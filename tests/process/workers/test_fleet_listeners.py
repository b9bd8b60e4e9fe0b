"""A listener that comes and goes, also within one change: workers accept where it is active."""

from collections.abc import Iterator

import pytest

from sozutw.config.model import HttpListener, InetAddress, ListenerKind
from sozutw.config.requests import (
    ActivateListener,
    AddHttpListener,
    DeactivateListener,
    RemoveListener,
    Request,
)
from tests.e2e.harness import ReservedPort
from tests.fakes.fleet import FleetWorld, worlds


@pytest.fixture
def port() -> Iterator[int]:
    with ReservedPort() as reserved:
        yield reserved.port


@pytest.fixture
def world(port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[FleetWorld]:
    yield from worlds(monkeypatch)


@pytest.mark.parametrize("before", ["", "a", "ad"])
@pytest.mark.parametrize("change", ["a", "d", "ad", "da", "ada", "dad", "rca", "drca", "drcad"])
@pytest.mark.parametrize("is_told_between", [False, True])
def test_workers_accept_where_it_is_active(
    world: FleetWorld, port: int, before: str, change: str, is_told_between: bool
) -> None:
    at = InetAddress("127.0.0.1", port)
    orders: dict[str, Request] = {
        "a": ActivateListener(at, ListenerKind.HTTP),
        "d": DeactivateListener(at, ListenerKind.HTTP),
        "r": RemoveListener(at, ListenerKind.HTTP),
        "c": AddHttpListener(HttpListener(at)),
    }
    world.begin()
    world.apply(orders["c"])
    for one in before:
        world.apply(orders[one])
    if is_told_between:
        world.settle()
    world.apply(*(orders[one] for one in change))
    world.settle()
    world.assert_all_agree()
    assert set(world.sockets.every()) == ({at} if change.endswith("a") else set())
    assert not world.sockets._parting
    assert world.log == [], "nobody had to be replaced"
