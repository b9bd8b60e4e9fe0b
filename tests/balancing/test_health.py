"""The moving average of connect times."""

import pytest

from sozutw.balancing.health import DECAY_SECONDS, PeakEwma


def test_nothing_observed_is_no_time():
    assert PeakEwma().at(100.0) == 0.0


def test_a_peak_counts_at_once_and_is_forgotten_slowly():
    ewma = PeakEwma()
    ewma.observed(0.0, 0.010)
    ewma.observed(1.0, 1.0)
    assert ewma.at(1.0) == 1.0
    assert ewma.at(1.0 + DECAY_SECONDS) == pytest.approx(1 / 2.71828, rel=1e-4)
    assert ewma.at(1000.0) < 1e-9


def test_quick_connects_pull_it_down_but_not_below_themselves():
    ewma = PeakEwma()
    ewma.observed(0.0, 1.0)
    ewma.observed(1.0, 0.1)
    assert 0.1 < ewma.at(1.0) < 1.0
    for second in range(2, 200):
        ewma.observed(float(second), 0.1)
    assert ewma.at(199.0) == pytest.approx(0.1)


def test_a_clock_that_steps_back_does_not_make_it_grow():
    ewma = PeakEwma()
    ewma.observed(100.0, 1.0)
    assert ewma.at(0.0) == 1.0
    with pytest.raises(AssertionError):
        ewma.observed(100.0, -1.0)
