"""What is told of frontends."""

from collections.abc import Iterable, Iterator

from sozutw.cli import spelling
from sozutw.cli.asking import screen_width
from sozutw.cli.tables import columns, table
from sozutw.control.proto import command_pb2 as pb

StreamFrontends = Iterable[pb.RequestTcpFrontend | pb.RequestUdpFrontend]


def show_frontends(content: pb.ResponseContent) -> Iterator[str]:
    """Tell of each frontend, by their kinds."""
    held = content.frontend_list
    sections = (
        ("HTTP frontends", http_frontends(held.http_frontends)),
        ("HTTPS frontends", http_frontends(held.https_frontends)),
        ("TCP frontends", stream_frontends(held.tcp_frontends)),
        ("UDP frontends", stream_frontends(held.udp_frontends)),
    )
    is_first = True
    for heading, lines in sections:
        if lines:
            if not is_first:
                yield ""
            is_first = False
            yield heading
            yield from (f"  {line}" for line in lines)
    if is_first:
        yield "There is no such frontend."


def http_frontends(
    held: Iterable[pb.RequestHttpFrontend], *, with_cluster: bool = True
) -> list[str]:
    """Return a table of frontends of HTTP or HTTPS; no lines if there are none."""
    titles = ["listener", "hostname", "path", "method", "position", "~does", "~tags"]
    rows = []
    for rule in held:
        row = [
            spelling.address(rule.address),
            rule.hostname,
            spelling.path(rule.path),
            rule.method or "any",
            pb.RulePosition.Name(rule.position).lower(),
            ", ".join(does(rule)),
            spelling.tags(rule.tags.items()),
        ]
        if with_cluster:
            row.insert(0, rule.cluster_id if rule.HasField("cluster_id") else "(deny)")
        rows.append(row)
    if with_cluster:
        titles.insert(0, "cluster")
    return table(columns(*titles), rows, screen_width()) if rows else []


def does(rule: pb.RequestHttpFrontend) -> Iterator[str]:
    """Give what a frontend does beside leading to a cluster."""
    if rule.HasField("redirect") and rule.redirect != pb.FORWARD:
        yield f"redirect {pb.RedirectPolicy.Name(rule.redirect).lower()}"
    if rule.HasField("redirect_scheme") and rule.redirect_scheme != pb.USE_SAME:
        yield pb.RedirectScheme.Name(rule.redirect_scheme).lower().replace("_", " ")
    if rule.redirect_template:
        yield "redirect by template"
    if rule.required_auth:
        yield "asks who it is"
    for name, value in (("host", rule.rewrite_host), ("path", rule.rewrite_path)):
        if value:
            yield f"{name} becomes {value}"
    if rule.HasField("rewrite_port"):
        yield f"port becomes {rule.rewrite_port}"
    for header in rule.headers:
        where = pb.HeaderPosition.Name(header.position).lower()
        yield f"{where} header {header.key}{f': {header.val}' if header.val else ' removed'}"
    if rule.HasField("hsts"):
        yield "HSTS" if rule.hsts.enabled else "no HSTS"


def stream_frontends(held: StreamFrontends, *, with_cluster: bool = True) -> list[str]:
    """Return a table of frontends of TCP or UDP; no lines if there are none."""
    rows = []
    for rule in held:
        row = [spelling.address(rule.address), spelling.tags(rule.tags.items())]
        rows.append([rule.cluster_id, *row] if with_cluster else row)
    titles = ["listener", "~tags"]
    heads = columns(*(["cluster", *titles] if with_cluster else titles))
    return table(heads, rows, screen_width()) if rows else []
