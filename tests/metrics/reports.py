"""Reports of any content, found out from the fields that there are, and compared by content."""

from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, get_args, get_origin

from hypothesis import strategies as st

from sozutw.metrics.counters import (
    BackendCounters,
    ClusterCounters,
    ListenerCounters,
    WorkerCounters,
)
from sozutw.metrics.render import BackendReport, ClusterReport, Reports

T = TypeVar("T")
COUNTS = st.integers(0, 2**40)
NAMES = st.sampled_from(["", "a", "b", "TLSv1.3", 'é\n"\\', "\udc80", "x" * 300])
KEYS = {str: NAMES, int: st.integers(0, 999)}


def counters_of(kind: type[T]) -> st.SearchStrategy[T]:
    """Counters of this class, each of which may be anything."""
    return st.builds(
        kind,
        **{field.name: _value_of(field.type, field.name, kind) for field in fields(kind)},  # type: ignore[arg-type]
    )


def _value_of(type_: Any, name: str, kind: type) -> st.SearchStrategy[Any]:
    if type_ is bool:
        return st.booleans()
    if type_ is int:
        return COUNTS
    if get_origin(type_) is dict:
        key_type, value_type = get_args(type_)
        assert value_type is int
        return st.dictionaries(KEYS[key_type], st.integers(1, 2**40), max_size=3)
    if get_origin(type_) is list:
        assert get_args(type_) == (int,)
        length = len(getattr(kind(), name))
        entries = st.dictionaries(st.integers(0, length - 1), COUNTS, max_size=4)
        return entries.map(lambda told: [told.get(index, 0) for index in range(length)])
    assert is_dataclass(type_), f"{kind.__name__}.{name}: what is {type_}?"
    return counters_of(type_)  # type: ignore[arg-type]


def backend_reports(address: str) -> st.SearchStrategy[BackendReport]:
    """One backend at this address."""
    return st.builds(
        BackendReport, st.just(address), counters_of(BackendCounters), st.booleans(), st.booleans()
    )


ADDRESSES = st.sampled_from(["127.0.0.1:1", "127.0.0.1:2", "[::1]:1"])
CLUSTERS: st.SearchStrategy[ClusterReport] = st.builds(
    ClusterReport,
    counters_of(ClusterCounters),
    st.lists(
        st.tuples(NAMES, ADDRESSES.flatmap(backend_reports)),
        max_size=3,
        unique_by=lambda one: (one[0], one[1].address),
    ),
)
REPORTS: st.SearchStrategy[Reports] = st.builds(
    Reports,
    counters_of(WorkerCounters),
    st.dictionaries(ADDRESSES, counters_of(ListenerCounters), max_size=2),
    st.dictionaries(NAMES, CLUSTERS, max_size=3),
    st.floats(0, 1e9),
)


def plain(value: Any) -> Any:
    """Return the whole content, in its order; tables within counters have none."""
    if is_dataclass(value):
        return [type(value), [_counted(getattr(value, field.name)) for field in fields(value)]]
    if isinstance(value, dict):
        return [(key, plain(one)) for key, one in value.items()]
    if isinstance(value, list | tuple):
        return [type(value).__name__, *map(plain, value)]
    return value


def _counted(value: Any) -> Any:
    if is_dataclass(value):
        return plain(value)
    if isinstance(value, list):
        return len(value), {index: repr(count) for index, count in enumerate(value) if count != 0}
    return type(value), value
