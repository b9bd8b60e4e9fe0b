"""The calls of the kernel that a working proxy makes are those that its unit lets through."""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from sozutw.control.client import Client
from sozutw.control.proto import command_pb2 as pb
from tests.contracts.test_units import SERVICES, read
from tests.e2e.certificates import Authority
from tests.e2e.harness import BIN, Backend, Peer, Process, ReservedPort, connect, get, wait_until
from tests.e2e.tls import tls_connect, trusting

BODY = b"x" * 1_000_000
"""Long enough for a splice."""


def let_through(filters: list[str]) -> set[str]:
    """Return the calls that SystemCallFilter lets through, as systemd knows its groups."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not there, which alone knows what a group of calls has")
    text = subprocess.run(
        [analyze, "--no-pager", "syscall-filter"], capture_output=True, text=True, check=True
    ).stdout
    groups: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("@"):
            members = groups.setdefault(line, [])
        elif line.startswith("    ") and not line.lstrip().startswith("#"):
            members.append(line.strip())

    def calls(name: str) -> set[str]:
        if not name.startswith("@"):
            return {name}
        return {call for member in groups[name] for call in calls(member)}

    through: set[str] = set()
    for word in filters:
        if word.startswith("~"):
            through -= calls(word[1:])
        else:
            through |= calls(word)
    return through | calls("@default")


def exchange(client: Peer, backend: Backend) -> None:
    client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    with backend.accept() as peer:
        peer.receive_until(b"\r\n\r\n")
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
        peer.send(head % len(BODY) + BODY)
        assert client.receive_rest().endswith(BODY)


def test_a_filter_is_read_as_systemd_reads_it() -> None:
    (filters,) = {tuple(read(name)["Service"]["SystemCallFilter"]) for name in SERVICES}
    through = let_through(list(filters))
    assert {"epoll_wait", "accept4", "splice", "sched_setaffinity", "prlimit64"} <= through
    assert through.isdisjoint({"setuid", "chown", "mount", "ptrace", "bpf", "reboot"})


def test_all_that_the_proxy_calls_is_let_through(tmp_path: Path) -> None:
    through = let_through(read("sozutw.service")["Service"]["SystemCallFilter"])
    strace = shutil.which("strace")
    if strace is None:
        assert not os.environ.get("CI"), "strace is missing; it is a package of every distribution"
        pytest.skip("no strace")
    authority = Authority()
    certificate = authority.issue("localhost").write(tmp_path, "localhost")
    config, calls = tmp_path / "sozutw.toml", tmp_path / "calls"
    with (
        Backend() as backend,
        ReservedPort() as plain,
        ReservedPort() as secure,
        ReservedPort() as admin,
    ):
        text = f"""\
command_socket = "s.sock"
saved_state = "state"
automatic_state_save = true
access_logs_target = "file://access.log"
audit_logs_target = "audit.log"
pid_file_path = "pid"
handle_process_affinity = true
[admin]
address = "{admin}"
[[listeners]]
protocol = "http"
address = "{plain}"
[[listeners]]
protocol = "https"
address = "{secure}"
alpn_protocols = ["http/1.1"]
watch_certificates = true
{certificate.replace(", ", chr(10))}
[clusters.app]
protocol = "http"
frontends = [
    {{ address = "{plain}", hostname = "localhost" }},
    {{ address = "{secure}", hostname = "localhost" }},
]
backends = [{{ address = "localhost:{backend.port}" }}]
"""
        config.write_text(text)
        # -D: the proxy stays our child, and strace is its grandchild.
        words = [strace, "-D", "-f", "-qq", "-o", calls]
        notify = {"NOTIFY_SOCKET": os.fspath(tmp_path / "nobody")}
        command = [BIN / "sozutw", "start", "-c", config]
        with Process([*words, *command], tmp_path, notify) as process:
            process.wait_for_port(plain.port, seconds=60)
            with connect(plain.port) as client:
                exchange(client, backend)
            with tls_connect(secure.port, trusting(authority), "localhost") as client:
                exchange(client, backend)
            assert get(admin.port, "/metrics")[0] == 200
            with Client(tmp_path / "s.sock", timeout=30) as asking:
                config.write_text(text + '[clusters.more]\nprotocol = "http"\n')
                asking.request(pb.Request(reload_configuration=""))
                asking.request(pb.Request(save_state=str(tmp_path / "other")))
                asking.request(pb.Request(load_state=str(tmp_path / "other")))
            wait_until((tmp_path / "state").exists, "a state saved", said=process.said)
            process.signal(signal.SIGHUP)
            process.signal(signal.SIGUSR1)
            wait_until(lambda: '{"clusters"' in process.stdout(), "counters", said=process.said)
            assert process.stop(30) == 0, process.said()
        # The tracer is no child of ours; it ends its file with the end of what it traced.
        wait_until(lambda: "exit_group(0)" in calls.read_text(), "the end in the trace")
    called = set(re.findall(r"^\d+ +(?:<\.\.\. )?(\w+)[( ]", calls.read_text(), re.MULTILINE))
    assert {"epoll_wait", "sched_setaffinity", "sendto", "splice"} <= called
    assert called - through == set()
