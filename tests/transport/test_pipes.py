"""Tests of ``sozutw.transport.pipes``."""

import fcntl
import os

import pytest

from sozutw.transport.pipes import PIPE_BYTES, KernelPipe, PipePool


def test_a_pipe_is_large_and_does_not_block() -> None:
    pipe = KernelPipe()
    assert pipe.bytes_max == fcntl.fcntl(pipe.writing, fcntl.F_GETPIPE_SZ)
    assert pipe.bytes_max in {PIPE_BYTES, 256 * 1024, 65536}
    with pytest.raises(BlockingIOError):
        os.read(pipe.reading, 1)
    pipe.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(pipe.reading)


@pytest.mark.parametrize(("allowed", "expected"), [(256 * 1024, 256 * 1024), (0, 65536)])
def test_where_large_pipes_are_not_allowed_a_smaller_one_does(
    monkeypatch: pytest.MonkeyPatch, allowed: int, expected: int
) -> None:
    real = fcntl.fcntl
    asked: list[int] = []

    def refusing(descriptor: int, command: int, argument: int = 0) -> int:
        asked.append(argument)
        if argument > allowed:
            raise PermissionError(1, "Operation not permitted")
        return real(descriptor, command, argument)

    monkeypatch.setattr(fcntl, "fcntl", refusing)
    pipe = KernelPipe()
    assert pipe.bytes_max == expected
    pipe.close()
    assert asked == [PIPE_BYTES, 256 * 1024]


def test_the_pool_is_bounded_and_counts() -> None:
    pool = PipePool(pipes_max=3, idle_max=1)
    taken = []
    while pool.has_one():
        taken.append(pool.take())
    assert len(taken) == 3
    assert pool.descriptors == 6
    pool.give_back(taken[0], is_empty=True)
    assert (pool.idle, pool.descriptors) == (1, 6)
    pool.give_back(taken[1], is_empty=True)
    assert (pool.idle, pool.descriptors) == (1, 4)
    assert pool.has_one()
    assert pool.take() is taken[0]
    pool.give_back(taken[2], is_empty=False)
    pool.give_back(taken[0], is_empty=False)
    assert (pool.idle, pool.descriptors) == (0, 0)


def test_asking_twice_makes_one() -> None:
    pool = PipePool()
    assert pool.has_one()
    assert pool.has_one()
    assert pool.open == 1
    pool.close_idle()
    assert pool.open == 0


def test_without_descriptors_there_is_none() -> None:
    def fail() -> KernelPipe:
        raise OSError(24, "Too many open files")

    pool = PipePool(make=fail)
    assert not pool.has_one()
    assert pool.open == 0
