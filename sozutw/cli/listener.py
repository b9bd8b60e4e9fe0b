"""`sozutw listener`: where clients are accepted."""

from collections.abc import Callable
from typing import Any, Final

import click

from sozutw.cli import values
from sozutw.cli.asking import Proxy, carry_out, order, tell
from sozutw.cli.commands import Group, examples
from sozutw.cli.hsts import hsts_of
from sozutw.cli.listener_options import (
    TIMEOUTS,
    address_option,
    answer_options,
    answers_of,
    http_update_options,
    https_update_options,
    number_option,
    public_address_option,
    seconds_options,
    switch,
)
from sozutw.cli.listener_tables import show_listeners
from sozutw.config.model import Timeouts
from sozutw.control.proto import command_pb2 as pb

STICKY_NAME: Final = "SOZUBALANCEID"
TICKETS: Final = 4
"""How many session tickets a client of TLS gets, as with Sōzu."""


@click.group(cls=Group)
def listener() -> None:
    """List, add, change or remove listeners: the addresses that clients are accepted on."""


@listener.command("list", epilog=examples("sozutw listener list -c sozutw.toml"))
def list_() -> None:
    """Tell of each listener, and what it is set to."""
    carry_out(pb.Request(list_listeners=pb.ListListeners()), show_listeners)


def _expect_proxy() -> click.Option:
    return click.Option(["--expect-proxy"], is_flag=True, help="Expect a PROXY header of clients.")


def _http_add_options() -> list[click.Parameter]:
    return [
        public_address_option(),
        *answer_options(("400", "404", "503")),
        _expect_proxy(),
        click.Option(
            ["--sticky-name"],
            metavar="NAME",
            default=STICKY_NAME,
            show_default=True,
            help="The cookie of sticky sessions.",
        ),
        *seconds_options(tuple(TIMEOUTS)),
    ]


def _https_add_options() -> list[click.Parameter]:
    return [
        *_http_add_options(),
        click.Option(
            ["--tls-versions"],
            type=values.TLS_VERSIONS,
            multiple=True,
            help="Which to speak: TLS_V12, TLS_V13. Commas between several, or give it again.",
        ),
        click.Option(
            ["--tls-cipher-list"],
            type=values.WORDS,
            multiple=True,
            help="Which ciphers to take. Commas between several, or give it again.",
        ),
    ]


def _udp_options() -> list[click.Parameter]:
    return [
        public_address_option(),
        *seconds_options(("front_timeout", "back_timeout")),
        number_option("max_rx_datagram_size", "How large a datagram may be, in bytes."),
        number_option("max_flows", "How many flows at a time; 0 is as many as descriptors allow."),
    ]


_STREAM_TIMEOUTS: Final = ("front_timeout", "back_timeout", "connect_timeout")


def _tcp_update_options() -> list[click.Parameter]:
    return [
        public_address_option(),
        *seconds_options(_STREAM_TIMEOUTS),
        switch("expect_proxy", "no-expect-proxy", "Expect a PROXY header of clients."),
    ]


def _tcp_add_options() -> list[click.Parameter]:
    return [public_address_option(), _expect_proxy(), *seconds_options(_STREAM_TIMEOUTS)]


def _with_timeouts(options: dict[str, Any], timeouts: Timeouts) -> None:
    """Let the listener have the timeouts that the configuration has above all its tables."""
    extras = pb.ListenerExtras()
    for name in TIMEOUTS:
        if name in options and options[name] is None:
            seconds: float = getattr(timeouts, name.removesuffix("_timeout"))
            options[name] = int(seconds)
            if not seconds.is_integer():
                options[name] = max(1, round(seconds))
                setattr(extras, name, seconds)
    if extras.ListFields() and "sticky_name" in options:
        options["extras"] = extras


def added_http(options: dict[str, Any], timeouts: Timeouts) -> pb.Request:
    """Return the order that adds a listener of HTTP."""
    _with_timeouts(options, timeouts)
    answers = answers_of(options)
    added = pb.HttpListenerConfig(http_answers=answers, active=False, **options)
    return pb.Request(add_http_listener=added)


def added_https(options: dict[str, Any], timeouts: Timeouts) -> pb.Request:
    """Return the order that adds a listener of HTTPS."""
    _with_timeouts(options, timeouts)
    added = pb.HttpsListenerConfig(
        http_answers=answers_of(options),
        versions=values.joined(options.pop("tls_versions")),
        cipher_list=values.joined(options.pop("tls_cipher_list")),
        send_tls13_tickets=TICKETS,
        active=False,
        **options,
    )
    return pb.Request(add_https_listener=added)


