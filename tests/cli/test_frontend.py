"""`frontend`: each option is a field of the order, for HTTP and HTTPS alike."""

from pathlib import Path

import pytest

from sozutw.cli.frontend import REDIRECTS, SCHEMES
from sozutw.control.proto import command_pb2 as pb
from tests.cli.scripted import LOOPBACK, asked, call

WHICH = ["-a", "127.0.0.1:8080", "--hostname", "a.example"]


def rule(**fields: object) -> pb.RequestHttpFrontend:
    made = pb.RequestHttpFrontend(
        address=LOOPBACK,
        hostname="a.example",
        path=pb.PathRule(kind=pb.PREFIX, value=""),
        position=pb.TREE,
    )
    made.MergeFrom(pb.RequestHttpFrontend(**fields))  # type: ignore[arg-type]
    return made


def path(kind: pb.PathRuleKind, value: str) -> dict[str, object]:
    return {"path": pb.PathRule(kind=kind, value=value)}


SELECTED = [
    ([], {}),
    (["-p", "/a"], path(pb.PREFIX, "/a")),
    (["--path-prefix", "/a"], path(pb.PREFIX, "/a")),
    (["--path-regex", "/a.*"], path(pb.REGEX, "/a.*")),
    (["--path-equals", "/a"], path(pb.EQUALS, "/a")),
    (["-m", "GET"], {"method": "GET"}),
    (["--method", "POST"], {"method": "POST"}),
    (["--position", "pre"], {"position": pb.PRE}),
    (["--position", "tree"], {"position": pb.TREE}),
    (["--position", "POST"], {"position": pb.POST}),
]

HEADERS = [
    pb.Header(position=pb.REQUEST, key="A", val="1"),
    pb.Header(position=pb.RESPONSE, key="B", val=""),
    pb.Header(position=pb.BOTH, key="C", val="x=y"),
]

ADDED = [
    (["--tags", "k=v, l = w"], {"tags": {"k": "v", "l": "w"}}),
    *((["--redirect", name], {"redirect": number}) for name, number in REDIRECTS.items()),
    *((["--redirect-scheme", name], {"redirect_scheme": n}) for name, n in SCHEMES.items()),
    (["--redirect-template", "t"], {"redirect_template": "t"}),
    (["--rewrite-host", "h"], {"rewrite_host": "h"}),
    (["--rewrite-path", "/p"], {"rewrite_path": "/p"}),
    (["--rewrite-port", "81"], {"rewrite_port": 81}),
    (["--required-auth"], {"required_auth": True}),
    (
        ["--header", "request=A=1", "--header", "response=B=", "--header", "both=C=x=y"],
        {"headers": HEADERS},
    ),
    (["--hsts-max-age", "5"], {"hsts": pb.HstsConfig(enabled=True, max_age=5)}),
    (["--hsts-disabled"], {"hsts": pb.HstsConfig(enabled=False)}),
]


@pytest.mark.parametrize("kind", ["http", "https"])
@pytest.mark.parametrize("action", ["add", "remove"])
@pytest.mark.parametrize(("words", "fields"), SELECTED, ids=str)
def test_what_says_which_one_is_the_same_for_all(
    tmp_path: Path, kind: str, action: str, words: list[str], fields: dict[str, object]
) -> None:
    verb = f"{action}_{kind}_frontend"
    begin = ["frontend", kind, action, *WHICH, *words]
    to_cluster = pb.Request(**{verb: rule(cluster_id="shop", **fields)})  # type: ignore[arg-type]
    assert asked(tmp_path, *begin, "id", "shop") == to_cluster
    denied = pb.Request(**{verb: rule(**fields)})  # type: ignore[arg-type]
    assert asked(tmp_path, *begin, "deny") == denied


@pytest.mark.parametrize("kind", ["http", "https"])
@pytest.mark.parametrize(("words", "fields"), ADDED, ids=str)
def test_what_it_does_is_sent(
    tmp_path: Path, kind: str, words: list[str], fields: dict[str, object]
) -> None:
    made = {f"add_{kind}_frontend": rule(cluster_id="shop", **fields)}
    request = asked(tmp_path, "frontend", kind, "add", *WHICH, *words, "id", "shop")
    assert request == pb.Request(**made)  # type: ignore[arg-type]


def test_there_are_five_redirects() -> None:
    assert list(REDIRECTS) == [
        "forward",
        "permanent",
        "unauthorized",
        "found",
        "permanent_redirect",
    ]
    assert list(SCHEMES) == ["use-same", "use-http", "use-https"]


def test_host_is_short_for_hostname(tmp_path: Path) -> None:
    request = asked(
        tmp_path, "frontend", "http", "add", "-a", "127.0.0.1:8080", "--host", "a.example", "deny"
    )
    assert request == pb.Request(add_http_frontend=rule())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["deny"], "-a"),
        (["-a", "127.0.0.1:8080", "deny"], "--hostname"),
        (["-a", "a.example:80", "--hostname", "x", "deny"], "IP address"),
        ([*WHICH], "`id CLUSTER` or `deny`"),
        ([*WHICH, "id"], "CLUSTER"),
        ([*WHICH, "-p", "/", "--path-equals", "/", "deny"], "One of --path-prefix"),
        ([*WHICH, "--position", "last", "deny"], "pre, tree, post"),
        ([*WHICH, "--tags", "k", "deny"], "key=value"),
        ([*WHICH, "--header", "x", "deny"], "POSITION=NAME=VALUE"),
        ([*WHICH, "--header", "aside=x=y", "deny"], "request, response or both"),
        ([*WHICH, "--redirect", "gone", "deny"], "permanent_redirect"),
        ([*WHICH, "--rewrite-port", "0", "deny"], "--rewrite-port"),
    ],
)
def test_what_is_wrong_is_a_usage_error_that_says_what_is_meant(
    words: list[str], told: str
) -> None:
    result = call("frontend", "http", "add", *words)
    assert result.exit_code == 2
    assert told in result.stderr


@pytest.mark.parametrize(
    ("kind", "message"), [("tcp", pb.RequestTcpFrontend), ("udp", pb.RequestUdpFrontend)]
)
def test_frontends_of_streams_and_datagrams_are_sent(
    tmp_path: Path, kind: str, message: type[pb.RequestTcpFrontend]
) -> None:
    which = ["-i", "game", "-a", "127.0.0.1:8080"]
    plain = message(cluster_id="game", address=LOOPBACK)
    tagged = message(cluster_id="game", address=LOOPBACK, tags={"k": "v"})
    for action, words, made in (
        ("add", which, plain),
        ("add", [*which, "--tags", "k=v"], tagged),
        ("remove", which, plain),
    ):
        request = asked(tmp_path, "frontend", kind, action, *words)
        assert request == pb.Request(**{f"{action}_{kind}_frontend": made})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "filters"),
    [
        ([], {}),
        (["--http"], {"http": True}),
        (["--https", "--tcp"], {"https": True, "tcp": True}),
        (["-d", "a"], {"domain": "a"}),
        (["--domain", "a"], {"domain": "a"}),
    ],
)
def test_the_list_is_filtered(tmp_path: Path, words: list[str], filters: dict[str, object]) -> None:
    meant = pb.FrontendFilters(http=False, https=False, tcp=False)
    meant.MergeFrom(pb.FrontendFilters(**filters))  # type: ignore[arg-type]
    assert asked(tmp_path, "frontend", "list", *words) == pb.Request(list_frontends=meant)
