"""Read ``[[listeners]]``."""

from dataclasses import dataclass
from enum import Enum
from typing import Final, assert_never

from sozutw.config.answer_keys import read_answers
from sozutw.config.certificate_keys import ReadCertificate, read_certificate
from sozutw.config.hostnames import is_token
from sozutw.config.model import (
    HttpListener,
    HttpsListener,
    InetAddress,
    Settings,
    TcpListener,
    UdpListener,
)
from sozutw.config.policies import Http2Limits
from sozutw.config.policy_keys import read_http2_limits
from sozutw.config.settings_keys import read_timeouts
from sozutw.config.table import Table
from sozutw.config.tls_keys import read_client_auth, read_hsts, read_tls_options

_LEGACY_ANSWERS: Final = (301, 400, 401, 404, 408, 413, 421, 429, 502, 503, 504, 507)
ALPN: Final = ("h2", "http/1.1")
"""What a listener may be asked to offer, and what it is asked to if nothing is said."""
_HTTP2_BUFFER_LEAST: Final = 16_393
"""A frame of HTTP/2 and its header must fit into one buffer of Sōzu."""


_ALL_KEYS: Final = frozenset(
    {f"answer_{status}" for status in _LEGACY_ANSWERS}
    | set(Http2Limits.__slots__)
    | {"expect_proxy", "front_timeout", "back_timeout", "connect_timeout", "request_timeout"}
    | {"tunnel_timeout", "sticky_name", "answers", "sozu_id_header", "elide_x_real_ip"}
    | {"send_x_real_ip", "trusted_proxies", "tls_versions", "cipher_list", "cipher_suites"}
    | {"groups_list", "signature_algorithms", "alpn_protocols", "send_tls13_tickets"}
    | {"certificate", "certificate_chain", "key", "strict_sni_binding", "disable_http11"}
    | {"client_auth", "client_ca", "watch_certificates"}
    | {"max_rx_datagram_size", "max_flows"}
)
"""What some kind of listener knows; Sōzu takes each of them from all kinds."""


class Protocol(Enum):
    """What a listener speaks."""

    HTTP = "http"
    HTTPS = "https"
    TCP = "tcp"
    UDP = "udp"


Listener = HttpListener | HttpsListener | TcpListener | UdpListener


@dataclass(frozen=True, slots=True)
class ReadListener:
    """A listener as it was read, and whether this version serves it."""

    protocol: Protocol
    listener: Listener
    is_served: bool
    expects_proxy: bool
    certificate: ReadCertificate | None = None
    """The listener's own."""
    watches: bool = False
    """Whether the files of its certificates are watched."""

    @property
    def address(self) -> InetAddress:
        """Where it accepts."""
        return self.listener.address


def read_listener(table: Table, settings: Settings) -> ReadListener | None:
    """Read one listener; None if it is not even clear what it would be."""
    protocol = _read_protocol(table)
    address = table.socket_address("address")
    if "address" not in table:
        table.report.refuse(table.path, "a listener has no address; IP:PORT is meant")
    public_address = table.socket_address("public_address")
    if protocol is None:
        return None
    # What has no address is read all the same, for what else may be wrong with it.
    place = address or InetAddress("0.0.0.0", 1)  # noqa: S104
    listener: Listener
    certificate: ReadCertificate | None = None
    watches = False
    expects_proxy = protocol is not Protocol.UDP and table.flag("expect_proxy", default=False)
    match protocol:
        case Protocol.HTTP:
            listener = _read_http(table, settings, place, public_address, expects_proxy)
        case Protocol.HTTPS:
            http = _read_http(table, settings, place, public_address, expects_proxy)
            watches = table.flag("watch_certificates", default=False)
            listener, certificate = _read_https(table, settings, http)
        case Protocol.TCP:
            timeouts = read_timeouts(table, settings.timeouts)
            listener = TcpListener(place, public_address, expects_proxy, timeouts)
        case Protocol.UDP:
            listener = _read_udp(table, place, public_address)
        case _:
            assert_never(protocol)
    if expects_proxy and public_address is not None:
        table.refuse(
            "public_address",
            "public_address stands with expect_proxy, which tells another; one of them is meant",
        )
    _refuse_unknown(table, protocol)
    is_served = _tell_if_unserved(table, listener, protocol, expects_proxy=expects_proxy)
    if address is None:
        return None
    return ReadListener(protocol, listener, is_served, expects_proxy, certificate, watches)


def _read_protocol(table: Table) -> Protocol | None:
    if "protocol" not in table:
        table.report.refuse(
            table.path, "a listener has no protocol; one of http, https, tcp, udp is meant"
        )
        return None
    return table.choice("protocol", Protocol.HTTP)