def added_tcp(options: dict[str, Any], timeouts: Timeouts) -> pb.Request:
    """Return the order that adds a listener of TCP."""
    _with_timeouts(options, timeouts)
    return pb.Request(add_tcp_listener=pb.TcpListenerConfig(active=False, **options))


def added_udp(options: dict[str, Any], _timeouts: Timeouts) -> pb.Request:
    """Return the order that adds a listener of UDP; its defaults are its own."""
    added = pb.UdpListenerConfig(active=False)
    for field in added.DESCRIPTOR.fields:
        given = options.get(field.name)
        if field.message_type is not None:
            if given is not None:
                getattr(added, field.name).CopyFrom(given)
        else:
            default = getattr(added, field.name)
            setattr(added, field.name, default if given is None else given)
    return pb.Request(add_udp_listener=added)


def updated(verb: str, message: Callable[..., Any], options: dict[str, Any]) -> pb.Request:
    """Return the order that changes what was given, and leaves all else as it is."""
    if "answer_404" in options:
        options["http_answers"] = answers_of(options)
    if "hsts_max_age" in options:
        options["hsts"] = hsts_of(options)
    if "reset_alpn" in options:
        protocols = options.pop("alpn_protocols")
        is_reset = options.pop("reset_alpn")
        if is_reset and protocols is not None:
            raise click.UsageError("--alpn-protocols or --reset-alpn is meant, not both.")
        if is_reset or protocols is not None:
            options["alpn_protocols"] = pb.AlpnProtocols(values=protocols)
    if all(value is None for name, value in options.items() if name != "address"):
        raise click.UsageError("Nothing to change: an option for what is to be otherwise is meant.")
    return order(verb, message(**options))


_KINDS: Final[dict[str, tuple[Any, ...]]] = {
    "http": (added_http, _http_add_options, pb.UpdateHttpListenerConfig, http_update_options),
    "https": (added_https, _https_add_options, pb.UpdateHttpsListenerConfig, https_update_options),
    "tcp": (added_tcp, _tcp_add_options, pb.UpdateTcpListenerConfig, _tcp_update_options),
    "udp": (added_udp, _udp_options, pb.UpdateUdpListenerConfig, _udp_options),
}


def _add_commands(kind: str) -> None:
    """Add ``listener http`` and the like."""
    added, add_options, update_message, update_options = _KINDS[kind]
    spelled = kind.upper()
    proxy_kind: Any = pb.ListenerType.Value(spelled)
    call = "-a 127.0.0.1:8080 -c sozutw.toml"

    @listener.group(kind, help=f"Add, change or remove listeners of {spelled}.")
    def of_kind() -> None:
        pass

    @of_kind.command(
        params=[address_option(), *add_options()],
        help=f"Add a listener of {spelled}.\n\nIt accepts nobody before `activate`. A timeout that"
        " is not given is the configuration's.",
        short_help=f"Add a listener of {spelled}.",
        epilog=examples(f"sozutw listener {kind} add {call}"),
    )
    def add(**options: Any) -> None:
        proxy = Proxy(click.get_current_context())
        tell(proxy, proxy.ask(added(options, proxy.where.timeouts)))

    @of_kind.command(
        params=[address_option(), *update_options()],
        help=f"Change a listener of {spelled} while it listens.\n\nWhat no option names stays as it"
        " is. Either all of it is changed or nothing.",
        short_help=f"Change a listener of {spelled} while it listens.",
        epilog=examples(f"sozutw listener {kind} update --front-timeout 30 {call}"),
    )
    def update(**options: Any) -> None:
        carry_out(updated(f"update_{kind}_listener", update_message, options))

    @of_kind.command(
        params=[address_option()],
        help="Let it accept clients.",
        epilog=examples(f"sozutw listener {kind} activate {call}"),
    )
    def activate(address: pb.SocketAddress) -> None:
        activated = pb.ActivateListener(address=address, proxy=proxy_kind, from_scm=False)
        carry_out(pb.Request(activate_listener=activated))

    @of_kind.command(
        params=[address_option()],
        help="Let it accept nobody any more; who is connected stays.",
        epilog=examples(f"sozutw listener {kind} deactivate {call}"),
    )
    def deactivate(address: pb.SocketAddress) -> None:
        deactivated = pb.DeactivateListener(address=address, proxy=proxy_kind, to_scm=False)
        carry_out(pb.Request(deactivate_listener=deactivated))

    @of_kind.command(
        params=[address_option()],
        help="Remove it.",
        epilog=examples(f"sozutw listener {kind} remove {call}"),
    )
    def remove(address: pb.SocketAddress) -> None:
        removed = pb.RemoveListener(address=address, proxy=proxy_kind)
        carry_out(pb.Request(remove_listener=removed))


for _kind in _KINDS:
    _add_commands(_kind)
