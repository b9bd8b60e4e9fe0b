"""When a worker that died is begun anew."""

from sozutw.process.workers.pace import MOST_SECONDS, STEADY_SECONDS, Pace


def test_the_first_death_costs_no_time_and_others_more_and_more():
    pace = Pace()
    assert [pace.died(0.0) for _ in range(6)] == [0.0, 0.5, 1.0, 2.0, 4.0, 8.0]


def test_there_is_a_longest_wait():
    pace = Pace()
    waits = [pace.died(0.9) for _ in range(2000)]
    assert waits[-1] == max(waits) == MOST_SECONDS


def test_who_served_for_a_while_begins_anew_at_once():
    pace = Pace()
    for _ in range(5):
        pace.died(0.0)
    assert pace.died(STEADY_SECONDS) == 0.0
    assert pace.died(STEADY_SECONDS - 0.1) == 0.5
