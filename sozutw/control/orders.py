"""
The everyday requests, written with plain Python values.

What has no method or argument here is written as a ``pb.Request``, and asked as it is.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import Any, Final, Generic, TypedDict, TypeVar, Unpack

from typing_extensions import override

from sozutw.config.addresses import parse_backend_address
from sozutw.config.model import InetAddress
from sozutw.control.proto import command_pb2 as pb

Answer_co = TypeVar("Answer_co", covariant=True)

_END: Final = "-----END CERTIFICATE-----"
TICKETS: Final = 4
"""How many session tickets a listener of TLS gives unless told otherwise, as Sōzu's."""
STICKY_NAME: Final = "SOZUBALANCEID"


class Selection(TypedDict, total=False):
    """Which requests a frontend rule is for, beyond the host."""

    path: str
    path_kind: str
    """``prefix`` unless given; ``regex`` or ``equals``."""
    method: str | None
    position: str
    """``tree`` unless given; ``pre`` or ``post``."""
    tags: Mapping[str, str]


class Orders(ABC, Generic[Answer_co]):
    """
    One method for each everyday request; what it returns is whatever ``order`` makes of it.

    Addresses are texts: ``127.0.0.1:8080``, ``[::1]:80``, and for backends also ``name:80`` and
    ``unix:/path``. Choices are Sōzu's words in lower case. What cannot be written down raises
    ValueError before anything is sent.
    """

    @abstractmethod
    def order(self, request: pb.Request) -> Answer_co:
        """Have ``request`` carried out."""

    def add_cluster(
        self,
        cluster_id: str,
        *,
        load_balancing: str = "round_robin",
        sticky_session: bool = False,
        https_redirect: bool = False,
    ) -> Answer_co:
        """Add a cluster, or put this in the place of one with the same id."""
        cluster = pb.Cluster(
            cluster_id=cluster_id,
            sticky_session=sticky_session,
            https_redirect=https_redirect,
            load_balancing=_choice(pb.LoadBalancingAlgorithms, load_balancing),
        )
        return self.order(pb.Request(add_cluster=cluster))

    def remove_cluster(self, cluster_id: str) -> Answer_co:
        """Remove a cluster."""
        return self.order(pb.Request(remove_cluster=cluster_id))

    def add_backend(
        self,
        cluster_id: str,
        backend_id: str,
        address: str,
        *,
        weight: int | None = None,
        sticky_id: str | None = None,
        backup: bool = False,
    ) -> Answer_co:
        """Add a backend to a cluster, or put this in the place of one with the same id."""
        backend = pb.AddBackend(
            cluster_id=cluster_id,
            backend_id=backend_id,
            address=address_message(address),
            sticky_id=sticky_id,
        )
        if backup:
            backend.backup = True
        if weight is not None:
            backend.load_balancing_parameters.weight = weight
        return self.order(pb.Request(add_backend=backend))

    def remove_backend(self, cluster_id: str, backend_id: str, address: str) -> Answer_co:
        """Remove a backend; what it is doing it finishes."""
        backend = pb.RemoveBackend(
            cluster_id=cluster_id, backend_id=backend_id, address=address_message(address)
        )
        return self.order(pb.Request(remove_backend=backend))

    def add_http_frontend(
        self,
        address: str,
        hostname: str,
        cluster_id: str | None,
        **selection: Unpack[Selection],
    ) -> Answer_co:
        """Send requests for ``hostname`` on a listener to a cluster; without one, deny them."""
        rule = _frontend(address, hostname, cluster_id, selection)
        return self.order(pb.Request(add_http_frontend=rule))

    def remove_http_frontend(
        self, address: str, hostname: str, cluster_id: str | None, **selection: Unpack[Selection]
    ) -> Answer_co:
        """Remove what ``add_http_frontend`` added, named in the same way."""
        rule = _frontend(address, hostname, cluster_id, selection)
        return self.order(pb.Request(remove_http_frontend=rule))

    def add_https_frontend(
        self, address: str, hostname: str, cluster_id: str | None, **selection: Unpack[Selection]
    ) -> Answer_co:
        """``add_http_frontend`` for a listener of TLS."""
        rule = _frontend(address, hostname, cluster_id, selection)
        return self.order(pb.Request(add_https_frontend=rule))

    def remove_https_frontend(
        self, address: str, hostname: str, cluster_id: str | None, **selection: Unpack[Selection]
    ) -> Answer_co:
        """Remove what ``add_https_frontend`` added, named in the same way."""
        rule = _frontend(address, hostname, cluster_id, selection)
        return self.order(pb.Request(remove_https_frontend=rule))

    def add_certificate(
        self, address: str, certificate: str, key: str, *, names: Iterable[str] = ()
    ) -> Answer_co:
        """
        Serve a certificate on the listener at ``address``.

        The texts are PEM; what follows the first certificate is its chain. ``names`` stand in
        the place of those in the certificate.
        """
        added = pb.AddCertificate(
            address=address_message(address), certificate=_certificate(certificate, key, names)
        )
        return self.order(pb.Request(add_certificate=added))

    def replace_certificate(
        self,
        address: str,
        old_fingerprint: str,
        certificate: str,
        key: str,
        *,
        names: Iterable[str] = (),
    ) -> Answer_co:
        """Serve a certificate in the place of another one, in one step."""
        replaced = pb.ReplaceCertificate(
            address=address_message(address),
            new_certificate=_certificate(certificate, key, names),
            old_fingerprint=old_fingerprint,
        )
        return self.order(pb.Request(replace_certificate=replaced))

    def remove_certificate(self, address: str, fingerprint: str) -> Answer_co:
        """Serve a certificate no more; the fingerprint is ``config.pem.fingerprint_of``'s."""
        removed = pb.RemoveCertificate(address=address_message(address), fingerprint=fingerprint)
        return self.order(pb.Request(remove_certificate=removed))

    def add_http_listener(self, address: str, **fields: Any) -> Answer_co:
        """
        Add a listener, which accepts nobody before ``activate_listener``.

        ``fields`` are those of ``pb.HttpListenerConfig``; what is left out has its default.
        """
        listener = pb.HttpListenerConfig(**_listener(address, fields))
        return self.order(pb.Request(add_http_listener=_with_defaults(listener)))

    def add_https_listener(self, address: str, **fields: Any) -> Answer_co:
        """``add_http_listener`` for TLS; ``fields`` are those of ``pb.HttpsListenerConfig``."""
        listener = pb.HttpsListenerConfig(
            **{"send_tls13_tickets": TICKETS, **_listener(address, fields)}
        )
        return self.order(pb.Request(add_https_listener=_with_defaults(listener)))

    def activate_listener(self, address: str, kind: str = "http") -> Answer_co:
        """Begin to accept; ``kind`` is ``http`` or ``https``."""
        activated = pb.ActivateListener(
            address=address_message(address), proxy=_choice(pb.ListenerType, kind), from_scm=False
        )
        return self.order(pb.Request(activate_listener=activated))

    def deactivate_listener(self, address: str, kind: str = "http") -> Answer_co:
        """Accept no more; the listener keeps its configuration."""
        deactivated = pb.DeactivateListener(
            address=address_message(address), proxy=_choice(pb.ListenerType, kind), to_scm=False
        )
        return self.order(pb.Request(deactivate_listener=deactivated))

    def remove_listener(self, address: str, kind: str = "http") -> Answer_co:
        """Remove a listener."""
        removed = pb.RemoveListener(
            address=address_message(address), proxy=_choice(pb.ListenerType, kind)
        )
        return self.order(pb.Request(remove_listener=removed))

    def save_state(self, path: str, *, without_keys: bool = False) -> Answer_co:
        """Have all that holds now written to a file of the server's; ``load_state`` reads it."""
        path = os.path.abspath(path)
        if without_keys:
            saved = pb.SaveState(path=path, without_keys=True)
            return self.order(pb.Request(save_state_as=saved))
        return self.order(pb.Request(save_state=path))

    def load_state(self, path: str) -> Answer_co:
        """Add what ``save_state`` wrote."""
        return self.order(pb.Request(load_state=os.path.abspath(path)))

    def batch(self, requests: Iterable[pb.Request]) -> Answer_co:
        """Have all of these carried out, or none; ``Written`` writes them."""
        return self.order(pb.Request(batch=pb.Batch(requests=requests)))


