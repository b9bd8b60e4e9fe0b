"""A configuration without a file: one listener that leads everything to some backends."""

from collections.abc import Sequence
from typing import Final

from sozutw.config.addresses import parse_backend_address, parse_listen_address
from sozutw.config.model import (
    Backend,
    Cluster,
    Config,
    FrontendRule,
    HttpListener,
    Position,
)

CLUSTER_ID: Final = "serve"


class ConfigError(Exception):
    """What was asked for cannot be; the text says what is meant."""


def serve_config(listen: str, to: Sequence[str]) -> Config:
    """
    Return the configuration that leads every request at ``listen`` to the addresses ``to``.

    ``listen`` is ``8080``, ``:8080``, ``127.0.0.1:8080`` or ``[::1]:8080``. A port alone
    listens on every IPv4 address of the machine. A backend is ``localhost:8000``, an
    address or ``unix:path``; ``8000`` alone is a port of this machine.
    """
    try:
        address = parse_listen_address(listen)
    except ValueError as error:
        raise ConfigError(f'cannot listen at "{listen}"; {error}') from None
    if not to:
        raise ConfigError("there is nothing to lead to; at least one backend is meant")
    return Config(
        listeners=(HttpListener(address),),
        clusters=(Cluster(CLUSTER_ID),),
        frontends=(FrontendRule(address, "*", position=Position.PRE, cluster_id=CLUSTER_ID),),
        backends=tuple(_backend(index, text) for index, text in enumerate(to)),
    )


def _backend(index: int, text: str) -> Backend:
    port_alone = text.removeprefix(":")
    full = f"127.0.0.1:{port_alone}" if port_alone.isdigit() else text
    try:
        address = parse_backend_address(full, "")
    except ValueError as error:
        raise ConfigError(f'cannot lead to "{text}"; {error}') from None
    return Backend(CLUSTER_ID, f"{CLUSTER_ID}-{index}-{address}", address)
