"""The enumerations of the messages, each beside the one that means the same in a configuration."""

from collections.abc import Mapping
from enum import Enum
from typing import Final, Generic, TypeVar

from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

from sozutw.config.model import (
    ListenerKind,
    LoadBalancing,
    LoadMetric,
    PathType,
    Position,
    Redirect,
    RedirectScheme,
)
from sozutw.config.policies import HeaderPosition, UdpAffinityKey, UdpHealthMode
from sozutw.config.state import RefusedRequestError
from sozutw.control.proto import command_pb2 as pb

_Word = TypeVar("_Word")
_Member = TypeVar("_Member", bound=Enum)


class Words(Generic[_Word]):
    """Both directions between numbers and what they mean."""

    def __init__(self, numbers: Mapping[_Word, int]) -> None:
        self._numbers = dict(numbers)
        self._words = {number: word for word, number in self._numbers.items()}

    def number(self, word: _Word) -> int:
        """Return the number of a word."""
        return self._numbers[word]

    def word(self, number: int, field: str) -> _Word:
        """Return the word of a number, which ``field`` has."""
        word = self._words.get(number)
        if word is None:
            raise RefusedRequestError(f"{field} is {number}; one of {self.choice} is meant")
        return word

    @property
    def choice(self) -> str:
        """All numbers, for a person."""
        return ", ".join(map(str, sorted(self._words)))


def _by_name(numbers: EnumTypeWrapper, members: type[_Member], prefix: str = "") -> Words[_Member]:
    return Words({member: numbers.Value(prefix + member.name) for member in members})


LOAD_BALANCING: Final = _by_name(pb.LoadBalancingAlgorithms, LoadBalancing)
LOAD_METRIC: Final = _by_name(pb.LoadMetric, LoadMetric)
PATH_TYPE: Final = _by_name(pb.PathRuleKind, PathType)
POSITION: Final = _by_name(pb.RulePosition, Position)
REDIRECT: Final = _by_name(pb.RedirectPolicy, Redirect)
REDIRECT_SCHEME: Final = _by_name(pb.RedirectScheme, RedirectScheme)
HEADER_POSITION: Final = _by_name(pb.HeaderPosition, HeaderPosition)
LISTENER_KIND: Final = _by_name(pb.ListenerType, ListenerKind)
UDP_AFFINITY_KEY: Final = _by_name(pb.UdpAffinityKey, UdpAffinityKey)
UDP_HEALTH_MODE: Final = Words({mode: pb.UdpHealthMode.Value(mode.value) for mode in UdpHealthMode})
TLS_VERSION: Final = Words(
    {
        "SSL_V2": pb.SSL_V2,
        "SSL_V3": pb.SSL_V3,
        "TLS_V1": pb.TLS_V1_0,
        "TLS_V11": pb.TLS_V1_1,
        "TLS_V12": pb.TLS_V1_2,
        "TLS_V13": pb.TLS_V1_3,
    }
)
