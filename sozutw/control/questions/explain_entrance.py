"""Where a request comes in: at which listener, and what it is shown there."""

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from sozutw.config.model import InetAddress
from sozutw.config.state import ConfigState, ConfigView
from sozutw.control.proto import command_pb2 as pb
from sozutw.control.questions.asked import Asked
from sozutw.control.questions.passed_over import LISTED_MAX, listed
from sozutw.listen.certificates import Certificates, Shown
from sozutw.relay.route import ListenerState
from sozutw.wire.tls import covers

_ANYWHERE: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104  # read, not bound


def listener_step(
    asked: Asked, every: Collection[ListenerState], state: ConfigView
) -> tuple[ListenerState | None, pb.ExplanationStep]:
    """Return the listener that accepts, those that are active first, and why the others do not."""
    fitting = [listener for listener in every if not _why_not(listener, asked)]
    because = f"it is at port {asked.port}"
    if not fitting and not asked.is_port_told:
        # In front of a proxy ports are often led elsewhere.
        fitting = [listener for listener in every if _is_of_scheme(listener, asked)]
        because = f"none is at port {asked.port}, which the URL does not name"
    fitting.sort(key=lambda listener: not state.is_active(listener.listener.address))
    chosen = fitting[0] if fitting else None
    others = [listener for listener in every if listener is not chosen]
    step = pb.ExplanationStep(
        kind="listener",
        because=f"no listener accepts {'https' if asked.is_secure else 'http'} there",
        passed_over=listed(_passed_over(others, asked), len(others)),
    )
    if chosen is not None:
        address = chosen.listener.address
        step.chosen = str(address)
        step.because = because
        if not state.is_active(address):
            step.because += "; but it is not active: clients are refused until you activate it"
    return chosen, step


def certificate_step(
    asked: Asked, address: InetAddress, state: ConfigState, certificates: Certificates
) -> tuple[frozenset[str], pb.ExplanationStep]:
    """Return the names that the client is shown a certificate for, and why it is that one."""
    name = asked.host if asked.is_by_name else ""
    shown = certificates.shown(address, name)
    first = shown[0]
    held = state.tables.certificates.get(address, {})
    known = {one.fingerprint for one in shown}

    def passed_over() -> Iterator[tuple[str, str]]:
        for other in shown[1:]:
            yield _spelt(other), f"it serves clients that can use {other.kind} only"
        for fingerprint, one in held.items():
            if fingerprint in known:
                continue
            names = certificates.names_of(one)
            is_for = bool(name) and covers(names, name)
            what = f"{', '.join(names)} ({fingerprint[:16]})"
            yield what, "another for this name is preferred" if is_for else "not for this name"

    step = pb.ExplanationStep(
        kind="certificate",
        chosen=_spelt(first),
        because=_because(first, name),
        passed_over=listed(passed_over(), len(known | held.keys()) - 1),
    )
    # Which of two kinds it will be is not known: only what each is for is promised.
    return frozenset(first.names).intersection(*(other.names for other in shown)), step


def _is_of_scheme(listener: ListenerState, asked: Asked) -> bool:
    return (listener.https is not None) == asked.is_secure


def _why_not(listener: ListenerState, asked: Asked) -> str:
    """Return why a listener does not accept this request; empty if it does."""
    if not _is_of_scheme(listener, asked):
        return "it speaks no TLS" if asked.is_secure else "it speaks TLS"
    address = listener.listener.address
    public = listener.listener.public_address or address
    if asked.port not in {address.port, public.port}:
        return f"its port is {address.port}"
    if not asked.is_by_name and not {address.host, public.host} & {*_ANYWHERE, asked.host}:
        return f"its address is {address.host}"
    return ""


def _passed_over(others: Sequence[ListenerState], asked: Asked) -> Iterator[tuple[str, str]]:
    for listener in others:
        reason = _why_not(listener, asked) or "another one fits as well, and comes first"
        yield str(listener.listener.address), reason


def _because(shown: Shown, name: str) -> str:
    if shown.is_built_in:
        return "no certificate is for that name: the built-in one is shown, which nobody trusts"
    if not name:
        return "a URL with an address asks for no name: the listener's own is shown"
    if covers(shown.names, name):
        return f"it is for {name}"
    return f"no certificate is for {name}: the listener's own is shown"


def _spelt(shown: Shown) -> str:
    until = datetime.fromtimestamp(shown.expires_at, UTC).date().isoformat()
    names = ", ".join(shown.names[:LISTED_MAX])
    return f"{names} ({shown.kind}, {shown.fingerprint[:16]}, until {until})"
