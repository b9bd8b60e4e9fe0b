"""Read the frontends of a cluster."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from sozutw.config.addresses import PORT_MAX
from sozutw.config.certificate_keys import ReadCertificate, read_certificate
from sozutw.config.hostnames import canonical_pattern, is_token
from sozutw.config.listener_keys import Listener, Protocol
from sozutw.config.model import (
    FrontendRule,
    HttpsListener,
    InetAddress,
    PathType,
    Position,
    Redirect,
    RedirectScheme,
    StreamFrontend,
)
from sozutw.config.policy_keys import read_header_edits
from sozutw.config.positions import Path
from sozutw.config.table import Table
from sozutw.config.tls_keys import read_hsts, read_tls_versions


@dataclass(frozen=True, slots=True)
class ReadFrontend:
    """A rule as it was read, where it stands, and whether this version serves it."""

    rule: FrontendRule
    path: Path
    is_served: bool
    certificate: ReadCertificate | None
    is_tls: bool
    """Whether a certificate was written, even one that cannot be used."""
    tls_versions: tuple[str, ...]


def read_frontend(table: Table, cluster_id: str) -> ReadFrontend | None:
    """Read one rule of an HTTP cluster; None if it cannot be placed."""
    address = _read_address(table)
    hostname = _read_hostname(table)
    tls_versions = read_tls_versions(table)
    certificate = read_certificate(table, tls_versions=tls_versions)
    path_type = table.choice("path_type", PathType.PREFIX)
    rule = FrontendRule(
        address=address or InetAddress("0.0.0.0", 1),  # noqa: S104  # read on for its other faults
        hostname=hostname or "localhost",
        path=_read_path(table, path_type),
        path_type=path_type,
        method=table.checked("method", is_token, "a method such as GET is meant", None),
        position=table.choice("position", Position.TREE),
        cluster_id=cluster_id,
        tags=table.mapping("tags"),
        redirect=table.choice("redirect", Redirect.FORWARD),
        redirect_scheme=table.choice("redirect_scheme", RedirectScheme.USE_SAME),
        required_auth=table.flag("required_auth", default=False),
        redirect_template=table.string("redirect_template", None),
        rewrite_host=table.string("rewrite_host", None),
        rewrite_path=table.string("rewrite_path", None),
        rewrite_port=table.integer("rewrite_port", None, 1, PORT_MAX),
        headers=read_header_edits(table),
        hsts=read_hsts(table),
    )
    table.refuse_unknown()
    for key, text in doubts(rule):
        table.warn(key, text)
    if rule.redirect is Redirect.FORWARD and "redirect_scheme" in table:
        table.warn("redirect_scheme", "redirect_scheme has no effect; redirect is meant beside it")
    if address is None or hostname is None:
        return None
    rule, is_served = _without_what_is_unserved(table, rule)
    return ReadFrontend(
        rule=rule,
        path=table.path,
        is_served=is_served,
        certificate=certificate,
        is_tls="certificate" in table or "key" in table,
        tls_versions=tls_versions,
    )


def doubts(rule: FrontendRule) -> Iterator[tuple[str, str]]:
    """Yield each key of a rule that is probably not what is meant, and why."""
    if rule.hostname == "*" and rule.position is Position.TREE:
        yield (
            "hostname",
            (
                "hostname * in the TREE is any host of one part, like localhost; "
                'position = "PRE" or "POST" is meant for any host at all'
            ),
        )
    path, method = rule.path, rule.method
    if path and rule.path_type is not PathType.REGEX and not path.startswith(("/", "*")):
        yield "path", f'path is "{path}", and no path begins so; "/{path}" may be meant'
    if method is not None and method != method.upper():
        yield "method", f'method is "{method}"; {method.upper()} may be meant'


def read_stream_frontend(table: Table, cluster_id: str) -> StreamFrontend | None:
    """Read one frontend of a TCP cluster; None if it cannot be placed."""
    address = _read_address(table)
    frontend = StreamFrontend(
        address=address or InetAddress("0.0.0.0", 1),  # noqa: S104  # read on for its other faults
        cluster_id=cluster_id,
        tags=table.mapping("tags"),
    )
    table.refuse_unknown()
    return None if address is None else frontend


def check_protocol(
    read: ReadFrontend, table: Table, protocol: Protocol, listener: Listener
) -> bool:
    """Report if this listener cannot lead to an HTTP cluster this way."""
    if protocol in (Protocol.TCP, Protocol.UDP):
        table.refuse(
            "address",
            f"{read.rule.address} is a {protocol.value} listener; "
            "one with protocol http or https is meant",
        )
        return False
    if isinstance(listener, HttpsListener):
        _compare_versions(table, read, listener)
        return True
    for key in ("certificate", "key", "hsts", "tls_versions"):
        if key in table:
            table.refuse(key, f"{key} has no place at an http listener; https is meant")
    return True


def _compare_versions(table: Table, read: ReadFrontend, listener: HttpsListener) -> None:
    """Warn of versions that cannot be kept to: they are agreed on before a name is known."""
    if not read.tls_versions:
        return
    if not read.is_tls:
        table.warn("tls_versions", "tls_versions has no effect on a frontend without certificate")
    elif set(read.tls_versions) != set(listener.tls.tls_versions):
        spoken = ", ".join(listener.tls.tls_versions)
        table.warn(
            "tls_versions",
            f"tls_versions has no effect; those of the listener hold for all of it: {spoken}",
        )


def _read_address(table: Table) -> InetAddress | None:
    if "address" not in table:
        table.report.refuse(
            table.path, "a frontend has no address; the IP:PORT of a listener is meant"
        )
    return table.socket_address("address")


def _read_hostname(table: Table) -> str | None:
    if "hostname" not in table:
        table.report.refuse(table.path, "a frontend has no hostname; a host, or *, is meant")
    return table.parsed(
        "hostname", lambda text: canonical_pattern(text, table.reading.checks.regex), None
    )


def _read_path(table: Table, path_type: PathType) -> str:
    path = table.string("path", "")
    if path_type is PathType.REGEX:
        reason = table.reading.checks.regex(path)
        if reason is not None:
            table.refuse("path", f"path is no regular expression that can be used: {reason}")
    return path


def _without_what_is_unserved(table: Table, rule: FrontendRule) -> tuple[FrontendRule, bool]:
    is_served = True
    for key in ("rewrite_host", "rewrite_path", "rewrite_port", "headers"):
        if key in table:
            table.refuse_unserved(key, "the frontend is left out")
            is_served = False
    table.refuse_unserved("redirect_template", "the answer of the listener is given")
    if rule.required_auth:
        # What is to be protected must not become open because its lock is missing.
        table.refuse_unserved("required_auth", "the frontend answers 401")
        return replace(rule, redirect=Redirect.UNAUTHORIZED), is_served
    return rule, is_served
