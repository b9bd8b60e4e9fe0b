"""The admin address of a started proxy, as probes and Prometheus meet it."""

import signal
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.harness import (
    Backend,
    ReservedPort,
    connect,
    get,
    is_refused,
    request,
    start,
    twistd,
    write_config,
)

TOP = '[admin]\naddress = "127.0.0.1:{port}"\n'


def scrape(port: int) -> dict[str, float]:
    """Ask as Prometheus does, and read as it does; labels are left out."""
    answer = request(port, b"GET /metrics HTTP/1.0\r\nAccept: text/plain\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.0 200 "), head
    families = text_string_to_metric_families(body.decode())
    return {sample.name: sample.value for family in families for sample in family.samples}


@pytest.mark.parametrize("run", [start, twistd])
def test_a_proxy_tells_how_it_is_until_its_last_client_is_gone(tmp_path: Path, run) -> None:
    with ReservedPort() as own, ReservedPort() as admin, Backend() as backend:
        config = write_config(tmp_path, own.port, [backend], TOP.format(port=admin.port))
        with run(config) as process:
            process.wait_for_port(own.port)
            assert get(admin.port, "/healthz")[::2] == (200, b"ok\n")
            assert get(admin.port, "/readyz")[::2] == (200, b"ready\n")
            client = connect(own.port)
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            peer = backend.accept()
            peer.receive_until(b"\r\n\r\n")
            assert scrape(admin.port)["sozutw_http_active_requests"] == 1
            # Somebody who says nothing takes no one's turn.
            silent = connect(admin.port)
            process.signal(signal.SIGTERM)
            process.wait_for_text("stopping: 1 connection left")
            assert get(admin.port, "/readyz")[::2] == (503, b"draining\n")
            assert get(admin.port, "/healthz")[0] == 200
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
            assert client.receive_message()[1] == b"hi"
            assert process.wait() == 0
            assert is_refused(admin.port)
            silent.expect_end()
            silent.close()
            client.close()
            # twistd writes the log itself if it is told so, and not a line of it for a probe.
            assert "readyz" not in process.stdout() + process.stderr()


def test_an_admin_port_that_is_taken_is_told_like_any_other(tmp_path: Path) -> None:
    with ReservedPort() as own, Backend() as taken:
        config = write_config(tmp_path, own.port, [taken], TOP.format(port=taken.port))
        with start(config) as process:
            assert process.wait() == 1
            assert process.stderr().splitlines()[-1] == (
                f"sozutw cannot start: cannot listen on {taken}: Address already in use "
                "(another program listens there)"
            )
