"""`sozutw cluster`, `backend` and `connection-limit` on a proxy that runs."""

from contextlib import ExitStack
from typing import Any

import pytest

from tests.e2e.commanded import REFUSED, SUCCESS, Asked, Commanded, finish
from tests.e2e.harness import connect, field_map, wait_until
from tests.e2e.stage import SECONDS_MAX

LISTED = "`sozutw cluster list` shows what there is."


def told_of(asked: Asked, cluster_id: str) -> dict[str, Any]:
    """Return what is told of a cluster: by its names, or the record of the main process."""
    told = asked.told(f"cluster list -i {cluster_id}")
    if asked.is_json:
        (one,) = told["WORKER_RESPONSES"]["map"]["main"]["content_type"]["CLUSTERS"]["vec"]
        return dict(one)
    return dict(line.split("  ", 1) for line in told if "  " in line.strip())


def test_clusters_are_listed(commanded: Commanded, asked: Asked) -> None:
    told = asked.told("cluster list")
    if asked.is_json:
        held = told["WORKER_RESPONSES"]["map"]
        hashes = [held[who]["content_type"]["CLUSTER_HASHES"]["map"] for who in held]
        assert set(held) == {"main", *map(str, range(commanded.workers or 1))}
        assert all(one == hashes[0] for one in hashes)
        assert set(hashes[0]) == {"one", "two"}
    else:
        assert told[0].split() == ["CLUSTER", "HASH", "IN", "ALL", "PROCESSES"]
        assert [line.split()[::2] for line in told[1:]] == [["one", "same"], ["two", "same"]]


def test_one_cluster_is_told_with_all_that_belongs_to_it(
    commanded: Commanded, asked: Asked
) -> None:
    told = told_of(asked, "one")
    if asked.is_json:
        assert told["configuration"]["cluster_id"] == "one"
        assert [one["backend_id"] for one in told["backends"]] == ["a", "b"]
        assert [one["hostname"] for one in told["http_frontends"]] == ["one.test"]
        assert [one["hostname"] for one in told["https_frontends"]] == ["one.test"]
    else:
        lines = asked.told("cluster list -i one")
        assert lines[0].split() == ["cluster", "one"]
        assert f"  a        {commanded.echoes[0]}" in "\n".join(lines)
        assert {"HTTP frontends", "HTTPS frontends", "Backends"} <= set(lines)


@pytest.mark.parametrize(
    ("domain", "clusters"),
    [("one.test", ["one", "two"]), ("one.test/two", ["two", "one"]), ("one.test/else", ["one"])],
)
def test_clusters_are_found_by_what_leads_to_them(
    asked: Asked, domain: str, clusters: list[str]
) -> None:
    told = asked.told(f"cluster list -d {domain}")
    if asked.is_json:
        found = told["WORKER_RESPONSES"]["map"]["0"]["content_type"]["CLUSTERS"]["vec"]
        assert [one["configuration"]["cluster_id"] for one in found] == clusters
    else:
        assert [line.split()[1] for line in told if line.startswith("cluster ")] == clusters


@pytest.mark.parametrize(
    ("words", "note"),
    [
        ("cluster list -i nix", "there is no cluster 'nix', nor a frontend or backend of it"),
        ("cluster list -d nix.test", "no frontend leads 'nix.test' to a cluster"),
        ("cluster health-check list -i nix", "there is no cluster 'nix'"),
    ],
)
def test_a_question_about_nothing_says_that_there_is_nothing(
    asked: Asked, words: str, note: str
) -> None:
    result = asked.call(words)
    assert result.exit_code == 0
    assert result.stderr == f"Note: {note}\n"


