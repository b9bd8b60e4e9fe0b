"""Enumerations of messages beside those of a configuration."""

import pytest

from sozutw.config.model import Redirect
from sozutw.config.state import RefusedRequestError
from sozutw.control import words
from sozutw.control.proto import command_pb2 as pb

TABLES = {name: table for name, table in vars(words).items() if isinstance(table, words.Words)}
NUMBERS = {
    "LOAD_BALANCING": pb.LoadBalancingAlgorithms,
    "LOAD_METRIC": pb.LoadMetric,
    "PATH_TYPE": pb.PathRuleKind,
    "POSITION": pb.RulePosition,
    "REDIRECT": pb.RedirectPolicy,
    "REDIRECT_SCHEME": pb.RedirectScheme,
    "HEADER_POSITION": pb.HeaderPosition,
    "LISTENER_KIND": pb.ListenerType,
    "UDP_AFFINITY_KEY": pb.UdpAffinityKey,
    "UDP_HEALTH_MODE": pb.UdpHealthMode,
    "TLS_VERSION": pb.TlsVersion,
}


@pytest.mark.parametrize("name", TABLES)
def test_every_number_is_a_word_and_comes_back(name: str) -> None:
    table = TABLES[name]
    for number in NUMBERS[name].values():
        if (name, number) != ("HEADER_POSITION", pb.HEADER_POSITION_UNSPECIFIED):
            assert table.number(table.word(number, "it")) == number


def test_the_numbers_are_sozus() -> None:
    assert words.REDIRECT.number(Redirect.FOUND) == 3
    assert words.TLS_VERSION.word(4, "versions") == "TLS_V12"


def test_a_number_without_a_word_is_refused() -> None:
    with pytest.raises(RefusedRequestError, match=r"^it is 0; one of 1, 2, 3 is meant$"):
        words.HEADER_POSITION.word(0, "it")
