"""
Hypothesis strategies for all that can be asked of a configuration.

Everything that they make is as a reader would have made it: canonical, and served by this version.
"""

from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Any, TypeVar

from hypothesis import strategies as st

from sozutw.config.answer_keys import STATUSES
from sozutw.config.model import (
    NO_TAGS,
    Backend,
    BackendAddress,
    Cluster,
    FrontendRule,
    HttpListener,
    HttpsListener,
    InetAddress,
    ListenerKind,
    LoadBalancing,
    LoadMetric,
    PathType,
    Position,
    Redirect,
    RedirectScheme,
    Timeouts,
    UnixAddress,
)
from sozutw.config.policies import (
    HealthCheck,
    Http2Limits,
    UdpAffinityKey,
    UdpHealth,
    UdpHealthMode,
    UdpOptions,
)
from sozutw.config.requests import (
    ActivateListener,
    AddBackend,
    AddCertificate,
    AddCluster,
    AddHttpFrontend,
    AddHttpListener,
    AddHttpsFrontend,
    AddHttpsListener,
    DeactivateListener,
    ListenerPatch,
    RemoveBackend,
    RemoveCertificate,
    RemoveCluster,
    RemoveHealthCheck,
    RemoveHttpFrontend,
    RemoveHttpsFrontend,
    RemoveListener,
    ReplaceCertificate,
    ReplaceDefaultCertificate,
    SetHealthCheck,
    UpdateListener,
)
from sozutw.config.security import BackendTls, CertificateAndKey, ClientAuth, Hsts, TlsOptions
from sozutw.control.orders_out import Order
from tests.fakes import certificates as made

T = TypeVar("T")

U32 = 2**32 - 1
U64 = 2**64 - 1
VERSIONS = ("SSL_V3", "TLS_V1", "TLS_V11", "TLS_V12", "TLS_V13")

_ids = st.sampled_from(("app", "app-1", "Überall 2", "c/3", "x" * 70))
_small = st.integers(1, 5)
_u32 = st.integers(0, U32)
_ports = st.integers(1, 65_535)
_texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
_tokens = st.sampled_from(("X-Id", "SOZUBALANCEID", "a", "!#$%&'*+.^_`|~0"))
_seconds = st.one_of(
    st.integers(1, 4000).map(float), st.floats(0.001, 4e9), st.sampled_from((0.5, float(U32)))
)
_tables = st.dictionaries(_texts, _texts, max_size=2)
_labels = st.sampled_from(("a", "b1", "xn--bcher-kva", "_x", "/cdn[0-9]+/", r"/(?i)A.B/"))


def tables(values: st.SearchStrategy[dict[str, str]]) -> st.SearchStrategy[Any]:
    """Give what is empty the one empty mapping that all share."""
    return values.map(lambda table: table or NO_TAGS)


def optional(values: st.SearchStrategy[T]) -> st.SearchStrategy[T | None]:
    return st.none() | values


def inet_addresses() -> st.SearchStrategy[InetAddress]:
    """Make IP addresses with a port."""
    hosts = st.one_of(
        st.just("127.0.0.1"),
        st.integers(0, U32).map(lambda number: str(IPv4Address(number))),
        st.integers(0, 2**128 - 1).map(lambda number: str(IPv6Address(number))),
        st.sampled_from(("::1", "::", "fe80::1%eth0", "::ffff:7f00:1")).map(
            lambda text: str(IPv6Address(text))
        ),
    )
    return st.builds(InetAddress, hosts, _ports)


def backend_addresses() -> st.SearchStrategy[BackendAddress]:
    """Make addresses of all kinds that a backend can have."""
    names = st.builds(InetAddress, st.sampled_from(("localhost", "b.example", "_x.y")), _ports)
    paths = st.sampled_from(("/run/app.sock", "run/a", "/a b", "/ä")).map(UnixAddress)
    return inet_addresses() | names | paths


def template(status: int | str) -> str:
    return f"HTTP/1.1 {status} Reason\r\nX-A: b\r\n\r\nText ü\n"


