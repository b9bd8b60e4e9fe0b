"""Sessions as operators name them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sozutw.control.messages.session_numbers import (
    SessionName,
    name_of,
    number_from,
    number_of,
    text_of,
)

NAMES = st.builds(
    SessionName, st.integers(0, 4095), st.integers(0, 4095), st.integers(0, 2**40 - 1)
)


@given(NAMES)
def test_a_name_comes_back(name: SessionName) -> None:
    number = number_of(name)
    assert 0 <= number < 2**64
    assert name_of(number) == name
    assert number_from(text_of(number)) == number
    # As JSON has it.
    assert number_from(str(number)) == number


def test_the_first_worker_has_the_tokens_themselves() -> None:
    assert number_of(SessionName(0, 0, 4711)) == 4711
    assert text_of(4711) == "4711"
    assert number_from("4711") == number_from("0:0:4711") == 4711


def test_others_are_named_with_their_worker() -> None:
    assert text_of(number_of(SessionName(1, 2, 3))) == "1:2:3"


def test_what_does_not_fit_is_nobody_elses() -> None:
    assert name_of(number_of(SessionName(1, 4096, 5))) == SessionName(1, 0, 5)


@pytest.mark.parametrize("text", ["", "x", "1:2", "1:2:3:4", "-1", "4096:0:1", "0:4096:1", "²"])
def test_what_names_nobody_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="session"):
        number_from(text)


def test_a_token_that_is_too_large_is_refused() -> None:
    with pytest.raises(ValueError, match="so large"):
        number_from(str(2**64))
    with pytest.raises(ValueError, match="so large"):
        number_from(f"0:0:{2**40}")