def _refuse_unknown(table: Table, protocol: Protocol) -> None:
    for key in table:
        if key in _ALL_KEYS and not table.knows(key):
            table.warn(key, f"{key} has no effect on a listener with protocol {protocol.value}")
            table.know(key)
    if "hsts" in table and protocol is not Protocol.HTTPS:
        table.refuse(
            "hsts",
            f"hsts has no place at a listener with protocol {protocol.value}; https is meant",
        )
    table.refuse_unknown()


def _tell_if_unserved(
    table: Table, listener: Listener, protocol: Protocol, *, expects_proxy: bool
) -> bool:
    if protocol in (Protocol.TCP, Protocol.UDP):
        what = f"a listener with protocol {protocol.value}"
        table.report.refuse_unserved(table.at("protocol"), what, "the listener is left out")
        return False
    if expects_proxy:
        # Without its header every client would seem to be the one proxy in front.
        table.refuse_unserved("expect_proxy", "the listener is left out")
        return False
    if isinstance(listener, HttpsListener) and listener.disable_http11:
        # Without HTTP/2 nobody would be left to serve.
        table.refuse_unserved("disable_http11", "the listener is left out")
        return False
    return True


def _read_http(
    table: Table,
    settings: Settings,
    address: InetAddress,
    public_address: InetAddress | None,
    expect_proxy: bool,
) -> HttpListener:
    plain = HttpListener(address)
    return HttpListener(
        address=address,
        public_address=public_address,
        expect_proxy=expect_proxy,
        timeouts=read_timeouts(table, settings.timeouts),
        sticky_name=table.checked(
            "sticky_name", is_token, "the name of a cookie is meant", plain.sticky_name
        ),
        sozu_id_header=table.checked(
            "sozu_id_header", is_token, "the name of a field is meant", plain.sozu_id_header
        ),
        elide_x_real_ip=table.flag("elide_x_real_ip", default=False),
        send_x_real_ip=table.flag("send_x_real_ip", default=False),
        answers=read_answers(table, _LEGACY_ANSWERS),
        trusted_proxies=table.networks("trusted_proxies", settings.trusted_proxies),
        http2=read_http2_limits(table),
    )


def _read_https(
    table: Table, settings: Settings, http: HttpListener
) -> tuple[HttpsListener, ReadCertificate | None]:
    disable_http11 = table.flag("disable_http11", default=False)
    tls = read_tls_options(table)
    certificate = read_certificate(table, tls_versions=tls.tls_versions)
    client_auth, client_authorities = read_client_auth(table)
    listener = HttpsListener(
        http=http,
        tls=tls,
        alpn_protocols=_read_alpn(table, disable_http11=disable_http11),
        certificate=None if certificate is None else certificate.held,
        strict_sni_binding=table.flag("strict_sni_binding", default=True),
        disable_http11=disable_http11,
        hsts=read_hsts(table),
        client_auth=client_auth,
        client_authorities=client_authorities,
    )
    check_buffer_size(table, settings, listener)
    return listener, certificate


def check_buffer_size(table: Table, settings: Settings, listener: HttpsListener) -> None:
    """Report if the buffers are too small for what an HTTPS listener offers."""
    if "h2" in listener.alpn_protocols and settings.buffer_size < _HTTP2_BUFFER_LEAST:
        table.report.refuse(
            ("buffer_size",),
            f"buffer_size is {settings.buffer_size}, and a listener offers h2; "
            f"at least {_HTTP2_BUFFER_LEAST} is meant",
        )


def _read_alpn(table: Table, *, disable_http11: bool) -> tuple[str, ...]:
    protocols = []
    for text in table.texts("alpn_protocols"):
        if text in ALPN:
            protocols.append(text)
        else:
            table.refuse("alpn_protocols", f'alpn_protocols has "{text}"; h2 or http/1.1 is meant')
    if "h2" in protocols:
        table.warn(
            "alpn_protocols",
            "alpn_protocols has h2, which this version does not speak; http/1.1 alone is offered",
        )
    if disable_http11 and "http/1.1" in protocols:
        table.refuse(
            "disable_http11",
            "disable_http11 stands with http/1.1 in alpn_protocols; one of them is meant",
        )
    return tuple(protocols) or (("h2",) if disable_http11 else ALPN)


def _read_udp(
    table: Table, address: InetAddress, public_address: InetAddress | None
) -> UdpListener:
    plain = UdpListener(address)
    return UdpListener(
        address=address,
        public_address=public_address,
        front_timeout=table.seconds("front_timeout", plain.front_timeout),
        back_timeout=table.seconds("back_timeout", plain.back_timeout),
        max_rx_datagram_size=table.integer(
            "max_rx_datagram_size", plain.max_rx_datagram_size, 1, 65_535
        ),
        max_flows=table.integer("max_flows", plain.max_flows),
    )