def answers(*others: str) -> st.SearchStrategy[Any]:
    """Make templates by their status; ``others`` are texts that may stand there as well."""
    statuses = st.sampled_from(tuple(map(str, STATUSES)))
    entries = statuses.flatmap(
        lambda status: st.tuples(st.just(status), st.sampled_from((template(status), *others)))
    )
    return tables(st.lists(entries, max_size=3).map(dict))


def http2_limits() -> st.SearchStrategy[dict[str, int]]:
    """Make some limits, by their names."""
    most = {name: U64 if name.endswith("_lifetime") else U32 for name in Http2Limits.__slots__}
    return st.dictionaries(st.sampled_from(Http2Limits.__slots__), st.just(0), max_size=4).flatmap(
        lambda names: st.fixed_dictionaries({name: st.integers(1, most[name]) for name in names})
    )


def hsts() -> st.SearchStrategy[Hsts]:
    return st.builds(
        Hsts,
        enabled=st.booleans(),
        max_age=_u32,
        include_subdomains=st.booleans(),
        preload=st.booleans(),
        force_replace_backend=st.booleans(),
    )


def health_checks() -> st.SearchStrategy[HealthCheck]:
    """Make health checks, those by a connection alone among them."""
    common: dict[str, Any] = {
        "interval": _small,
        "timeout": st.integers(1, U32),
        "healthy_threshold": _small,
        "unhealthy_threshold": _small,
        "expected_status": st.sampled_from((0, 204)),
    }
    return st.builds(
        HealthCheck, uri=st.sampled_from(("/", "/health?a=ä")), is_tcp=st.just(False), **common
    ) | st.builds(HealthCheck, uri=st.just(""), is_tcp=st.just(True), **common)


def certificates() -> st.SearchStrategy[CertificateAndKey]:
    """Make certificates that can be served, each from a few."""
    return st.builds(
        lambda name, chain, versions, names: CertificateAndKey(
            made.leaf(name).pem, made.leaf(name).key_pem(), chain, versions, names
        ),
        st.sampled_from(("a.example", "b.example", "*.c.example")),
        st.sampled_from(((), (made.intermediate().pem,), (made.intermediate().pem, "# none\n"))),
        st.lists(st.sampled_from(VERSIONS), max_size=2).map(tuple),
        st.lists(st.sampled_from(("a.example", "*.b.example")), max_size=2).map(tuple),
    )


