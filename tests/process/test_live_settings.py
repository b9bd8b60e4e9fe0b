"""The settings that hold, by a file or by a command."""

from dataclasses import replace

import pytest

from sozutw.config.model import Settings
from sozutw.config.state import RefusedRequestError
from sozutw.process.live_settings import LiveSettings
from sozutw.process.workers.traffic import MainKnobs


def live(settings: Settings | None = None) -> LiveSettings:
    made = LiveSettings(settings or Settings(), MainKnobs(0, 60, True, 3))
    made.set_filter = lambda text: text != "no log"
    return made


def test_what_a_command_changed_is_what_another_process_is_told() -> None:
    here = live(Settings(dials_max=4))
    here.set_log_filter("debug")
    here.set_places(5)
    assert here.in_force == Settings(dials_max=4)
    assert (here.log_level, here.places) == ("debug", 5)


def test_what_a_command_changed_stays_until_the_file_names_another() -> None:
    here = live()
    here.set_log_filter("debug")
    here.set_places(5)
    assert here.take(Settings(retry_after=1)) == []
    assert (here.log_level, here.places) == ("debug", 5)
    assert here.take(Settings(log_level="warn", max_connections_per_ip=6)) == []
    assert (here.log_level, here.places) == ("warn", 6)


def test_a_filter_that_is_refused_changes_nothing() -> None:
    here = live()
    with pytest.raises(RefusedRequestError, match="twistd's own"):
        here.set_log_filter("no log")
    assert here.in_force == Settings()
    assert here.log_level == Settings().log_level


def test_the_number_of_workers_waits_for_a_restart() -> None:
    assert live().take(replace(Settings(), worker_count=3)) == ["worker_count"]


def test_each_follower_hears_of_its_setting() -> None:
    here = live()
    heard: list[Settings] = []
    here.followers["saved_state"] = heard.append
    new = Settings(saved_state="/s")
    assert here.take(new) == []
    assert here.take(new) == []
    assert heard == [new]


def test_what_waits_for_the_next_start_does_not_hold_in_a_worker_that_is_begun_later() -> None:
    here = live(Settings(buffer_size=20_000))
    assert here.take(Settings(buffer_size=30_000, dials_max=9)) == ["buffer_size"]
    assert here.in_force == Settings(buffer_size=20_000, dials_max=9)
