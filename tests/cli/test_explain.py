"""`explain` sends a request's parts, and tells each decision with what was passed over."""

from pathlib import Path

import pytest

from sozutw.control.proto import command_pb2 as pb
from tests.cli.scripted import answered, asked, call, content

URL = "https://a.example:8443/x?y"


@pytest.mark.parametrize(
    ("words", "fields"),
    [
        ([], {}),
        (["-H", "A:1", "--header", " B : 2: 3 "], {"headers": ["A: 1", "B: 2: 3"]}),
        (["-m", "POST"], {"method": "POST"}),
        (["--method", "PUT"], {"method": "PUT"}),
        (["--source", "192.0.2.7"], {"source": "192.0.2.7"}),
        (["--source", "0::1"], {"source": "::1"}),
    ],
    ids=str,
)
def test_what_is_given_is_sent(tmp_path: Path, words: list[str], fields: dict[str, object]) -> None:
    meant = pb.Explain(**{"url": URL, "method": "GET", **fields})  # type: ignore[arg-type]
    assert asked(tmp_path, "explain", URL, *words) == pb.Request(explain=meant)


@pytest.mark.parametrize(
    "words",
    [
        ["a.example"], ["ftp://a"], ["http://"], ["http://a:x/"], ["http://[::1/"],
        [URL, "-H", "nonsense"], [URL, "-H", ":x"], [URL, "--source", "a.example"],
    ],
)  # fmt: skip
def test_what_is_wrong_is_a_usage_error(words: list[str]) -> None:
    result = call("explain", *words)
    assert result.exit_code == 2
    assert "meant" in result.stderr or "no URL" in result.stderr


def test_each_decision_is_told(tmp_path: Path) -> None:
    steps = [
        pb.ExplanationStep(kind="listener", chosen="127.0.0.1:8443", because="the port"),
        pb.ExplanationStep(
            kind="frontend",
            because="none fits",
            passed_over=[pb.PassedOver(what="b.example/", because="another\x1b host")],
        ),
    ]
    result = answered(tmp_path, content(explanation=pb.Explanation(steps=steps)), "explain", URL)
    assert result.output.splitlines() == [
        "listener: 127.0.0.1:8443",
        "    the port",
        "frontend: none",
        "    none fits",
        "    not b.example/: another\ufffd host",
    ]