def test_a_cluster_comes_serves_changes_and_goes(commanded: Commanded, asked: Asked) -> None:
    asked.done("cluster add -i x --load-balancing-policy round_robin")
    asked.done(f"frontend http add -a {commanded.http} --hostname x.test id x")
    assert commanded.answers(host="x.test") == 503
    asked.done(f"backend add -i x --backend-id x1 -a {commanded.echoes[0]}")
    asked.done(f"backend add -i x --backend-id x2 -a {commanded.echoes[1]}")
    assert {commanded.answers(host="x.test") for _ in range(4)} == {"a", "b"}
    # Put again, with other settings: its backends stay.
    asked.done(
        "cluster add -i x --load-balancing-policy least_loaded -r --https-redirect-port 8443"
    )
    status, head, _ = commanded.ask(host="x.test")
    assert status == 301
    assert field_map(head)[b"location"] == b"https://x.test:8443/"
    asked.done(
        "cluster add -i x --load-balancing-policy HRW --answer '503=file://"
        + str(answer(commanded))
        + "'"
    )
    asked.done(f"backend remove -i x --backend-id x1 -a {commanded.echoes[0]}")
    assert {commanded.answers(host="x.test") for _ in range(4)} == {"b"}
    asked.done(f"backend remove -i x --backend-id x2 -a {commanded.echoes[1]}")
    assert commanded.ask(host="x.test")[::2] == (503, b"come back")
    asked.done(f"frontend http remove -a {commanded.http} --hostname x.test id x")
    asked.done("cluster remove -i x")
    assert commanded.answers(host="x.test") == 404
    asked.refused("cluster remove -i x", 1, f"{REFUSED}there is no cluster 'x' to remove", LISTED)


def answer(commanded: Commanded) -> Any:
    """Return where a whole answer stands."""
    path = commanded.folder / "503.http"
    path.write_text("HTTP/1.1 503 No\r\nContent-Length: 9\r\nConnection: close\r\n\r\ncome back")
    return path


def test_a_sticky_cluster_keeps_a_client_at_one_backend(commanded: Commanded, asked: Asked) -> None:
    asked.done("cluster add -i sticky --load-balancing-policy random -s")
    asked.done(f"backend add -i sticky --backend-id s1 -a {commanded.echoes[0]} -s first -w 7")
    asked.done(f"backend add -i sticky --backend-id s2 -a {commanded.echoes[1]} --sticky-id second")
    asked.done(f"frontend http add -a {commanded.http} --hostname s.test id sticky")
    for cookie, name in (("first", "a"), ("second", "b")):
        told = asked.told(
            f"explain http://s.test:{commanded.port}/ -H 'Cookie: SOZUBALANCEID={cookie}'"
        )
        assert f"{'s1' if name == 'a' else 's2'} at " in str(told)
        with connect(commanded.port) as client:
            for _ in range(3):
                client.send(
                    b"GET / HTTP/1.1\r\nHost: s.test\r\n"
                    b"Cookie: SOZUBALANCEID=%b\r\n\r\n" % cookie.encode()
                )
                assert f'"by": "{name}"'.encode() in client.receive_message(SECONDS_MAX)[1]
    weights = told_of(asked, "sticky")
    if asked.is_json:
        told = [(b["sticky_id"], b["load_balancing_parameters"]) for b in weights["backends"]]
        assert told == [("first", {"weight": 7}), ("second", {"weight": 100})]
    asked.done(f"frontend http remove -a {commanded.http} --hostname s.test id sticky")
    asked.done("cluster remove -i sticky")


def test_a_backup_serves_where_nobody_else_can(commanded: Commanded, asked: Asked) -> None:
    asked.done("cluster add -i spare --load-balancing-policy power_of_two")
    asked.done(f"frontend http add -a {commanded.http} --hostname spare.test id spare")
    asked.done(f"backend add -i spare --backend-id s1 -a {commanded.echoes[0]} --backup false")
    asked.done(
        f"backend add -i spare --backend-id s2 -a {commanded.echoes[1]} -b true --weight 255"
    )
    assert {commanded.answers(host="spare.test") for _ in range(4)} == {"a"}
    asked.done(f"backend remove --id spare --backend-id s1 --address {commanded.echoes[0]}")
    assert commanded.answers(host="spare.test") == "b"
    asked.done(f"frontend http remove -a {commanded.http} --hostname spare.test id spare")
    asked.done("cluster remove --id spare")


@pytest.mark.parametrize("option", ["--send-proxy", "--expect-proxy"])
def test_what_has_no_effect_is_taken_and_told(asked: Asked, option: str) -> None:
    doubt = "warning: proxy_protocol has no effect on a cluster that http frontends lead to"
    told = f"{SUCCESS.rstrip()}; {doubt}\n"
    words = f"cluster add -i p --load-balancing-policy maglev {option}"
    asked.done(words, told, f"Note: {doubt}\n" if asked.is_json else "")
    asked.done("cluster remove -i p")