def tls_options() -> st.SearchStrategy[TlsOptions]:
    return st.builds(
        TlsOptions,
        tls_versions=st.sampled_from(
            (("TLS_V12", "TLS_V13"), ("TLS_V13",), ("TLS_V13", "TLS_V1", "TLS_V12"))
        ),
        cipher_list=st.sampled_from(((), ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",))),
        cipher_suites=st.sampled_from(((), ("TLS13_AES_256_GCM_SHA384",))),
        groups_list=st.sampled_from(((), ("x25519", "P-256"))),
        signature_algorithms=st.sampled_from(((), ("ECDSA+SHA256",))),
        send_tls13_tickets=st.sampled_from((None, 0, 1, 4, U32)),
    )


def timeouts() -> st.SearchStrategy[Timeouts]:
    return st.builds(
        Timeouts,
        front=_seconds,
        back=_seconds,
        connect=_seconds,
        request=_seconds,
        tunnel=st.just(3600.0) | _seconds,
    )


def http_listeners(
    addresses: st.SearchStrategy[InetAddress] | None = None,
) -> st.SearchStrategy[HttpListener]:
    """Make listeners of plain HTTP."""
    networks = st.sampled_from(("10.0.0.0/8", "fd00::/8", "192.0.2.1")).map(ip_network)
    return st.builds(
        HttpListener,
        address=inet_addresses() if addresses is None else addresses,
        public_address=optional(inet_addresses()),
        expect_proxy=st.just(False),
        timeouts=timeouts(),
        sticky_name=_tokens,
        sozu_id_header=_tokens,
        elide_x_real_ip=st.booleans(),
        send_x_real_ip=st.booleans(),
        answers=answers(),
        trusted_proxies=st.lists(networks, max_size=2).map(tuple),
        http2=optional(st.builds(lambda limits: Http2Limits(**limits), http2_limits())),
    )


def https_listeners(
    addresses: st.SearchStrategy[InetAddress] | None = None,
) -> st.SearchStrategy[HttpsListener]:
    """Make listeners of HTTP over TLS."""
    auth = st.just((ClientAuth.NONE, None)) | st.tuples(
        st.sampled_from((ClientAuth.OPTIONAL, ClientAuth.REQUIRE)), st.just(made.root().pem)
    )
    return st.builds(
        lambda auth, **others: HttpsListener(
            client_auth=auth[0], client_authorities=auth[1], **others
        ),
        auth,
        http=http_listeners(addresses),
        tls=tls_options(),
        alpn_protocols=st.sampled_from((("h2", "http/1.1"), ("http/1.1",))),
        certificate=optional(certificates()),
        strict_sni_binding=st.booleans(),
        hsts=optional(hsts()),
    )


def listeners(
    addresses: st.SearchStrategy[InetAddress] | None = None,
) -> st.SearchStrategy[HttpListener | HttpsListener]:
    """Make listeners of both kinds, at some of ``addresses``."""
    return http_listeners(addresses) | https_listeners(addresses)


def udp_options() -> st.SearchStrategy[UdpOptions]:
    health = st.builds(
        UdpHealth,
        mode=st.sampled_from(UdpHealthMode),
        tcp_port=optional(_ports),
        rise=_small,
        fall=_small,
        fail_open=st.booleans(),
        udp_probe_payload=optional(_texts),
        probe_interval_seconds=_small,
        probe_timeout_seconds=_small,
    )
    return st.builds(
        UdpOptions,
        affinity_key=st.sampled_from(UdpAffinityKey),
        responses=_u32,
        requests=_u32,
        send_proxy_protocol=st.booleans(),
        proxy_protocol_every_datagram=st.booleans(),
        health=health,
    )


def backend_tls() -> st.SearchStrategy[BackendTls]:
    return st.builds(
        BackendTls,
        authorities=optional(st.just(made.root().pem)),
        server_name=optional(st.sampled_from(("b.example", "192.0.2.1", "::1"))),
        certificate=optional(certificates()),
        is_insecure=st.booleans(),
    )


def clusters(ids: st.SearchStrategy[str] = _ids) -> st.SearchStrategy[Cluster]:
    """Make clusters, named by some of ``ids``."""
    return st.builds(
        Cluster,
        cluster_id=ids,
        load_balancing=st.sampled_from(LoadBalancing),
        load_metric=st.sampled_from(LoadMetric),
        sticky_session=st.booleans(),
        https_redirect=st.booleans(),
        https_redirect_port=optional(_ports),
        answers=answers(),
        max_connections_per_ip=optional(st.integers(0, U64)),
        retry_after=optional(_u32),
        affinity=optional(st.sampled_from(("source", "header:X-A", "cookie:c", "path[2]"))),
        front_timeout=optional(_seconds),
        back_timeout=optional(_seconds),
        connect_timeout=optional(_seconds),
        request_timeout=optional(_seconds),
        tunnel_timeout=optional(_seconds),
        backend_tls=optional(backend_tls()),
        send_proxy=st.booleans(),
        health_check=optional(health_checks()),
        udp=optional(udp_options()),
    )


def backends(ids: st.SearchStrategy[str] = _ids) -> st.SearchStrategy[Backend]:
    """Make backends of clusters named by some of ``ids``."""
    return st.builds(
        Backend,
        cluster_id=ids,
        backend_id=st.sampled_from(("app-0-127.0.0.1:80", "b", "Ü 1")),
        address=backend_addresses(),
        weight=st.integers(1, 255),
        sticky_id=optional(st.sampled_from(("s1", "!#$%&'()*+-./:<=>?@[]^_`{|}~"))),
        backup=st.booleans(),
    )


def hostnames() -> st.SearchStrategy[str]:
    """Make host patterns in the form in which they are compared."""
    joined = st.lists(_labels, min_size=1, max_size=3).map(".".join)
    return st.one_of(
        st.just("*"),
        st.sampled_from(("[::1]", "127.0.0.1", "*.example.com")),
        joined,
        joined.map("*.{}".format),
    )


def rules(
    addresses: st.SearchStrategy[InetAddress] | None = None,
    ids: st.SearchStrategy[str] = _ids,
    *,
    is_https: bool = False,
) -> st.SearchStrategy[FrontendRule]:
    """Make rules of frontends, at some of ``addresses``, leading to some of ``ids`` or nowhere."""
    paths = st.tuples(st.just(PathType.REGEX), st.sampled_from(("", "/a+$", "ü[0-9]")))
    paths |= st.tuples(
        st.sampled_from((PathType.PREFIX, PathType.EQUALS)), st.sampled_from(("", "/", "/ä*", "a"))
    )
    return st.builds(
        lambda path, **others: FrontendRule(path_type=path[0], path=path[1], **others),
        paths,
        address=inet_addresses() if addresses is None else addresses,
        hostname=hostnames(),
        method=optional(st.sampled_from(("GET", "post"))),
        position=st.sampled_from(Position),
        cluster_id=optional(ids),
        tags=tables(_tables),
        redirect=st.sampled_from(Redirect),
        redirect_scheme=st.sampled_from(RedirectScheme),
        hsts=optional(hsts()) if is_https else st.none(),
    )


def patches(kind: ListenerKind) -> st.SearchStrategy[ListenerPatch]:
    """Make what changes of a listener of one kind."""
    of_tls: dict[str, st.SearchStrategy[Any]] = {
        "alpn_protocols": optional(st.sampled_from(((), ("http/1.1",), ("http/1.1", "h2")))),
        "strict_sni_binding": optional(st.booleans()),
        "disable_http11": optional(st.just(False)),
        "hsts": optional(hsts()),
    }
    return st.builds(
        ListenerPatch,
        public_address=optional(inet_addresses()),
        expect_proxy=optional(st.just(False)),
        sticky_name=optional(_tokens),
        front_timeout=optional(_seconds),
        back_timeout=optional(_seconds),
        connect_timeout=optional(_seconds),
        request_timeout=optional(_seconds),
        sozu_id_header=optional(_tokens),
        elide_x_real_ip=optional(st.booleans()),
        send_x_real_ip=optional(st.booleans()),
        answers=answers(""),
        http2=http2_limits(),
        **(of_tls if kind is ListenerKind.HTTPS else {}),
    )


def _updates() -> st.SearchStrategy[UpdateListener]:
    return st.sampled_from((ListenerKind.HTTP, ListenerKind.HTTPS)).flatmap(
        lambda kind: st.builds(UpdateListener, inet_addresses(), st.just(kind), patches(kind))
    )


def by_order() -> dict[type[Order], st.SearchStrategy[Order]]:
    """Return what makes orders of each kind."""
    kinds = st.sampled_from((ListenerKind.HTTP, ListenerKind.HTTPS))
    fingerprints = st.sampled_from(("0aF9" * 16, made.leaf("a.example").fingerprint))
    here = inet_addresses()
    parts: dict[type[Order], tuple[st.SearchStrategy[Any], ...]] = {
        AddHttpListener: (http_listeners(),),
        AddHttpsListener: (https_listeners(),),
        RemoveListener: (here, kinds),
        ActivateListener: (here, kinds),
        DeactivateListener: (here, kinds),
        AddCluster: (clusters(),),
        RemoveCluster: (_ids,),
        AddHttpFrontend: (rules(),),
        RemoveHttpFrontend: (rules(),),
        AddHttpsFrontend: (rules(is_https=True),),
        RemoveHttpsFrontend: (rules(is_https=True),),
        AddCertificate: (here, certificates()),
        RemoveCertificate: (here, fingerprints),
        ReplaceCertificate: (here, certificates(), fingerprints),
        ReplaceDefaultCertificate: (here, certificates()),
        AddBackend: (backends(),),
        RemoveBackend: (_ids, st.sampled_from(("b", "Ü 1")), backend_addresses()),
        SetHealthCheck: (_ids, health_checks()),
        RemoveHealthCheck: (_ids,),
    }
    made_of = {order: st.builds(order, *values) for order, values in parts.items()}
    return {**made_of, UpdateListener: _updates()}


def requests() -> st.SearchStrategy[Order]:
    """Make orders of every kind, each as likely as the others."""
    return st.one_of(*by_order().values())
