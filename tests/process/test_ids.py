import random
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sozutw.process.ids import Ulids

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32


def number(ulid: bytes) -> int:
    """Read one as the specification says, digit by digit."""
    value = 0
    for digit in ulid.decode():
        value = value * 32 + ALPHABET.index(digit)
    return value


def fixed(bits: int) -> int:
    return (1 << bits) // 3


def make(ns: list[int] | None = None, bits=fixed) -> Ulids:
    times = iter(ns) if ns is not None else None
    return Ulids(lambda: next(times) if times is not None else 1_469_918_176_385_000_000, bits)


def test_the_time_is_written_as_the_specification_s_example_does():
    # github.com/ulid/spec: 1469918176385 ms is 01ARYZ6S41.
    assert make().next().startswith(b"01ARYZ6S41")


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**40 - 1), st.integers(0, 2**40 - 1))
def test_an_id_is_the_time_the_drawn_bits_and_the_count(ms: int, start: int, drawn: int):
    answers = iter([start, drawn])
    ulids = Ulids(lambda: ms * 1_000_000 + 999_999, lambda bits: next(answers))
    ulid = ulids.next()
    assert len(ulid) == 26
    assert number(ulid) >> 40 == (ms << 40) | drawn
    assert int(ulid[18:]) == (start + 1) % 10**8


def test_the_largest_time_fits():
    assert number(make([(2**48 - 1) * 1_000_000]).next()) >> 80 == 2**48 - 1


def test_ids_of_one_process_are_never_alike_and_sort_by_time():
    ms = [n // 3 * 1_000_000 for n in range(3000)]
    ulids = make(ms, random.Random(7).getrandbits)
    made = [ulids.next() for _ in ms]
    assert len(set(made)) == len(made)
    times = [ulid[:10] for ulid in made]
    assert times == sorted(times)


def test_ids_within_a_millisecond_count_upwards():
    ulids = make()
    made = [ulids.next() for _ in range(100)]
    assert made == sorted(made)
    assert {int(b[18:]) - int(a[18:]) for a, b in pairwise(made)} == {1}


def test_a_clock_that_goes_back_makes_no_id_twice():
    back_and_forth = [5_000_000, 4_000_000, 5_000_000, 4_000_000]
    ulids = make(back_and_forth)  # with chance that always draws the same
    made = [ulids.next() for _ in back_and_forth]
    assert len(set(made)) == 4


def test_a_count_at_its_end_begins_again_at_zero():
    ulids = Ulids(lambda: 0, lambda bits: 10**8 - 1)
    ulid = ulids.next()
    assert len(ulid) == 26
    assert ulid[18:] == b"00000000"


def test_two_processes_at_the_same_moment_differ():
    one, other = (make(bits=random.Random(seed).getrandbits) for seed in (1, 2))
    assert one.next()[10:] != other.next()[10:]


def test_new_bits_are_drawn_with_each_millisecond_only():
    drawn: list[int] = []
    ulids = make([0, 0, 0, 1_000_000, 1_999_999, 2_000_000], lambda bits: drawn.append(bits) or 5)
    for _ in range(6):
        ulids.next()
    assert drawn == [40] * 4  # the count's start, and three milliseconds
