"""`cluster` in all its forms: what is sent for each option."""

from pathlib import Path

import pytest

from sozutw.cli.cluster import POLICIES
from sozutw.control.proto import command_pb2 as pb
from tests.cli.scripted import OK, asked, call, content, scripted

HASH = "ab" * 32
ADD = ["cluster", "add", "-i", "shop", "--load-balancing-policy"]


def added(**fields: object) -> pb.Request:
    cluster = pb.Cluster(
        cluster_id="shop",
        sticky_session=False,
        https_redirect=False,
        load_balancing=pb.ROUND_ROBIN,
    )
    cluster.MergeFrom(pb.Cluster(**fields))  # type: ignore[arg-type]
    return pb.Request(add_cluster=cluster)


@pytest.mark.parametrize("policy", POLICIES)
def test_each_policy_has_its_name(tmp_path: Path, policy: str) -> None:
    assert asked(tmp_path, *ADD, policy) == added(load_balancing=POLICIES[policy])


def test_there_are_sozus_six_policies() -> None:
    assert set(POLICIES) == {
        "round_robin", "random", "least_loaded", "power_of_two", "hrw", "maglev",
    }  # fmt: skip


@pytest.mark.parametrize("spelled", ["ROUND_ROBIN", "round-robin", "Round_Robin"])
def test_case_and_hyphens_make_no_difference(tmp_path: Path, spelled: str) -> None:
    assert asked(tmp_path, *ADD, spelled) == added()


ADDED = [
    (["-s"], {"sticky_session": True}),
    (["--sticky-session"], {"sticky_session": True}),
    (["-r"], {"https_redirect": True}),
    (["--https-redirect"], {"https_redirect": True}),
    (["--send-proxy"], {"proxy_protocol": pb.SEND_HEADER}),
    (["--expect-proxy"], {"proxy_protocol": pb.EXPECT_HEADER}),
    (["--expect-proxy", "--send-proxy"], {"proxy_protocol": pb.RELAY_HEADER}),
    (["--http2"], {"http2": True}),
    (["--https-redirect-port", "8443"], {"https_redirect_port": 8443}),
    (["--www-authenticate", "x"], {"www_authenticate": "x"}),
    (
        ["--authorized-hash", f"a:{HASH}", "--authorized-hash", f"b:{HASH}"],
        {"authorized_hashes": [f"a:{HASH}", f"b:{HASH}"]},
    ),
    (
        ["--answer", "503=busy=1", "--answer", "404=gone"],
        {"answers": {"503": "busy=1", "404": "gone"}},
    ),
]


@pytest.mark.parametrize(("words", "fields"), ADDED, ids=str)
def test_what_is_given_is_sent(tmp_path: Path, words: list[str], fields: dict[str, object]) -> None:
    assert asked(tmp_path, *ADD, "round_robin", *words) == added(**fields)


def test_an_answer_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "503").write_text("HTTP/1.1 503 Busy\r\n\r\n", newline="")
    words = ["--answer", f"503=file://{tmp_path / '503'}"]
    request = asked(tmp_path, *ADD, "round_robin", *words)
    assert request == added(answers={"503": "HTTP/1.1 503 Busy\r\n\r\n"})


@pytest.mark.parametrize(
    "words",
    [
        ["--answer", "503"],
        ["--answer", "503=file:///nowhere"],
        ["--authorized-hash", "a:b"],
        ["--authorized-hash", f":{HASH}"],
        ["--https-redirect-port", "0"],
    ],
    ids=str,
)
def test_a_bad_value_is_a_usage_error(words: list[str]) -> None:
    result = call(*ADD, "random", *words)
    assert result.exit_code == 2
    assert words[0] in result.stderr


def test_a_policy_is_required_and_known() -> None:
    assert call("cluster", "add", "-i", "shop").exit_code == 2
    result = call(*ADD, "fastest")
    assert result.exit_code == 2
    assert "one of round_robin, " in result.stderr


ASKED = [
    (["remove", "-i", "shop"], pb.Request(remove_cluster="shop")),
    (["list"], pb.Request(query_clusters_hashes=pb.QueryClustersHashes())),
    (["list", "-i", "shop"], pb.Request(query_cluster_by_id="shop")),
    (["list", "--id", "shop"], pb.Request(query_cluster_by_id="shop")),
    (
        ["list", "-d", "a.example"],
        pb.Request(query_clusters_by_domain=pb.QueryClusterByDomain(hostname="a.example")),
    ),
    (
        ["list", "--domain", "a.example/b/c"],
        pb.Request(
            query_clusters_by_domain=pb.QueryClusterByDomain(hostname="a.example", path="/b/c")
        ),
    ),
]


@pytest.mark.parametrize(("words", "request_"), ASKED, ids=str)
def test_clusters_are_asked_for_and_removed(
    tmp_path: Path, words: list[str], request_: pb.Request
) -> None:
    assert asked(tmp_path, "cluster", *words) == request_


def test_an_id_or_a_domain_is_meant() -> None:
    assert call("cluster", "list", "-i", "a", "-d", "b").exit_code == 2


@pytest.mark.parametrize(("word", "http2"), [("enable", True), ("disable", False)])
@pytest.mark.parametrize("by_worker", [True, False])
def test_h2_changes_that_and_nothing_else(
    tmp_path: Path, word: str, http2: bool, by_worker: bool
) -> None:
    before = pb.Cluster(
        cluster_id="shop",
        sticky_session=True,
        https_redirect=True,
        load_balancing=pb.HRW,
        answers={"503": "x"},
        http2=not http2,
    )
    held = pb.ClusterInformations(vec=[pb.ClusterInformation(configuration=before)])
    answer = content(clusters=held)
    if by_worker:
        answer = content(
            worker_responses=pb.WorkerResponses(map={"main": answer.content, "0": answer.content})
        )
    with scripted(tmp_path, [answer], [OK]) as proxy:
        result = call("-s", proxy.path, "cluster", "h2", word, "-i", "shop")
    assert (result.exit_code, result.output) == (0, "Success: done\n")
    after = pb.Cluster()
    after.CopyFrom(before)
    after.http2 = http2
    assert proxy.requests == [
        pb.Request(query_cluster_by_id="shop"),
        pb.Request(add_cluster=after),
    ]


def test_h2_of_no_cluster_is_refused_and_nothing_is_sent(tmp_path: Path) -> None:
    answer = content(worker_responses=pb.WorkerResponses(map={"main": pb.ResponseContent()}))
    with scripted(tmp_path, [answer]) as proxy:
        result = call("-s", proxy.path, "cluster", "h2", "enable", "-i", "shop")
    assert result.exit_code == 1
    assert "Did not find cluster shop" in result.stderr
    assert "cluster list" in result.stderr
    assert len(proxy.requests) == 1
