"""doc/configure.md tells every key there is, together with the pages that it leads to."""

import re
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

import pytest

from sozutw.config import listener_keys, tls_keys
from sozutw.config.model import (
    Backend,
    Cluster,
    FrontendRule,
    HttpListener,
    HttpsListener,
    Settings,
)
from sozutw.config.policies import HealthCheck, Http2Limits, UdpHealth, UdpOptions
from sozutw.config.security import Hsts, TlsOptions
from tests.config.conftest import pem

DOC = Path(__file__).parents[2] / "doc"
PAGE = "\n".join(
    (DOC / name).read_text(encoding="utf-8") for name in ("configure.md", "health-checks.md")
)
TOLD = set(re.findall(r"`(?:metrics\.|admin\.)?([a-z0-9_]+)`", PAGE))
# Each stands for several keys, or is a table, or has another name there.
NO_KEYS = {
    "admin_address",
    "command_socket_is_default",
    "timeouts",
    "metrics",
    "cluster_id",
    "http",
    "tls",
    "client_authorities",
    "is_tcp",
}


@pytest.mark.parametrize(
    "value",
    [
        Settings,
        HttpListener,
        HttpsListener,
        TlsOptions,
        Cluster,
        FrontendRule,
        Backend,
        Hsts,
        Http2Limits,
        HealthCheck,
        UdpOptions,
        UdpHealth,
    ],
)
def test_the_page_names_every_key(value: type) -> None:
    keys = {field.name for field in fields(value)} - NO_KEYS - {"http2"}
    assert keys - TOLD == set()


@pytest.mark.parametrize(
    "keys", [tls_keys._OPTION_KEYS, tls_keys._BACKEND_KEYS, listener_keys._ALL_KEYS]
)
def test_the_page_names_the_keys_that_no_value_is_named_after(keys: Iterable[str]) -> None:
    keys = {key for key in keys if not key.startswith(("answer_", "h2_"))}
    assert keys - TOLD == set()


@pytest.mark.parametrize("example", re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL))
def test_every_example_of_the_page_is_taken(files, example: str) -> None:
    files.files["/etc/sozutw/pages/404.http"] = "HTTP/1.1 404 Not Found\r\n\r\n"
    live = "/etc/letsencrypt/live/example.com/"
    files.files[live + "fullchain.pem"] = pem("example.com")
    files.files[live + "privkey.pem"] = "the key"
    if example.startswith("[listeners.answers]"):
        example = '[[listeners]]\nprotocol = "http"\naddress = "0.0.0.0:80"\n' + example
    assert files.told(example) == []


def test_the_page_names_the_admin_address() -> None:
    assert "`admin.address`" in PAGE