class Written(Orders[pb.Request]):
    """Orders that are only written down: ``client.batch([written.add_backend(…), …])``."""

    @override
    def order(self, request: pb.Request) -> pb.Request:
        return request


written: Final = Written()


def address_message(text: str) -> pb.SocketAddress:
    """Return an address of a listener or a backend; raises ValueError with what is wrong."""
    try:
        address = parse_backend_address(text, os.getcwd() + "/")
    except ValueError as fault:
        raise ValueError(f"{text!r} is no address; {fault}") from None
    if isinstance(address, InetAddress):
        ip = _ip_message(address.host)
        if ip is not None:
            return pb.SocketAddress(ip=ip, port=address.port)
    return pb.SocketAddress(ip=pb.IpAddress(), port=0, other=str(address))


def _ip_message(host: str) -> pb.IpAddress | None:
    try:
        ip = ip_address(host)
    except ValueError:
        return None
    number = int(ip)
    if ip.version == 4:  # noqa: PLR2004
        return pb.IpAddress(v4=number)
    return pb.IpAddress(v6=pb.Uint128(low=number & (1 << 64) - 1, high=number >> 64))


def _choice(kinds: Any, text: str) -> Any:
    try:
        return kinds.Value(text.upper())
    except ValueError:
        names = ", ".join(name.lower() for name in kinds.keys())  # noqa: SIM118
        raise ValueError(f"{text!r} is none of {names}") from None


