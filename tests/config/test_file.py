"""A file as a whole."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sozutw.config.draft import apply
from sozutw.config.file import load, names
from sozutw.config.problems import Severity
from sozutw.config.requests import requests_of
from sozutw.config.state import ConfigState
from tests.config.conftest import CHECKS, pem

SAMPLE = Path(__file__).parent.parent / "fixtures" / "sozu-config.toml"


def load_sample(*, skip: bool) -> object:
    text = SAMPLE.read_text(encoding="utf-8")
    return load(text, str(SAMPLE), pem, CHECKS, skip_unsupported=skip)


def test_the_sample_of_sozu_is_valid() -> None:
    problems = load_sample(skip=False).problems
    assert [p for p in problems if p.severity is Severity.ERROR] == []
    assert [p for p in problems if "unknown key" in p.text] == []


def test_the_sample_of_sozu_is_served_but_for_what_is_skipped() -> None:
    loaded = load_sample(skip=True)
    config = loaded.config
    assert {p.severity for p in loaded.problems} == {Severity.WARNING}
    assert [str(listener.address) for listener in config.listeners] == ["0.0.0.0:8080"]
    assert [cluster.cluster_id for cluster in config.clusters] == ["MyCluster"]
    assert next(rule.hostname for rule in config.frontends) == "lolcatho.st"
    unserved = config.unserved
    assert [str(listener.address) for listener in config.https_listeners] == ["0.0.0.0:8443"]
    assert [rule.hostname for rule in config.https_frontends] == ["lolcatho.st"]
    assert len(config.certificates) == 1
    assert unserved.https_listeners == ()
    assert len(unserved.tcp_listeners) == 1
    assert len(unserved.udp_listeners) == 1
    state = ConfigState()
    for request in requests_of(config):
        apply(state, request)


def test_what_is_skipped_is_told_in_the_same_lines_as_when_it_is_not() -> None:
    refused = [p.line for p in load_sample(skip=False).problems if p.is_refusal]
    warned = [p.line for p in load_sample(skip=True).problems]
    assert refused
    assert set(refused) <= set(warned)


def test_all_errors_are_told_at_once_and_in_order(files) -> None:
    told = files.told(
        """\
        buffer_size = 1
        [[listeners]]
        protocol = "http"
        address = "x"
        [clusters.A]
        protocol = "smtp"
        retry_after = -1
        """
    )
    assert [problem.split()[0] for problem in told] == ["E1", "E4", "E6", "E7"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a = 1\nb = \n", "E2 this is no TOML: Invalid value"),
        ("a = 1\na = 2\n", "E2 this is no TOML: Cannot overwrite a value"),
        ("a = 1\n[b", "E2 this is no TOML: Expected ']' at the end of a table declaration"),
        ("a = " + "[" * 5000, "E1 it is nested too deeply"),
    ],
)
def test_what_is_no_toml_is_told_with_its_line(files, text: str, told: str) -> None:
    problem = files.only(text)
    if told.startswith("E1 it") and "no TOML" in problem:
        return  # Later versions of Python count, and say so in words of their own.
    assert problem.startswith(told)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("listner = []", "W1 unknown key listner; did you mean listeners?"),
        ("cluster = {}", "W1 unknown key cluster; did you mean clusters?"),
        ("xyz = 1", "W1 unknown key xyz; the top level has no such key"),
        ("[applications.A]", "W1 unknown key applications; [clusters.ID] is meant, or nothing"),
        ("listeners = 1", "E1 listeners is 1; a list is meant"),
        ("clusters = []", "E1 clusters is a list; a table is meant"),
        ("clusters.A = 1", "E1 A is 1; a table is meant"),
    ],
)
def test_keys_at_the_top_are_judged(files, text: str, told: str) -> None:
    assert files.only(text).startswith(told)


def test_templates_that_nobody_objects_to_are_taken_as_they_are() -> None:
    text = '[clusters.A]\nprotocol = "http"\nanswers = { 503 = "x" }'
    loaded = load(text, "my.toml", str, CHECKS)
    assert loaded.config is not None
    assert loaded.config.clusters[0].answers == {"503": "x"}


def test_only_names_have_to_be_looked_up(files) -> None:
    text = '[clusters.A]\nprotocol = "http"\nbackends = [{address = "b:1"}, {address = "a:1"},'
    more = '{address = "b:2"}, {address = "127.0.0.1:1"}, {address = "[::1]:1"}, '
    assert names(files.config(text + more + '{address = "unix:c"}]')) == ["a", "b"]


KEYS = st.sampled_from(
    [
        *("address", "protocol", "hostname", "frontends", "backends", "answers", "weight", "tags"),
        *("certificate", "key", "certificate_chain", "tls_versions", "hsts", "client_auth", "x"),
        *("client_ca", "backend_tls", "backend_ca", "watch_certificates", "backend_server_name"),
    ]
)
VALUES = st.sampled_from(
    [
        '"http"',
        '"https"',
        '"require"',
        '"127.0.0.1:80"',
        '"*"',
        "0",
        "-1",
        "true",
        "1.5",
        "[]",
        "{}",
        '["a"]',
        "[{}]",
        "1979-05-27",
        '{ a = "b" }',
        '[{ address = "a:1" }]',
        '""',
    ]
)


@given(st.lists(st.tuples(KEYS, VALUES), max_size=6, unique_by=lambda pair: pair[0]))
def test_whatever_stands_there_is_told_and_never_raises(pairs: list[tuple[str, str]]) -> None:
    keys = "".join(f"{key} = {value}\n" for key, value in pairs)
    for header in ("", "[[listeners]]\n", "[clusters.A]\n", "[[clusters.A.frontends]]\n"):
        loaded = load(header + keys, "my.toml", pem, CHECKS)
        assert all(p.text for p in loaded.problems)
