"""Clusters and their backends."""

import pytest

from sozutw.config.model import (
    Backend,
    Cluster,
    InetAddress,
    LoadBalancing,
    LoadMetric,
    UnixAddress,
)

HTTP = '[clusters.A]\nprotocol = "http"\n'
TCP = '[clusters.A]\nprotocol = "tcp"\n'


def test_a_cluster_is_read_in_full(files) -> None:
    files.files["/etc/sozutw/503"] = "later"
    text = """
load_balancing = "LEAST_LOADED"
load_metric = "connection_time"
sticky_session = true
https_redirect = true
https_redirect_port = 8443
answer_503 = "503"
answers = { 404 = "no" }
max_connections_per_ip = 0
retry_after = 5
front_timeout = 1
back_timeout = 2
connect_timeout = 3
request_timeout = 4
tunnel_timeout = 5
"""
    loaded = files.load(HTTP + text)
    assert loaded.problems == ()
    assert loaded.config.clusters == (
        Cluster(
            "A",
            LoadBalancing.LEAST_LOADED,
            LoadMetric.CONNECTION_TIME,
            sticky_session=True,
            https_redirect=True,
            https_redirect_port=8443,
            answers={"503": "later", "404": "no"},
            max_connections_per_ip=0,
            retry_after=5,
            front_timeout=1,
            back_timeout=2,
            connect_timeout=3,
            request_timeout=4,
            tunnel_timeout=5,
        ),
    )


def test_a_cluster_has_the_defaults_of_sozu(files) -> None:
    assert files.config(HTTP).clusters == (Cluster("A"),)


@pytest.mark.parametrize("policy", ["HRW", "maglev"])
@pytest.mark.parametrize("affinity", ["source", "header:X-User", "cookie:id", "path[1]"])
def test_affinity_keys_what_can_be_keyed(files, policy: str, affinity: str) -> None:
    text = f'{HTTP}load_balancing = "{policy}"\naffinity = "{affinity}"'
    assert files.told(text) == []
    assert files.config(text).clusters[0].affinity == affinity


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[clusters.A]", "E1 cluster A has no protocol; http or tcp is meant"),
        ('[clusters.A]\nprotocol = "udp"', 'E2 protocol is "udp"; one of http, tcp is meant'),
        (HTTP + 'load_balancing = "NONE"', 'E3 load_balancing is "NONE"; one of ROUND_ROBIN,'),
        (HTTP + 'affinity = "ip"', 'E3 affinity is "ip"; source, header:NAME, cookie:NAME or'),
        (HTTP + 'affinity = "source"', "W3 affinity has no effect; load_balancing HRW or MAGLEV"),
        (HTTP + 'load_metric = "requests"', "W3 load_metric has no effect; load_balancing LEAST"),
        (HTTP + "send_proxy = true", "W3 send_proxy has no effect on an http cluster; tcp is"),
        (HTTP + "udp = {}", "W3 udp has no effect on an http cluster; tcp is meant"),
        (HTTP + "sticky_sesion = true", "E3 unknown key sticky_sesion; did you mean sticky_ses"),
        (HTTP + "http2 = true", "U3 http2 is not served by this version"),
        (HTTP + 'authorized_hashes = ["a:b"]', "U3 authorized_hashes is not served"),
        (HTTP + 'www_authenticate = "Basic"', "U3 www_authenticate is not served"),
        (TCP + "send_proxy = true", "U2 cluster A with protocol tcp is not served by this"),
    ],
)
def test_what_is_wrong_or_not_served_is_told(files, text: str, told: str) -> None:
    problem = files.only(text)
    assert problem[: len(told)] == told


@pytest.mark.parametrize("text", ["http2 = false", "send_proxy = false"])
def test_what_is_off_anyway_is_not_told(files, text: str) -> None:
    assert files.told(HTTP + text) == []


def test_backends_are_read_in_full(files) -> None:
    text = """backends = [
  { address = "127.0.0.1:1026" },
  { address = "app:80", weight = 7, sticky_id = "s", backup = true, backend_id = "mine" },
  { address = "unix:app.sock", weight = 0 },
]"""
    loaded = files.load(HTTP + text)
    assert loaded.problems == ()
    assert loaded.config.backends == (
        Backend("A", "A-0-127.0.0.1:1026", InetAddress("127.0.0.1", 1026)),
        Backend("A", "mine", InetAddress("app", 80), 7, "s", backup=True),
        Backend("A", "A-2-unix:/etc/sozutw/app.sock", UnixAddress("/etc/sozutw/app.sock")),
    )
    assert loaded.config.backends[2].weight == 100


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{}", "E3 a backend has no address; HOST:PORT or unix:PATH is meant"),
        ('{ address = "x" }', 'E3 address is "x"; a host and a port are meant'),
        ('{ address = "a:1", weight = 256 }', "E3 weight is 256; a whole number from 0 to 255"),
        ('{ address = "a:1", backend_id = "" }', 'E3 backend_id is ""; a name is meant'),
        ('{ address = "a:1", sticky_id = "a;b" }', 'E3 sticky_id is "a;b"; the value of a cook'),
        ('{ address = "a:1", sticky-id = "a" }', "E3 unknown key sticky-id; did you mean stick"),
        (
            '{ address = "a:1", backend_id = "x" }, { address = "a:1", backend_id = "x" }',
            "W3 x at a:1 stands twice; the last counts",
        ),
    ],
)
def test_a_wrong_backend_is_told(files, text: str, told: str) -> None:
    problem = files.only(f"{HTTP}backends = [{text}]")
    assert problem[: len(told)] == told


@pytest.mark.parametrize(
    ("text", "is_refused"),
    [
        ("", False),
        ("backend_tls = true\n", True),
        ('backend_tls = true\nbackend_server_name = "app"\n', False),
        ("backend_tls = true\nbackend_tls_insecure = true\n", False),
    ],
)
def test_a_socket_has_no_name_that_a_certificate_could_be_for(
    files, text: str, is_refused: bool
) -> None:
    backends = 'backends = [{ address = "127.0.0.1:1" }, { address = "unix:/run/a" }]'
    told = [problem for problem in files.told(HTTP + text + backends) if problem[0] == "E"]
    assert [problem.partition(";")[0] for problem in told] == (
        ["E4 unix:/run/a has no name that a certificate could be for"] if is_refused else []
    )


def test_a_sticky_cluster_needs_names_that_fit_into_a_cookie(files) -> None:
    text = HTTP.replace("A", '"my app"') + "sticky_session = true\n"
    assert files.only(text + 'backends = [{ address = "a:1" }]').startswith(
        'E4 "my app-0-a:1" cannot be the value of the sticky cookie; a sticky_id is meant'
    )
    assert files.told(text + 'backends = [{ address = "a:1", sticky_id = "a" }]') == []