USER = "joe:" + "0" * 64


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("--http2", "http2 is not served yet: HTTP/1.1 is spoken to backends"),
        (
            "--www-authenticate realm",
            "www_authenticate is not served yet: nobody is asked for a password",
        ),
        (
            f"--authorized-hash {USER}",
            "authorized_hashes is not served yet: nobody is asked for a password",
        ),
    ],
)
def test_what_is_not_served_is_refused_by_name(asked: Asked, words: str, text: str) -> None:
    asked.refused(f"cluster add -i p --load-balancing-policy random {words}", 1, REFUSED + text)
    asked.refused("cluster remove -i p", 1, f"{REFUSED}there is no cluster 'p' to remove", LISTED)


def test_http2_to_backends_is_no_news_off_and_not_served_on(asked: Asked) -> None:
    asked.done("cluster h2 disable -i two")
    text = f"{REFUSED}http2 is not served yet: HTTP/1.1 is spoken to backends"
    asked.refused("cluster h2 enable --id two", 1, text)
    asked.refused("cluster h2 enable -i nix", 1, "Did not find cluster nix", LISTED)
    asked.refused("cluster h2 disable -i nix", 1, "Did not find cluster nix", LISTED)


def test_a_backend_that_is_not_there_is_not_removed(commanded: Commanded, asked: Asked) -> None:
    where = "`sozutw cluster list -i CLUSTER` shows what there is."
    text = f"{REFUSED}cluster 'one' has no backend 'a' at {commanded.http} to remove"
    asked.refused(f"backend remove -i one --backend-id a -a {commanded.http}", 1, text, where)
    text = f"{REFUSED}cluster 'nix' has no backend 'a' at unix:/nowhere to remove"
    asked.refused("backend remove -i nix --backend-id a -a unix:/nowhere", 1, text, where)


def test_a_backend_of_no_cluster_is_taken_and_told(asked: Asked) -> None:
    doubt = "warning: there is no cluster 'nix' yet"
    told = f"{SUCCESS.rstrip()}; {doubt}\n"
    words = "backend add -i nix --backend-id a -a localhost:1"
    asked.done(words, told, f"Note: {doubt}\n" if asked.is_json else "")
    asked.done("backend remove -i nix --backend-id a -a localhost:1")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("cluster", ""),
        ("cluster nonsense", "No such command 'nonsense'."),
        ("cluster list --nonsense", "No such option '--nonsense'."),
        ("cluster list -i one -d one.test", "-i ID or -d DOMAIN is meant, not both."),
        ("cluster add -i x", "Missing option '--load-balancing-policy'."),
        ("cluster add --load-balancing-policy hrw", "Missing option '-i' / '--id'."),
        (
            "cluster add -i x --load-balancing-policy best",
            (
                "Invalid value for '--load-balancing-policy': 'best': one of round_robin, random, "
                "least_loaded, power_of_two, hrw, maglev is meant"
            ),
        ),
        (
            "cluster add -i x --load-balancing-policy hrw --answer nix",
            "Invalid value for '--answer': 'nix': CODE=TEXT or CODE=file://PATH is meant",
        ),
        (
            "cluster add -i x --load-balancing-policy hrw --https-redirect-port 0",
            "Invalid value for",
        ),
        ("cluster remove", "Missing option '-i' / '--id'."),
        ("backend add -i one --backend-id x", "Missing option '-a' / '--address'."),
        (
            "backend add -i one --backend-id x -a 10.0.0.1",
            "Invalid value for '-a' / '--address': '10.0.0.1': a host and a port are meant",
        ),
        ("backend add -i one --backend-id x -a a:1 -w 256", "Invalid value for '-w' / '--weight'"),
        (
            "backend add -i one --backend-id x -a a:1 -b perhaps",
            "Invalid value for '-b' / '--backup'",
        ),
        ("backend remove -i one -a a:1", "Missing option '--backend-id'."),
    ],
)
def test_a_wrong_command_line_says_what_is_meant(asked: Asked, words: str, text: str) -> None:
    if not text and not asked.is_json:
        result = asked.call(words)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "Commands:" in result.stderr
    else:
        asked.misused(words, text)


# Health checks.


