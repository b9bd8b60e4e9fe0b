"""The ``--hsts-…`` options: any of them means HSTS, and one means none."""

import click
import pytest

from sozutw.cli.hsts import YEAR_SECONDS, hsts_of, hsts_options
from sozutw.control.proto import command_pb2 as pb

NOTHING: dict[str, object] = {
    "hsts_max_age": None,
    "hsts_include_subdomains": False,
    "hsts_preload": False,
    "hsts_disabled": False,
    "hsts_force_replace_backend": False,
}


def test_the_options_are_those_that_are_read() -> None:
    assert {option.name for option in hsts_options()} == set(NOTHING)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({}, None),
        ({"hsts_max_age": 0}, pb.HstsConfig(enabled=True, max_age=0)),
        (
            {"hsts_preload": True},
            pb.HstsConfig(enabled=True, max_age=YEAR_SECONDS, preload=True),
        ),
        (
            {"hsts_max_age": 5, "hsts_include_subdomains": True},
            pb.HstsConfig(enabled=True, max_age=5, include_subdomains=True),
        ),
        (
            {"hsts_force_replace_backend": True},
            pb.HstsConfig(enabled=True, max_age=YEAR_SECONDS, force_replace_backend=True),
        ),
        ({"hsts_disabled": True}, pb.HstsConfig(enabled=False)),
    ],
)
def test_what_they_mean(given: dict[str, object], meant: pb.HstsConfig | None) -> None:
    options = {**NOTHING, **given, "other": 1}
    assert hsts_of(options) == meant
    assert options == {"other": 1}


@pytest.mark.parametrize("other", [{"hsts_max_age": 0}, {"hsts_preload": True}])
def test_none_and_some_contradict_each_other(other: dict[str, object]) -> None:
    with pytest.raises(click.UsageError):
        hsts_of({**NOTHING, "hsts_disabled": True, **other})
