"""doc/configure.md tells every key there is."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from sozutw.config.model import Backend, Cluster, FrontendRule, HttpListener, Settings
from sozutw.config.policies import HealthCheck, Hsts, Http2Limits, UdpHealth, UdpOptions

PAGE = (Path(__file__).parents[2] / "doc" / "configure.md").read_text(encoding="utf-8")
TOLD = set(re.findall(r"`(?:metrics\.)?([a-z0-9_]+)`", PAGE))
NO_KEYS = {"timeouts", "metrics", "cluster_id"}  # Each stands for several keys, or is a table.


@pytest.mark.parametrize(
    "value",
    [
        Settings,
        HttpListener,
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


@pytest.mark.parametrize("example", re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL))
def test_every_example_of_the_page_is_taken(files, example: str) -> None:
    files.files["/etc/sozutw/pages/404.http"] = "HTTP/1.1 404 Not Found\r\n\r\n"
    if example.startswith("[listeners.answers]"):
        example = '[[listeners]]\nprotocol = "http"\naddress = "0.0.0.0:80"\n' + example
    assert files.told(example) == []
