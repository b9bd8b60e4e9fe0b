"""Who would be chosen, and what keeps each of the others from it."""

import random
from typing import Any

import pytest

from sozutw.balancing.backends import BackendState, ClusterState
from sozutw.config.model import Backend, Cluster, InetAddress, LoadBalancing
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.questions.explain_backends import backend_step
from sozutw.control.questions.passed_over import LISTED_MAX


def cluster(names: str, backups: str = "", policy: Any = LoadBalancing.ROUND_ROBIN) -> ClusterState:
    state = ClusterState(Cluster("c", policy))
    for number, name in enumerate(names + backups):
        address = InetAddress("127.0.0.1", 81 + number)
        state.upsert(Backend("c", name, address, backup=name in backups))
    return state


def step(
    state: ClusterState,
    now: float = 0.0,
    key: bytes | None = None,
    bound: BackendState | None = None,
    is_key_unknown: bool = False,
) -> pb.ExplanationStep:
    made = backend_step(state, now, key, bound, is_key_unknown=is_key_unknown)
    assert made.kind == "backend"
    return made


def others(made: pb.ExplanationStep) -> dict[str, str]:
    return {one.what.partition(" ")[0]: one.because for one in made.passed_over}


def test_whose_turn_it_is_is_told_and_stays_so() -> None:
    state = cluster("ab", "z")
    for expected in "abab":
        for _ in range(3):
            made = step(state)
            assert made.chosen.startswith(f"{expected} at 127.0.0.1:8")
        assert made.because == "ROUND_ROBIN chooses it among those available"
        assert others(made) == {
            "b" if expected == "a" else "a": "it is available, and not next (weight 100)",
            "z": "it is a backup: it serves when no other is available",
        }
        chosen = state.choose(0.0, None, random.random)
        assert chosen is not None
        assert chosen.backend_id == expected


def test_who_refused_is_left_alone_and_who_is_unhealthy_is_not_chosen() -> None:
    state = cluster("abc")
    a, b, _c = state.backends
    a.connect_failed(0.0, 0.0)
    a.connect_failed(1.0, 0.0)
    b.set_health(False)
    made = step(state, 1.5)
    assert made.chosen == "c at 127.0.0.1:83"
    assert others(made) == {
        "a": "it is left alone for 0.5 s more, after 2 failed dials",
        "b": "its health checks fail",
    }


def test_backups_are_told_as_such() -> None:
    state = cluster("a", "z")
    state.backends[0].set_health(False)
    made = step(state)
    assert made.chosen == "z at 127.0.0.1:82"
    assert made.because == "ROUND_ROBIN chooses it among the backups"


def test_when_none_is_available_the_way_out_is_told() -> None:
    state = cluster("ab")
    a, b = state.backends
    a.set_health(False)
    b.connect_failed(0.0, 0.0)
    made = step(state, 0.5)
    assert made.chosen.startswith("a ")
    assert made.because == (
        "none is available, so ROUND_ROBIN chooses among those that can be dialled"
    )
    a.set_health(True)
    a.connect_failed(0.2, 0.0)
    made = step(state, 0.5)
    assert made.chosen.startswith("b ")
    assert made.because == "none is available, and its wait ends first"
    assert others(made) == {"a": "it is left alone for 0.7 s more, after a failed dial"}


def test_where_lots_are_drawn_all_are_told_who_may_be_drawn() -> None:
    state = cluster("abc", policy=LoadBalancing.RANDOM)
    state.backends[2].set_health(False)
    made = step(state)
    assert made.chosen == "one of a at 127.0.0.1:81, b at 127.0.0.1:82"
    assert made.because == "RANDOM draws lots"
    assert set(others(made)) == {"c"}


def test_a_key_decides_and_without_one_it_may_be_any() -> None:
    state = cluster("ab", "z", policy=LoadBalancing.HRW)
    made = step(state, key=b"10.0.0.9")
    chosen = state.choose(0.0, b"10.0.0.9", random.random)
    assert chosen is not None
    assert made.chosen.startswith(f"{chosen.backend_id} at")
    assert made.because == "HRW chooses it by the request's key among those available"
    unknown = step(state, key=b"", is_key_unknown=True)
    assert unknown.chosen == "one of a at 127.0.0.1:81, b at 127.0.0.1:82"
    assert unknown.because == "it depends on the client's address, which was not told"
    for state_of in state.backends[:2]:
        state_of.set_health(False)
    assert step(state, key=b"", is_key_unknown=True).chosen == "z at 127.0.0.1:83"
    state.backends[2].connect_failed(0.0, 0.0)
    assert step(state, key=b"", is_key_unknown=True).chosen == "a at 127.0.0.1:81"


def test_a_cookie_decides_before_all_else() -> None:
    state = cluster("ab")
    made = step(state, bound=state.backends[1])
    assert made.chosen == "b at 127.0.0.1:82"
    assert made.because == "the client's cookie names it"


def test_without_backends_the_answer_is_503() -> None:
    made = step(cluster(""))
    assert not made.HasField("chosen")
    assert made.because == "the cluster has no backend: the answer is 503"


@pytest.mark.parametrize("policy", [LoadBalancing.RANDOM, LoadBalancing.ROUND_ROBIN])
def test_very_many_backends_are_cut_and_counted(policy: LoadBalancing) -> None:
    state = ClusterState(Cluster("c", policy))
    for number in range(LISTED_MAX + 9):
        state.upsert(Backend("c", f"b{number}", InetAddress("127.0.0.1", 81 + number)))
    made = step(state)
    if policy is LoadBalancing.RANDOM:
        assert made.chosen.endswith(" and 9 more")
        assert not made.passed_over
    else:
        assert len(made.passed_over) == LISTED_MAX + 1
        assert made.passed_over[-1].what == "and 8 more"
