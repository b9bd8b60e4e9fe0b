"""A refusal that one can do something about says what."""

import pytest

from sozutw.cli.advice import on_refusal


@pytest.mark.parametrize(
    ("message", "advice"),
    [
        ("Did not find Cluster with address or id 'x'", "`sozutw cluster list`"),
        ("Did not find http frontend with address or id 'x'", "`sozutw frontend list`"),
        ("Did not find HttpListener with address or id 'x'", "`sozutw listener list`"),
        ("Did not find certificate with address or id 'x'", "`sozutw certificate list`"),
        ("Did not find Backend with address or id 'x'", "`sozutw cluster list -i CLUSTER`"),
        ("there is no such session", "`sozutw sessions list`"),
        ("there is no cluster 'x'; add it first", "`sozutw cluster list`"),
        ("there is no listener at 127.0.0.1:1; add it first", "`sozutw listener list`"),
        ("the listener at 127.0.0.1:1 speaks no TLS; name another", "`sozutw listener list`"),
        ("there is no frontend x (TREE) at [::1]:1 to remove", "`sozutw frontend list`"),
        ("cluster 'x' has no backend 'y' at z:1 to remove", "`sozutw cluster list -i CLUSTER`"),
        ("cluster 'x' has no health check to remove", "`sozutw cluster health-check list`"),
        ("the listener at [::1]:1 has no certificate with …", "`sozutw certificate list`"),
        ("there is no session 7", "`sozutw sessions list`"),
        ("Worker 7 does not exist, or is stopping / stopped", "`sozutw status`"),
        ("HttpListener '127.0.0.1:80' already exists", "remove it first"),
        ("dispatching this request did not bring any change to the state", "It is so already"),
        ("unauthorized: actor UID 7 not in command_allowed_uids", "says who may"),
    ],
)
def test_advice(message: str, advice: str) -> None:
    (line,) = on_refusal(message)
    assert advice in line


@pytest.mark.parametrize(
    "message", ["", "Cannot create file at path /x", "Did not find wisdom", "x has no meaning"]
)
def test_no_advice_where_there_is_none(message: str) -> None:
    assert on_refusal(message) == []