def _frontend(
    address: str, hostname: str, cluster_id: str | None, selection: Selection
) -> pb.RequestHttpFrontend:
    path = pb.PathRule(
        kind=_choice(pb.PathRuleKind, selection.get("path_kind", "prefix")),
        value=selection.get("path", ""),
    )
    return pb.RequestHttpFrontend(
        cluster_id=cluster_id,
        address=address_message(address),
        hostname=hostname,
        path=path,
        method=selection.get("method"),
        position=_choice(pb.RulePosition, selection.get("position", "tree")),
        tags=selection.get("tags"),
    )


def _certificate(certificate: str, key: str, names: Iterable[str]) -> pb.CertificateAndKey:
    *parts, _ = certificate.split(_END)
    if not parts:
        raise ValueError("there is no certificate in it")
    first, *chain = [part.lstrip() + _END + "\n" for part in parts]
    return pb.CertificateAndKey(certificate=first, certificate_chain=chain, key=key, names=names)


def _listener(address: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    public = fields.get("public_address")
    if isinstance(public, str):
        fields = {**fields, "public_address": address_message(public)}
    return {"sticky_name": STICKY_NAME, **fields, "address": address_message(address)}


def _with_defaults(listener: Any) -> Any:
    """Set the required fields that were left out; each but the given ones has a default."""
    for name in listener.FindInitializationErrors():
        setattr(listener, name, getattr(listener, name))
    return listener


def behind(hashes: pb.Response) -> list[str]:
    """
    Tell who has other clusters than the main process, by an answer to QueryClustersHashes.

    Where no worker has answered, all of them are behind.
    """
    told = {
        who: dict(content.cluster_hashes.map)
        for who, content in hashes.content.worker_responses.map.items()
    }
    if "main" not in told:
        raise ValueError("the main process says nothing of its clusters")
    if len(told) == 1:
        return ["all workers"]
    return sorted(who for who, has in told.items() if has != told["main"])
