"""A list that is long is cut, and says so."""

from sozutw.control.questions.passed_over import LISTED_MAX, listed


def test_as_many_as_are_listed_have_no_line_more() -> None:
    told = listed(((str(n), "why") for n in range(LISTED_MAX)), LISTED_MAX)
    assert [(one.what, one.because) for one in told] == [(str(n), "why") for n in range(LISTED_MAX)]
    assert listed([], 0) == []


def test_what_is_not_listed_is_counted_and_not_looked_at() -> None:
    def endless():
        n = 0
        while True:
            yield str(n), "why"
            n += 1

    told = listed(endless(), LISTED_MAX + 7)
    assert len(told) == LISTED_MAX + 1
    assert (told[-1].what, told[-1].because) == ("and 7 more", "they are not listed")
