"""`config check` tells all, and its exit status is the verdict."""

import json
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from sozutw.cli import config
from sozutw.cli.main import main
from tests.process.test_configuration import GOOD, TLS, hold, write


def test_a_good_file_exits_0(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    result = CliRunner().invoke(main, ["config", "check", "-c", path])
    assert result.exit_code == 0, result.output
    assert result.output == f"{path}: good\n"


def test_every_error_has_its_line_and_the_status_is_78(tmp_path: Path) -> None:
    bad = GOOD.replace("hostname", "hostnme").replace(":8000", ":800000")
    path = write(tmp_path, bad)
    result = CliRunner().invoke(main, ["config", "check", "-c", path])
    assert result.exit_code == 78
    assert f"{path}:8: " in result.output
    assert f"{path}:9: " in result.output
    assert "good" not in result.output


def test_host_names_are_told_with_their_addresses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def getaddrinfo(name: str, *_more: object, **_named: object) -> list[object]:
        if name == "nowhere.example":
            raise socket.gaierror(-2, "Name or service not known")
        return [(2, 1, 6, "", ("10.0.0.1", 0)), (2, 1, 6, "", ("10.0.0.2", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    text = GOOD.replace(
        '{ address = "127.0.0.1:8000" }',
        '{ address = "app.example:80" }, { address = "nowhere.example:80" }',
    )
    result = CliRunner().invoke(main, ["config", "check", "-c", write(tmp_path, text)])
    assert result.exit_code == 0, result.output
    assert "app.example is 10.0.0.1, 10.0.0.2\n" in result.output
    assert "nowhere.example is not known now (Name or service not known)\n" in result.output


def test_an_address_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    same = (2, 1, 6, "", ("10.0.0.1", 0))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: [same, same])
    assert config.resolve("app.example") == "10.0.0.1"


def test_what_is_not_served_yet_is_refused_or_skipped_by_the_same_verdict(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD + '[[listeners]]\nprotocol = "udp"\naddress = "127.0.0.1:9"\n')
    assert CliRunner().invoke(main, ["config", "check", "-c", path]).exit_code == 78
    result = CliRunner().invoke(main, ["config", "check", "-c", path, "--skip-unsupported"])
    assert result.exit_code == 0, result.output
    assert "warning: " in result.output


def test_a_certificate_that_cannot_be_served_is_told_by_its_file(tmp_path: Path) -> None:
    hold(tmp_path)
    (tmp_path / "own.key").unlink()
    path = write(tmp_path, TLS)
    result = CliRunner().invoke(main, ["config", "check", "-c", path])
    assert result.exit_code == 78
    assert f'{path}:6: key = "own.key" cannot be read: No such file' in result.output
    hold(tmp_path)
    result = CliRunner().invoke(main, ["config", "check", "-c", path])
    assert (result.exit_code, result.output) == (0, f"{path}: good\n")


def test_the_verdict_is_an_object_with_j(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD.replace("127.0.0.1:8000", "localhost:8000"))
    result = CliRunner().invoke(main, ["config", "check", "-c", path, "-j"])
    told = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (told["file"], told["good"], told["problems"]) == (path, True, [])
    assert "localhost" in told["names"]
    path = write(tmp_path, GOOD.replace("hostname", "hostnme"))
    result = CliRunner().invoke(main, ["-j", "config", "check", "-c", path])
    told = json.loads(result.stdout)
    assert result.exit_code == 78
    assert not told["good"]
    assert told["problems"][0]["line"] == 8
    assert told["problems"][0]["severity"] == "error"
    assert "hostname" in told["problems"][0]["text"]
