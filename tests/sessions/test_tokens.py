import pytest

from sozutw.sessions.tokens import Token, Tokens, written


def test_tokens_count_upwards_from_one():
    tokens = Tokens()
    assert [tokens.issue() for _ in range(3)] == [1, 2, 3]


def test_no_token_is_issued_twice():
    tokens = Tokens()
    issued = {tokens.issue() for _ in range(10_000)}
    assert len(issued) == 10_000


def test_two_processes_count_apart():
    first, second = Tokens(), Tokens()
    assert first.issue() == 1
    assert first.issue() == 2
    assert second.issue() == 1


def test_the_world_outside_reads_worker_generation_and_token():
    assert written(Token(7)) == "0:0:7"
    assert written(Token(7), worker=2, generation=3) == "2:3:7"


def test_what_was_never_issued_is_not_written():
    with pytest.raises(AssertionError):
        written(Token(0))
