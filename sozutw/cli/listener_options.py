"""The options of `listener … add` and `listener … update`."""

from collections.abc import Sequence
from typing import Any, Final

import click

from sozutw.cli import values
from sozutw.cli.hsts import hsts_options
from sozutw.control.proto import command_pb2 as pb

TIMEOUTS: Final = {
    "front_timeout": "How long a client may be silent, in seconds.",
    "back_timeout": "How long a backend may be silent, in seconds.",
    "connect_timeout": "How long connecting to a backend may take, in seconds.",
    "request_timeout": "How long a whole request may take to come, in seconds.",
}

ANSWERS: Final = tuple(
    field.name.removeprefix("answer_") for field in pb.CustomHttpAnswers.DESCRIPTOR.fields
)
"""The statuses that a listener's answers can be changed of."""

H2_KNOBS: Final = {
    "h2_max_rst_stream_per_window": "How many RST_STREAM frames may come in a second.",
    "h2_max_ping_per_window": "How many PING frames may come in a second.",
    "h2_max_settings_per_window": "How many SETTINGS frames may come in a second.",
    "h2_max_empty_data_per_window": "How many empty DATA frames may come in a second.",
    "h2_max_window_update_stream0_per_window": "How many WINDOW_UPDATE frames may come in a second "
    "for the connection.",
    "h2_max_continuation_frames": "How many CONTINUATION frames a head may take.",
    "h2_max_glitch_count": "How many oddities a client may come to before it is sent away.",
    "h2_initial_connection_window": "The window of a connection, in bytes.",
    "h2_max_concurrent_streams": "How many streams a client may have at a time.",
    "h2_stream_shrink_ratio": "How sparse the table of streams becomes before it is made smaller.",
    "h2_max_rst_stream_lifetime": "How many RST_STREAM frames may come in a connection's life.",
    "h2_max_rst_stream_abusive_lifetime": "How many of them before there was a response.",
    "h2_max_rst_stream_emitted_lifetime": "How many RST_STREAM frames a client may provoke.",
    "h2_max_header_list_size": "How large a head may be, in bytes.",
    "h2_max_header_table_size": "How large the table of headers may be, in bytes.",
    "h2_max_header_fields": "How many fields a head may have.",
    "h2_stream_idle_timeout_seconds": "How long a stream may be silent, in seconds.",
    "h2_graceful_shutdown_deadline_seconds": "How long a soft stop waits for streams, in seconds; "
    "0 is for ever.",
}


def address_option() -> click.Option:
    """Return ``-a``, which says which listener is meant."""
    return click.Option(
        ["-a", "--address"], type=values.LISTEN_ADDRESS, required=True, help="Where it listens."
    )


def public_address_option() -> click.Option:
    """Return ``--public-address``."""
    return click.Option(
        ["--public-address"],
        type=values.LISTEN_ADDRESS,
        help="The address that clients see, if another: for logs and headers.",
    )


def seconds_options(names: Sequence[str]) -> list[click.Parameter]:
    """Return the timeouts of these names."""
    return [
        click.Option([flag(name)], metavar="S", type=values.NUMBER, help=TIMEOUTS[name])
        for name in names
    ]


def number_option(name: str, meaning: str, *, bits: int = 32) -> click.Option:
    """Return an option whose value is a whole number."""
    bounds = values.whole_number(bits=bits)
    return click.Option([flag(name)], metavar="N", type=bounds, help=meaning)


def answer_options(statuses: Sequence[str]) -> list[click.Parameter]:
    """Return ``--answer-404`` and the like."""
    return [
        click.Option(
            [f"--answer-{status}", f"answer_{status}"],
            type=values.TEXT,
            help=f"The template of the answer with status {status}.",
        )
        for status in statuses
    ]


def switch(name: str, off: str, meaning: str) -> click.Option:
    """Return an option for on and one for off; neither leaves it as it is."""
    return click.Option([f"{flag(name)}/--{off}", name], default=None, is_flag=True, help=meaning)


def http_update_options() -> list[click.Parameter]:
    """Return what a listener of HTTP can be changed in."""
    knobs = [
        number_option(name, meaning, bits=64 if name.endswith("lifetime") else 32)
        for name, meaning in H2_KNOBS.items()
    ]
    return [
        public_address_option(),
        click.Option(["--sticky-name"], metavar="NAME", help="The cookie of sticky sessions."),
        *seconds_options(tuple(TIMEOUTS)),
        switch("expect_proxy", "no-expect-proxy", "Expect a PROXY header of clients."),
        *knobs,
        click.Option(["--sozu-id-header"], metavar="NAME", help="The header with a request's id."),
        *answer_options(ANSWERS),
    ]


def https_update_options() -> list[click.Parameter]:
    """Return what a listener of HTTPS can be changed in."""
    return [
        *http_update_options(),
        switch(
            "strict_sni_binding",
            "no-strict-sni-binding",
            "Refuse requests for another host than the handshake was for.",
        ),
        switch("disable_http11", "enable-http11", "Take HTTP/2 only."),
        click.Option(
            ["--alpn-protocols"], type=values.WORDS, help="The protocols to offer: h2,http/1.1."
        ),
        click.Option(["--reset-alpn"], is_flag=True, help="Offer what is offered by default."),
        *hsts_options(),
    ]


def flag(name: str) -> str:
    """Return how an option is written."""
    return f"--{name.replace('_', '-')}"


def answers_of(options: dict[str, Any]) -> pb.CustomHttpAnswers | None:
    """Take the answers out of ``options``; None if there is none."""
    names = [name for name in options if name.startswith("answer_")]
    given = {name: options.pop(name) for name in names}
    given = {name: text for name, text in given.items() if text is not None}
    return pb.CustomHttpAnswers(**given) if given else None
