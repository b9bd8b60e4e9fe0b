"""The units of systemd name what there is, and shut the proxy in without shutting it out."""

import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from sozutw.cli.main import main
from sozutw.config.addresses import parse_socket_address
from sozutw.config.model import Settings
from sozutw.process.configuration import EX_CONFIG
from sozutw.process.system.notify import MARGIN_SECONDS
from tests.own_coverage import ROOT

FOLDER = ROOT / "etc" / "systemd"
SERVICES = ("sozutw.service", "sozutw@.service")
UNITS = (*SERVICES, "sozutw.socket")
Unit = dict[str, dict[str, list[str]]]


def read(name: str) -> Unit:
    """Read a unit: sections, keys, and the values in order, for a key may come again."""
    sections: Unit = {}
    current: dict[str, list[str]] = {}
    for line in (FOLDER / name).read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            current = sections.setdefault(line.strip("[]"), {})
            continue
        key, equals, value = line.partition("=")
        assert equals, line
        assert key == key.strip(), line
        current.setdefault(key, []).append(value)
    return sections


def seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+)s", text)
    assert found, text
    return float(found[1])


def test_these_are_all_units_and_the_page_names_them() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(UNITS)
    page = (ROOT / "doc" / "operations.md").read_text(encoding="utf-8")
    for name in UNITS:
        assert f"`etc/systemd/{name}`" in page


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_calls_commands_that_there_are(name: str) -> None:
    service = read(name)["Service"]
    for key in ("ExecStartPre", "ExecStart", "ExecReload"):
        (value,) = service[key]
        program, *words = value.split()
        assert program == "/usr/bin/sozutw"
        *names, option, path = words
        context = click.Context(main)
        command: click.Command | None = main
        for word in names:
            assert isinstance(command, click.Group)
            command = command.get_command(context, word)
            assert command is not None, words
        assert option == "-c"
        assert path == f"/etc/sozutw/{'%i' if '@' in name else 'sozutw'}.toml"
    assert service["ExecStart"][0].split()[1] == "start"
    assert service["ExecReload"][0].split()[1] == "reload"
    assert service["ExecStartPre"][0].split()[1:3] == ["config", "check"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_gives_the_proxy_what_it_needs(name: str) -> None:
    service = read(name)["Service"]

    def one(key: str) -> str:
        (value,) = service[key]
        return value

    assert one("Type") == "notify"  # SIGHUP, which notify-reload sends, does not reload.
    assert one("NotifyAccess") == "main"
    assert seconds(one("WatchdogSec")) >= 10
    assert seconds(one("TimeoutStopSec")) >= Settings().graceful_shutdown_timeout + MARGIN_SECONDS
    assert one("Restart") == "on-failure"
    assert one("RestartPreventExitStatus") == str(EX_CONFIG)
    assert int(one("LimitNOFILE")) >= 2 * 10_000 + 1000
    # What it may do, it must be given too: it is no root.
    assert one("User") == one("Group") == "sozutw"
    assert one("AmbientCapabilities") == one("CapabilityBoundingSet") == "CAP_NET_BIND_SERVICE"
    assert set(one("RestrictAddressFamilies").split()) == {"AF_INET", "AF_INET6", "AF_UNIX"}
    assert service["SystemCallFilter"] == ["@system-service", "~@privileged"]
    # All else is read-only, so there must be a place for sockets, states and logs.
    assert one("ProtectSystem") == "strict"
    own = "sozutw-%i" if "@" in name else "sozutw"
    for key in ("RuntimeDirectory", "StateDirectory", "LogsDirectory"):
        assert one(key) == own
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert f'command_socket = "/run/{own}/sozutw.sock"' in text
    assert f'saved_state = "/var/lib/{own}/state.json"' in text
    # Nobody may reach the command socket or the state through what others may read.
    assert int(one("UMask"), 8) & 0o027 == 0o027
    assert int(one("StateDirectoryMode"), 8) & 0o077 == 0
    for key, values in service.items():
        if key.startswith(("Protect", "Private", "NoNew", "Remove", "Lock")):
            assert values in (["yes"], ["strict"]), key
    # The audit trail reads /proc of other users; callbacks of the TLS library need such memory.
    assert service.keys().isdisjoint({"ProtectProc", "MemoryDenyWriteExecute", "PrivateUsers"})


def test_the_two_services_differ_in_their_names_only() -> None:
    one, several = (read(name) for name in SERVICES)
    assert several["Unit"].pop("Description") != one["Unit"].pop("Description")
    text = repr(several).replace("/etc/sozutw/%i", "/etc/sozutw/sozutw").replace("-%i", "")
    assert text == repr(one)


def test_the_sockets_have_addresses_as_a_file_has_them() -> None:
    unit = read("sozutw.socket")["Socket"]
    for text in unit["ListenStream"]:
        assert str(parse_socket_address(text)) == text
    assert unit["BindIPv6Only"] == ["ipv6-only"]
    assert "Accept" not in unit  # It would start a process for each client.


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip(
            "systemd-analyze is not there; it comes with systemd, which is not installed for this"
        )
    for name in UNITS:
        # The program must be there, or that is what is told.
        text = (FOLDER / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace("/usr/bin/sozutw", "/bin/true"))
    paths = [tmp_path / name.replace("@", "@shop") for name in UNITS]
    done = subprocess.run(
        [analyze, "verify", "--man=no", *paths], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    for name in SERVICES:
        words = [analyze, "security", "--offline=true", "--threshold=25", "--no-pager"]
        rated = subprocess.run(
            [*words, tmp_path / name], capture_output=True, text=True, check=False
        )
        assert rated.returncode == 0, rated.stdout + rated.stderr
