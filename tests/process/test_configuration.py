"""A file is judged whole, and never with a traceback."""

import resource
from pathlib import Path

import pytest

from sozutw.process.configuration import read_configuration

GOOD = """
[[listeners]]
protocol = "http"
address = "127.0.0.1:8080"

[clusters.site]
protocol = "http"
frontends = [{ address = "127.0.0.1:8080", hostname = "localhost" }]
backends = [{ address = "127.0.0.1:8000" }]
"""


def write(folder: Path, text: str) -> str:
    path = folder / "sozutw.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_good_file_is_a_configuration(tmp_path: Path) -> None:
    verdict = read_configuration(write(tmp_path, GOOD))
    assert verdict.lines() == []
    assert verdict.config is not None
    assert [str(listener.address) for listener in verdict.config.listeners] == ["127.0.0.1:8080"]


def test_all_errors_are_told_with_their_lines(tmp_path: Path) -> None:
    bad = GOOD.replace('hostname = "localhost"', 'hostnme = "localhost"').replace(
        ":8000", ":800000"
    )
    path = write(tmp_path, bad)
    verdict = read_configuration(path)
    assert verdict.config is None
    lines = [line.split(": ")[0] for line in verdict.lines()]
    assert f"{path}:8" in lines
    assert f"{path}:9" in lines


def test_what_is_not_served_yet_may_be_skipped(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD + '[[listeners]]\nprotocol = "tcp"\naddress = "127.0.0.1:9"\n')
    assert read_configuration(path).config is None
    verdict = read_configuration(path, skip_unsupported=True)
    assert verdict.config is not None
    assert len(verdict.config.listeners) == 1
    assert all("warning" in line for line in verdict.lines())
    assert verdict.lines()


def test_templates_are_read_from_beside_the_file(tmp_path: Path) -> None:
    text = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    (tmp_path / "404.http").write_text(text, encoding="utf-8")
    path = write(tmp_path, GOOD.replace(':8080"\n', ':8080"\nanswer_404 = "404.http"\n', 1))
    verdict = read_configuration(path)
    assert verdict.lines() == []
    assert verdict.config is not None
    (listener,) = verdict.config.listeners
    assert listener.answers["404"].split() == text.split()


def test_a_template_that_no_client_could_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "404.http").write_text("not found, sorry", encoding="utf-8")
    path = write(tmp_path, GOOD.replace(':8080"\n', ':8080"\nanswer_404 = "404.http"\n', 1))
    (line,) = read_configuration(path).lines()
    assert line.startswith(f"{path}:5: ")
    assert "404" in line


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    path = str(tmp_path / "absent.toml")
    verdict = read_configuration(path)
    assert verdict.config is None
    assert verdict.lines() == [f"{path}:1: cannot be read: No such file or directory"]


def test_a_file_that_is_not_text_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "latin.toml"
    path.write_bytes(b"# \xe9\n")
    assert read_configuration(str(path)).lines() == [
        f"{path}:1: cannot be read: byte 2 is not UTF-8"
    ]


def test_more_connections_than_descriptors_are_refused_in_their_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (1024, 4096))
    path = write(tmp_path, "\nmax_connections = 9000\n" + GOOD)
    verdict = read_configuration(path)
    assert verdict.config is None
    assert verdict.lines()[-1].startswith(f"{path}:2: max_connections = 9000 needs 18965 ")


def test_a_file_without_listeners_is_warned_of(tmp_path: Path) -> None:
    path = write(tmp_path, "")
    verdict = read_configuration(path)
    assert verdict.config is not None
    assert verdict.lines() == [f"{path}:1: warning: there is no listener, so nothing is served"]
