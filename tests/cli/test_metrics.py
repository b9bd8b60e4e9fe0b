"""`metrics` sends its filters, and repeats itself when asked to."""

import time
from pathlib import Path

import pytest

from sozutw.control.proto import command_pb2 as pb
from tests.cli.scripted import asked, call, content, scripted


@pytest.mark.parametrize(
    ("words", "fields"),
    [
        ([], {}),
        (["-l"], {"list": True}),
        (["--list"], {"list": True}),
        (["-n", "a, b", "--names", "c"], {"metric_names": ["a", "b", "c"]}),
        (["-k", "x", "--clusters", "y,z"], {"cluster_ids": ["x", "y", "z"]}),
        (["-b", "x,y", "--backends", "z"], {"backend_ids": ["x", "y", "z"]}),
        (["--no-clusters"], {"no_clusters": True}),
        (["-w"], {"workers": True}),
        (["--workers"], {"workers": True}),
    ],
    ids=str,
)
def test_what_is_given_is_sent(tmp_path: Path, words: list[str], fields: dict[str, object]) -> None:
    meant = pb.QueryMetricsOptions(list=False, no_clusters=False, workers=False)
    meant.MergeFrom(pb.QueryMetricsOptions(**fields))  # type: ignore[arg-type]
    assert asked(tmp_path, "metrics", "get", *words) == pb.Request(query_metrics=meant)


@pytest.mark.parametrize(
    ("word", "meant"),
    [("enable", pb.ENABLED), ("disable", pb.DISABLED), ("clear", pb.CLEAR)],
)
def test_they_are_configured(tmp_path: Path, word: str, meant: pb.MetricsConfiguration) -> None:
    assert asked(tmp_path, "metrics", word) == pb.Request(configure_metrics=meant)


@pytest.mark.parametrize("flag", ["-r", "--refresh"])
def test_they_are_printed_again_and_again_on_one_connection_until_ctrl_c(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flag: str
) -> None:
    slept = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", sleep)
    held = pb.AggregatedMetrics(main={"requests": pb.FilteredMetrics(count=1)})
    answer = content(metrics=held)
    with scripted(tmp_path, [answer], [answer], [answer]) as proxy:
        result = call("-s", proxy.path, "metrics", "get", flag, "7")
    assert result.exit_code == 130
    assert slept == [7, 7, 7]
    assert len(proxy.requests) == 3
    assert result.stdout.count("requests      1") == 3


def test_it_is_not_repeated_without_a_pause() -> None:
    assert call("metrics", "get", "-r", "0").exit_code == 2