def test_a_health_check_is_set_told_and_removed(commanded: Commanded, asked: Asked) -> None:
    asked.done(
        "cluster health-check set -i one -u /health --interval 3600 --probe-timeout 2 "
        "--healthy-threshold 1 --unhealthy-threshold 4 --expected-status 204"
    )
    told = asked.told("cluster health-check list")
    if asked.is_json:
        assert told["HEALTH_CHECKS_LIST"]["map"]["one"] == {
            "uri": "/health",
            "interval": 3600,
            "timeout": 2,
            "healthy_threshold": 1,
            "unhealthy_threshold": 4,
            "expected_status": 204,
        }
    else:
        assert told[1].split() == ["one", "/health", "204", "3600", "s", "2", "s", "1", "4"]
    asked.done("cluster health-check set -i one --mode http --uri /")
    for words in ("--tcp", "--mode tcp"):
        asked.done(f"cluster health-check set --id one {words} --interval 3600")
        told = asked.told("cluster health-check list --id one")
        assert ("'tcp': True" if asked.is_json else "connection") in str(told)
    asked.done("cluster health-check remove -i one")
    nothing = f"{REFUSED}cluster 'one' has no health check to remove"
    where = "`sozutw cluster health-check list` shows what there is."
    asked.refused("cluster health-check remove -i one", 1, nothing, where)


def test_a_backend_that_fails_its_check_is_left_out(commanded: Commanded, asked: Asked) -> None:
    # The servers answer 200 to everything, so that only one of these two finds them well.
    check = "cluster health-check set -i one -u /x --interval 1 --unhealthy-threshold 1"
    for status, up in (("500", "0"), ("200", "2")):
        asked.done(f"{check} --healthy-threshold 1 --expected-status {status}")
        wait_until(lambda up=up: healthy(commanded) == up, f"{up} healthy backends")
    asked.done("cluster health-check remove --id one")


def healthy(commanded: Commanded) -> str:
    lines = commanded.asked().told("metrics get -k one -n health_check.healthy_backends")
    (line,) = (line for line in lines if "healthy_backends" in line)
    return str(line.split()[-1])


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("-i one", "-u PATH is missing: what to ask for. Or --tcp, to ask for nothing."),
        ("-i one --tcp --mode http", "--tcp and --mode http contradict each other."),
        ("-u /", "Missing option '-i' / '--id'."),
        ("-i one -u / --interval 0", "Invalid value for '--interval': '0': a whole number from 1"),
        ("-i one -u / --expected-status 1000", "Invalid value for '--expected-status'"),
    ],
)
def test_a_health_check_that_is_none_is_refused(asked: Asked, words: str, text: str) -> None:
    asked.misused(f"cluster health-check set {words}", text)


@pytest.mark.parametrize("words", ["set -i nix -u /", "remove -i nix"])
def test_no_cluster_no_health_check(asked: Asked, words: str) -> None:
    text = f"{REFUSED}there is no cluster 'nix'; add it first"
    asked.refused(f"cluster health-check {words}", 1, text, LISTED)


# Limits of connections.


@pytest.mark.alone  # It holds for each worker.
def test_a_limit_of_connections_is_set_shown_and_removed(
    commanded: Commanded, asked: Asked
) -> None:
    assert limit(asked) == 0
    asked.done("connection-limit set 1")
    assert limit(asked) == 1
    with ExitStack() as stack:
        first = stack.enter_context(connect(commanded.port))
        peers = {first: commanded.held(first)}
        assert commanded.ask("/two")[0] == 429
        asked.done("connection-limit remove")
        second = stack.enter_context(connect(commanded.port))
        peers[second] = commanded.held(second)
        for client, peer in peers.items():
            finish(peer, client)
    asked.done("connection-limit set 0")
    assert limit(asked) == 0
    asked.misused("connection-limit set many", "Invalid value for 'LIMIT': 'many': a whole number")
    asked.misused("connection-limit set", "Missing argument 'LIMIT'.")


def limit(asked: Asked) -> int:
    told = asked.told("connection-limit show")
    if asked.is_json:
        return int(told["MAX_CONNECTIONS_PER_IP_LIMIT"]["limit"])
    (line,) = told
    return (
        0
        if line == "no limit"
        else int(line.removesuffix(" connections for each cluster and source IP address"))
    )
