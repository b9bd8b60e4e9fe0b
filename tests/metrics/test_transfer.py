"""Counters that went to another process are the same there, whatever classes come to count."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sozutw.metrics import transfer
from sozutw.metrics.counters import (
    BackendCounters,
    ClusterCounters,
    ListenerCounters,
    Timer,
    TlsCounters,
    WorkerCounters,
)
from sozutw.metrics.render import BackendReport, ClusterReport, Reports
from sozutw.metrics.transfer import (
    CHUNK_BYTES_MAX,
    LINES_PER_CHUNK,
    Reader,
    TransferError,
    chunks_of,
)
from tests.metrics.reports import REPORTS, plain

NOTHING = Reports(WorkerCounters(), {}, {}, 0.0)


def read(*chunks: bytes) -> Reports:
    reader = Reader()
    for chunk in chunks:
        reader.feed(chunk)
    return reader.take()


def line(kind: str, **told: Any) -> bytes:
    return json.dumps([kind, told]).encode() + b"\n"


END = line("end")


@given(reports=REPORTS)
def test_what_arrives_is_what_was_sent(reports: Reports) -> None:
    before = plain(reports)
    assert plain(read(*chunks_of(reports))) == before == plain(reports)


@pytest.mark.parametrize(
    "kind",
    [WorkerCounters, TlsCounters, ListenerCounters, ClusterCounters, BackendCounters, Timer],
)
def test_what_nothing_has_counted_yet_takes_no_place(kind: type) -> None:
    assert transfer._written(kind()) == {}


def test_the_fields_of_reports_are_those_that_are_known() -> None:
    # A field with a default would be lost without a word; a counter cannot be.
    assert Reports._fields == ("worker", "listeners", "clusters", "uptime_seconds")
    assert ClusterReport._fields == ("counters", "backends")
    assert BackendReport._fields == ("address", "counters", "is_available", "is_healthy")


@given(reports=REPORTS, cuts=st.lists(st.integers(0, 5000), max_size=8))
def test_the_bytes_may_be_cut_anywhere(reports: Reports, cuts: list[int]) -> None:
    whole = b"".join(chunks_of(reports))
    reader = Reader()
    begin = 0
    for cut in [*sorted(cuts), len(whole)]:
        assert reader.is_whole is (begin >= len(whole))
        reader.feed(whole[begin:cut])
        begin = max(begin, cut)
    assert reader.is_whole
    assert plain(reader.take()) == plain(reports)


@given(reports=REPORTS, missing=st.integers(1, 5000))
def test_a_part_is_not_taken_for_the_whole(reports: Reports, missing: int) -> None:
    whole = b"".join(chunks_of(reports))
    reader = Reader()
    reader.feed(whole[: max(0, len(whole) - missing)])
    with pytest.raises(TransferError, match="the end is missing"):
        reader.take()


def many(clusters: int, backends: int) -> Reports:
    told = {
        f"c{number}": ClusterReport(
            ClusterCounters(requests=number),
            [(f"b{n}", BackendReport("", BackendCounters(), True)) for n in range(backends)],
        )
        for number in range(clusters)
    }
    return NOTHING._replace(clusters=told)


def test_a_piece_has_few_clusters_or_backends() -> None:
    for reports in (many(500, 0), many(1, 500)):
        chunks = list(chunks_of(reports))
        assert len(chunks) >= 500 // LINES_PER_CHUNK
        assert all(chunk.count(b"\n") <= LINES_PER_CHUNK for chunk in chunks)
        assert plain(read(*chunks)) == plain(reports)


def test_a_piece_is_short_whatever_an_id_is() -> None:
    cluster = ClusterReport(ClusterCounters(), [])
    ids = ["é" * 100_000, "x" * CHUNK_BYTES_MAX, *(f"{n}{'x' * 30_000}" for n in range(10))]
    reports = NOTHING._replace(clusters=dict.fromkeys(ids, cluster))
    chunks = list(chunks_of(reports))
    assert max(map(len, chunks)) <= CHUNK_BYTES_MAX
    assert b"" not in chunks
    assert plain(read(*chunks)) == plain(reports)


def test_a_last_piece_that_is_full_is_followed_by_none() -> None:
    # The first and the last line are of the process and of the end.
    reports = many(LINES_PER_CHUNK - 2, 0)
    assert [chunk.count(b"\n") for chunk in chunks_of(reports)] == [LINES_PER_CHUNK]


def test_zeros_are_left_out() -> None:
    reports = many(1, 0)
    reports.clusters["c0"].counters.request_time.add(3)
    assert b"".join(chunks_of(reports)) == (
        b'["process",{"uptime_seconds":0.0,"counters":{}}]\n'
        b'["cluster",{"id":"c0","counters":'
        b'{"request_time":{"buckets":{"2":1},"sum_us":3}}}]\n'
        b'["end",{}]\n'
    )


def test_what_only_a_newer_program_tells_is_passed_over() -> None:
    told = read(
        line("process", uptime_seconds=3, colour="red", counters={"requests": 4, "stars": {}}),
        line("moon", id="m"),
        line("cluster", id="c", counters={"responses": {"2": 5, "10": 1}, "planets": [1]}),
        line("backend", id="b", address="a", is_available=True, is_blue=1),
        line("end", seconds=1),
    )
    cluster = ClusterCounters()
    cluster.responses[2] = 5
    backend = BackendReport("a", BackendCounters(), is_available=True, is_healthy=False)
    assert plain(told) == plain(
        Reports(
            WorkerCounters(requests=4), {}, {"c": ClusterReport(cluster, [("b", backend)])}, 3.0
        )
    )


def test_what_is_missing_is_zero() -> None:
    assert plain(read(END)) == plain(NOTHING)
    told = read(line("process"), line("listener", address="a"), line("cluster", id="c"), END)
    assert plain(told) == plain(
        NOTHING._replace(
            listeners={"a": ListenerCounters()},
            clusters={"c": ClusterReport(ClusterCounters(), [])},
        )
    )


BACKEND = {"id": "b", "address": "a"}


@pytest.mark.parametrize(
    ("chunk", "reason"),
    [
        (b"{\n", "a line is no JSON"),
        (b"\n", "a line is no JSON"),
        (b"\xff\n", "a line is no JSON"),
        (b"[" * 100_000 + b"\n", "a line is no JSON"),
        (b"9" * 10_000 + b"\n", "a line is no JSON"),
        (b"{}\n", "not of the form"),
        (b'["end"]\n', "not of the form"),
        (b'["end",1]\n', "not of the form"),
        (b"[1,{}]\n", "not of the form"),
        (END + END, "after the end"),
        (END + b"x", "after the end"),
        (line("process", counters=[]), "counters are no object"),
        (line("process", counters={"tls": 3}), "counters are no object"),
        (line("process", counters={"requests": 1.5}), "requests is no int"),
        (line("process", counters={"requests": True}), "requests is no int"),
        (line("process", counters={"requests": None}), "requests is no int"),
        (line("process", counters={"statuses": [1]}), "statuses is no object"),
        (line("process", counters={"statuses": {"200": "1"}}), "statuses: '200' is no number"),
        (line("process", counters={"statuses": {"-1": 1}}), "statuses: '-1' is no index"),
        (line("process", counters={"statuses": {"²": 1}}), "statuses: '²' is no index"),
        (line("process", counters={"answers": {"٣": 1}}), "answers: '٣' is no index"),
        (line("process", counters={"answers": {"9" * 5000: 1}}), "answers: '9{18}' is no index"),
        (line("process", counters={"tls": {"alpn": {"h2": []}}}), "alpn: 'h2' is no number"),
        (line("process", uptime_seconds="1"), "uptime_seconds"),
        (line("process", uptime_seconds=True), "uptime_seconds"),
        (line("process", uptime_seconds=-1), "uptime_seconds"),
        (b'["process",{"uptime_seconds":NaN}]\n', "uptime_seconds"),
        (b'["process",{"uptime_seconds":1e999}]\n', "uptime_seconds"),
        (line("process", uptime_seconds=10**400), "uptime_seconds"),
        (line("listener"), "address is no text"),
        (line("listener", address="a") * 2, "'a' is there twice"),
        (line("listener", address="a", counters={"is_secure": 1}), "is_secure is no bool"),
        (line("cluster", id=3), "id is no text"),
        (line("cluster", id="c") * 2, "'c' is there twice"),
        (line("backend", **BACKEND), "before any cluster"),
        (line("cluster", id="c") + line("backend", id="b"), "address is no text"),
        (
            line("cluster", id="c") + line("backend", **BACKEND, is_healthy=2),
            "is_healthy is no bool",
        ),
    ],
)
def test_what_is_none_is_refused(chunk: bytes, reason: str) -> None:
    reader = Reader()
    with pytest.raises(TransferError, match=reason):
        reader.feed(chunk)


def test_there_is_nothing_after_the_end_in_a_piece_of_its_own() -> None:
    reader = Reader()
    reader.feed(END)
    reader.feed(b"")
    with pytest.raises(TransferError, match="after the end"):
        reader.feed(b"x")


def test_what_never_ends_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "LINE_BYTES_MAX", 100)
    reader = Reader()
    reader.feed(b"x" * 100)
    with pytest.raises(TransferError, match="longer than 100"):
        reader.feed(b"x")
    monkeypatch.setattr(transfer, "READ_BYTES_MAX", 200)
    reader = Reader()
    reader.feed(line("x") * 20)
    with pytest.raises(TransferError, match="more than 200"):
        reader.feed(line("x"))


@given(
    lines=st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.tuples(
                st.sampled_from(["process", "listener", "cluster", "backend", "end", "x"]),
                st.dictionaries(
                    st.sampled_from(
                        ["id", "address", "counters", "is_available", "uptime_seconds", "y"]
                    ),
                    st.recursive(
                        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
                        lambda inner: st.dictionaries(
                            st.sampled_from(["requests", "statuses", "answers", "tls", "1", "z"]),
                            inner,
                        ),
                    ),
                ),
            ).map(lambda told: json.dumps(told).encode()),
        )
    )
)
def test_anything_is_read_or_refused(lines: list[bytes]) -> None:
    reader = Reader()
    try:
        for one in lines:
            reader.feed(one + b"\n")
        told = reader.take()
    except TransferError:
        return
    assert plain(read(*chunks_of(told))) == plain(told)
