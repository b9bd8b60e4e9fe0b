"""Health checks; and what is not served yet, which is read in full all the same."""

import pytest

from sozutw.config.policies import (
    HeaderEdit,
    HeaderPosition,
    HealthCheck,
    Http2Limits,
    UdpAffinityKey,
    UdpHealth,
    UdpHealthMode,
    UdpOptions,
)

HTTPS = '[[listeners]]\nprotocol = "https"\naddress = "127.0.0.1:8443"\n'
HTTP = HTTPS.replace("https", "http")
TCP = '[clusters.T]\nprotocol = "tcp"\n'
FRONTEND = (
    '[clusters.A]\nprotocol = "http"\n[[clusters.A.frontends]]\n'
    'address = "127.0.0.1:8443"\nhostname = "a.example"\n'
)


def test_every_limit_of_http2_is_read(files) -> None:
    keys = Http2Limits.__slots__
    text = "".join(f"{key} = {number}\n" for number, key in enumerate(keys, 1))
    (listener,) = files.config(HTTPS + text, skip=True).https_listeners
    assert [getattr(listener.http.http2, key) for key in keys] == list(range(1, len(keys) + 1))
    for protocol in (HTTP, HTTPS):
        told = [p for p in files.told(protocol + text) if p.startswith("U")]
        assert [p.split()[1] for p in told] == list(keys)


def test_no_limit_of_http2_may_be_zero_but_the_one_that_waits_for_ever(files) -> None:
    text = "h2_graceful_shutdown_deadline_seconds = 0\nh2_max_glitch_count = 0\n"
    (problem,) = [p for p in files.told(HTTPS + text) if p.startswith("E")]
    assert problem == "E5 h2_max_glitch_count is 0; a whole number from 1 to 4294967295 is meant"


def test_a_health_check_is_read_in_full(files) -> None:
    cluster = '[clusters.A]\nprotocol = "http"\n[clusters.A.health_check]\n'
    full = (
        'uri = "/up"\ninterval = 1\ntimeout = 2\nhealthy_threshold = 3\n'
        "unhealthy_threshold = 4\nexpected_status = 204\n"
    )
    config = files.config(cluster + full)
    assert config.clusters[0].health_check == HealthCheck("/up", 1, 2, 3, 4, 204)


def test_a_health_check_may_be_a_connection_alone(files) -> None:
    config = files.config('[clusters.A]\nprotocol = "http"\nhealth_check = { tcp = true }\n')
    assert config.clusters[0].health_check == HealthCheck("", is_tcp=True)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{}", "E3 uri is missing; a path such as /health is meant"),
        ("{ tcp = false }", "E3 uri is missing; a path such as /health is meant"),
        ('{ uri = "up" }', "E3 uri is 'up'; a path that begins with / is meant"),
        ('{ uri = "/\\u0000" }', r"E3 uri is '/\x00'; "),
        ("{ uri = 1 }", "E3 uri is 1; a text in quotes is meant"),
        ('{ uri = "/", tcp = true }', "E3 uri has no meaning beside tcp; one of the two is meant"),
        ('{ uri = "/", expected_status = 99 }', "E3 expected_status is 99; 0 or a status from"),
        ('{ uri = "/", interval = 0 }', "E3 interval is 0; a whole number from 1"),
        ('{ uri = "/", intervall = 1 }', "E3 unknown key intervall; did you mean interval?"),
    ],
)
def test_a_wrong_health_check_is_told(files, text: str, told: str) -> None:
    problems = files.told(f'[clusters.A]\nprotocol = "http"\nhealth_check = {text}')
    assert told in [p[: len(told)] for p in problems]


def test_udp_is_read_in_full(files) -> None:
    text = """
[clusters.T.udp]
affinity_key = "source_ip_port"
responses = 1
requests = 2
send_proxy_protocol = true
proxy_protocol_every_datagram = true
[clusters.T.udp.health]
mode = "UDP_PROBE"
tcp_port = 53
rise = 1
fall = 2
fail_open = false
udp_probe_payload = "ping"
probe_interval_seconds = 3
probe_timeout_seconds = 4
"""
    (cluster,) = files.config(TCP + text, skip=True).unserved.clusters
    health = UdpHealth(UdpHealthMode.UDP_PROBE, 53, 1, 2, False, "ping", 3, 4)
    key = UdpAffinityKey.SOURCE_IP_PORT
    assert cluster.udp == UdpOptions(key, 1, 2, True, True, health)


def test_udp_has_defaults(files) -> None:
    (cluster,) = files.config(TCP + "udp = {}", skip=True).unserved.clusters
    assert cluster.udp == UdpOptions()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{ affinity = 1 }", "E3 unknown key affinity; "),
        ("{ health = { raise = 1 } }", "E3 unknown key raise; did you mean rise?"),
        ('{ health = { mode = "UDP_PROBE" } }', "W3 mode is UDP_PROBE without udp_probe_payload"),
    ],
)
def test_a_wrong_key_of_udp_is_told(files, text: str, told: str) -> None:
    problems = files.told(f"{TCP}udp = {text}")
    assert told in [p[: len(told)] for p in problems]


def test_header_edits_are_read_in_full(files) -> None:
    text = """headers = [
  { position = "request", key = "X-A", value = "a" },
  { position = "both", key = "X-B", value = "" },
]
"""
    (rule,) = files.config(HTTP + FRONTEND + text, skip=True).unserved.http_frontends
    assert rule.headers == (
        HeaderEdit(HeaderPosition.REQUEST, "X-A", "a"),
        HeaderEdit(HeaderPosition.BOTH, "X-B", ""),
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{ key = "a", value = "" }', "E9 a header has no position; one is meant"),
        ('{ position = "both", key = "a b", value = "" }', 'E9 key is "a b"; the name of a field'),
        ('{ position = "both", key = "a", value = "\\n" }', "E9 value is"),
        ('{ position = "both", key = "a", value = "", v = 1 }', "E9 unknown key v; a header has"),
    ],
)
def test_a_wrong_header_edit_is_told(files, text: str, told: str) -> None:
    problems = files.told(HTTP + FRONTEND + f"headers = [{text}]")
    assert told in [p[: len(told)] for p in problems]
