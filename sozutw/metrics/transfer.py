"""
All counters of one process as bytes, and read again by another.

A line of JSON for each listener, cluster and backend, each an array of what it is and its
fields; a backend belongs to the cluster before it, and the last line says that this is all.
What is zero is left out. The fields are those that the classes of ``metrics.counters`` have, by
their names, so that a counter that is added there needs nothing here. Two versions understand
each other: what only the newer one counts is passed over, and is zero to it when it is missing.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cache
from sys import float_info
from typing import Any, Final, get_args

from sozutw.metrics.counters import (
    BackendCounters,
    ClusterCounters,
    ListenerCounters,
    WorkerCounters,
)
from sozutw.metrics.render import BackendReport, ClusterReport, Reports

CHUNK_BYTES_MAX: Final = 64 * 1024
LINES_PER_CHUNK: Final = 48
"""About 2 ms of work where each counts something."""
LINE_BYTES_MAX: Final = 8 * 1024 * 1024
"""Ids are as long as a message of the operator may be, and up to six times that as JSON."""
READ_BYTES_MAX: Final = 512 * 1024 * 1024
"""More than a hundred thousand clusters whose counters all count; nobody reads for ever."""
_DIGITS_MAX: Final = 18
_FLOAT_MAX: Final = float_info.max


class TransferError(ValueError):
    """These are not the counters of a process; the text says why."""


def chunks_of(reports: Reports) -> Iterator[bytes]:
    """Give what ``Reader`` reads, in pieces that are short, and are made in a short time."""
    part: list[str] = []
    size = 0
    for kind, told in _lines(reports):
        line = json.dumps([kind, told], separators=(",", ":"))
        part.append(line)
        size += len(line)
        if len(part) == LINES_PER_CHUNK or size >= CHUNK_BYTES_MAX:
            yield from _cut(part)
            part = []
            size = 0
    yield from _cut(part)


class Reader:
    """Makes reports of chunks again, wherever their bytes were cut."""

    def __init__(self) -> None:
        self._rest = b""
        self._bytes_read = 0
        self._uptime_seconds = 0.0
        self._worker = WorkerCounters()
        self._listeners: dict[str, ListenerCounters] = {}
        self._clusters: dict[str, ClusterReport] = {}
        self._backends: list[tuple[str, BackendReport]] | None = None
        """Of the cluster that was read last."""
        self.is_whole = False
        """Whether the last line has come."""

    def feed(self, chunk: bytes) -> None:
        """Read on; what a chunk of ``chunks_of`` has takes a short time. Raises TransferError."""
        self._bytes_read += len(chunk)
        if self._bytes_read > READ_BYTES_MAX:
            raise TransferError(f"there are more than {READ_BYTES_MAX} bytes")
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._take_line(line)
        if len(self._rest) > LINE_BYTES_MAX:
            raise TransferError(f"a line is longer than {LINE_BYTES_MAX} bytes")
        if self.is_whole and self._rest:
            raise TransferError("there is something after the end")

    def take(self) -> Reports:
        """Return what was read; raises TransferError unless that was all."""
        if not self.is_whole:
            raise TransferError("the end is missing")
        return Reports(self._worker, self._listeners, self._clusters, self._uptime_seconds)

    def _take_line(self, line: bytes) -> None:
        if self.is_whole:
            raise TransferError("there is something after the end")
        try:
            told = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise TransferError(f"a line is no JSON: {error}") from None
        match told:
            case [str(kind), dict(values)]:
                self._take(kind, values)
            case _:
                raise TransferError("a line is not of the form [kind, {fields}]")

    def _take(self, kind: str, told: Mapping[str, Any]) -> None:
        match kind:
            case "process":
                self._uptime_seconds = _seconds(told.get("uptime_seconds", 0))
                _read(self._worker, told.get("counters", {}))
            case "listener":
                address = _new(_text(told, "address"), self._listeners)
                self._listeners[address] = listener = ListenerCounters()
                _read(listener, told.get("counters", {}))
            case "cluster":
                cluster_id = _new(_text(told, "id"), self._clusters)
                self._backends = []
                cluster = ClusterReport(ClusterCounters(), self._backends)
                self._clusters[cluster_id] = cluster
                _read(cluster.counters, told.get("counters", {}))
            case "backend":
                if self._backends is None:
                    raise TransferError("a backend stands before any cluster")
                self._backends.append((_text(told, "id"), _backend(told)))
            case "end":
                self.is_whole = True
            case _:
                # A newer program tells more.
                return


def _cut(lines: list[str]) -> Iterator[bytes]:
    if lines:
        whole = "\n".join([*lines, ""]).encode("ascii")
        for begin in range(0, len(whole), CHUNK_BYTES_MAX):
            yield whole[begin : begin + CHUNK_BYTES_MAX]


def _lines(reports: Reports) -> Iterator[tuple[str, dict[str, Any]]]:
    worker = _written(reports.worker)
    yield "process", {"uptime_seconds": reports.uptime_seconds, "counters": worker}
    for address, listener in reports.listeners.items():
        yield "listener", {"address": address, "counters": _written(listener)}
    for cluster_id, cluster in reports.clusters.items():
        yield "cluster", {"id": cluster_id, "counters": _written(cluster.counters)}
        for backend_id, backend in cluster.backends:
            told = backend._asdict()
            told["counters"] = _written(backend.counters)
            yield "backend", {"id": backend_id, **told}
    yield "end", {}


def _written(counters: Any) -> dict[str, Any]:
    """Return what is not zero."""
    kind: Any = type(counters)
    told: dict[str, Any] = {}
    for name in _key_types(kind):
        value = getattr(counters, name)
        if isinstance(value, list):
            # Few of many buckets or statuses ever count anything.
            value = {index: count for index, count in enumerate(value) if count}
        elif not isinstance(value, int | dict):
            value = _written(value)
        if value:
            told[name] = value
    return told


def _read(counters: Any, told: object) -> None:
    """Set what is told; ``counters`` are new, and so all zero."""
    if not isinstance(told, dict):
        raise TransferError("counters are no object")
    kind: Any = type(counters)
    key_types = _key_types(kind)
    for name, value in told.items():
        if name not in key_types:
            continue
        present = getattr(counters, name)
        if isinstance(present, int):
            if type(value) is not type(present):
                raise TransferError(f"{name} is no {type(present).__name__}")
            setattr(counters, name, value)
        elif isinstance(present, list):
            for index, count in _entries(name, value, int):
                if index < len(present):
                    present[index] = count
        elif isinstance(present, dict):
            present.update(_entries(name, value, key_types[name]))
        else:
            _read(present, value)


@cache
def _key_types(kind: type) -> Mapping[str, type]:
    """Return the names of all counters of a class, and of what type the keys of tables are."""
    # The first argument of a dict is its key; all else has a type that is not looked at.
    return {field.name: (*get_args(field.type), int)[0] for field in fields(kind)}


def _entries(name: str, told: object, key_type: type) -> Iterator[tuple[Any, int]]:
    if not isinstance(told, dict):
        raise TransferError(f"{name} is no object")
    for key, count in told.items():
        if type(count) is not int:
            raise TransferError(f"{name}: {key!r} is no number")
        yield (_number(name, key) if key_type is int else key), count


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX):
        raise TransferError(f"{name}: {text[:_DIGITS_MAX]!r} is no index")
    return int(text)


def _backend(told: Mapping[str, Any]) -> BackendReport:
    counters = BackendCounters()
    _read(counters, told.get("counters", {}))
    flags = {}
    for name in ("is_available", "is_healthy"):
        flags[name] = told.get(name, False)
        if not isinstance(flags[name], bool):
            raise TransferError(f"{name} is no bool")
    return BackendReport(_text(told, "address"), counters, **flags)


def _text(told: Mapping[str, Any], name: str) -> str:
    value = told.get(name)
    if not isinstance(value, str):
        raise TransferError(f"{name} is no text")
    return value


def _seconds(value: object) -> float:
    # A whole number above the largest float is none either.
    if type(value) not in {int, float} or not 0 <= value <= _FLOAT_MAX:  # type: ignore[operator]
        raise TransferError("uptime_seconds is no number of seconds")
    return float(value)  # type: ignore[arg-type]


def _new(key: str, known: Mapping[str, object]) -> str:
    if key in known:
        raise TransferError(f"{key!r} is there twice")
    return key
