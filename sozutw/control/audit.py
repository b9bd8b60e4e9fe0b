"""
The audit trail: who asked for something privileged, what it was about, and what came of it.

One line for each goes to the log, and to files where the operator named some. Nothing that a
client says can look like another field or another line, and no key is ever in it.
"""

import json
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol

from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger

from sozutw.control.desk import Actor
from sozutw.control.messages.targets import target_of
from sozutw.control.proto import command_pb2 as pb

VALUE_LENGTH_MAX: Final = 256

VERBS: Final = MappingProxyType(
    {
        "save_state": "state_saved",
        "save_state_as": "state_saved",
        "load_state": "state_loaded",
        "launch_worker": "worker_launched",
        "upgrade_main": "main_upgraded",
        "upgrade_worker": "worker_upgraded",
        "subscribe_events": "events_subscribed",
        "reload_configuration": "configuration_reloaded",
        "apply_configuration": "configuration_applied",
        "batch": "batch_applied",
        "add_cluster": "cluster_added",
        "remove_cluster": "cluster_removed",
        "add_http_frontend": "http_frontend_added",
        "remove_http_frontend": "http_frontend_removed",
        "add_https_frontend": "https_frontend_added",
        "remove_https_frontend": "https_frontend_removed",
        "add_tcp_frontend": "tcp_frontend_added",
        "remove_tcp_frontend": "tcp_frontend_removed",
        "add_udp_frontend": "udp_frontend_added",
        "remove_udp_frontend": "udp_frontend_removed",
        "add_certificate": "certificate_added",
        "remove_certificate": "certificate_removed",
        "replace_certificate": "certificate_replaced",
        "replace_default_certificate": "default_certificate_replaced",
        "add_backend": "backend_added",
        "remove_backend": "backend_removed",
        "add_http_listener": "http_listener_added",
        "add_https_listener": "https_listener_added",
        "add_tcp_listener": "tcp_listener_added",
        "add_udp_listener": "udp_listener_added",
        "update_http_listener": "http_listener_updated",
        "update_https_listener": "https_listener_updated",
        "update_tcp_listener": "tcp_listener_updated",
        "update_udp_listener": "udp_listener_updated",
        "remove_listener": "listener_removed",
        "activate_listener": "listener_activated",
        "deactivate_listener": "listener_deactivated",
        "return_listen_sockets": "listen_sockets_returned",
        "soft_stop": "soft_stop_requested",
        "hard_stop": "hard_stop_requested",
        "configure_metrics": "metrics_configured",
        "set_metric_detail": "metric_detail_changed",
        "Logging": "logging_level_changed",
        "set_max_connections_per_ip": "max_connections_per_ip_set",
        "set_health_check": "health_check_set",
        "remove_health_check": "health_check_removed",
        "kill_session": "session_killed",
    }
)
"""What is privileged: the field of a request, and its name in the trail (Sōzu's, if it has one)."""

_SEPARATORS: Final = frozenset(",=\\")
_log = Logger()


class Fanout(NamedTuple):
    """How many workers took a request, how many refused it, and how many were asked."""

    ok: int
    err: int
    expected: int

    @property
    def word(self) -> str:
        """How it went as a whole."""
        if self.ok == self.expected:
            return "ok"
        if self.err == self.expected:
            return "failed"
        return "partial" if self.ok + self.err == self.expected else "timeout"


class AuditEntry(NamedTuple):
    """One line of the trail."""

    ts: float
    """When it was answered, by the wall clock."""
    verb: str
    actor: Actor
    target: str
    is_ok: bool
    error_code: str = ""
    """One word; empty if all went well, as is the reason."""
    reason: str = ""
    elapsed_ms: int = 0
    fanout: Fanout | None = None
    """None if no worker was to be asked."""


def fields_of(entry: AuditEntry, version: str) -> dict[str, Any]:
    """Return the fields of an entry by their names, those left out that it does not have."""
    actor = entry.actor
    at = datetime.fromtimestamp(entry.ts, UTC)
    fields: dict[str, Any] = {
        "ts": at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "verb": entry.verb,
        "actor_uid": actor.uid,
        "actor_gid": actor.gid,
        "actor_pid": actor.pid,
        "actor_comm": actor.command or "-",
        "client_id": actor.client_id,
        "target": entry.target,
        "result": "ok" if entry.is_ok else "err",
    }
    if not entry.is_ok:
        fields |= {"error_code": entry.error_code, "reason": entry.reason}
    fields["elapsed_ms"] = entry.elapsed_ms
    if entry.fanout is not None:
        fields["fanout"] = entry.fanout.word
        fields["workers"] = "/".join(map(str, entry.fanout))
    fields["sozutw_version"] = version
    return {
        name: sanitised(value) if isinstance(value, str) else value
        for name, value in fields.items()
    }


def text_line(entry: AuditEntry, version: str) -> str:
    """Write an entry as Sōzu does, without a line end."""
    fields = fields_of(entry, version)
    return f"AUDIT Command({', '.join(f'{name}={value}' for name, value in fields.items())})"


def json_line(entry: AuditEntry, version: str) -> str:
    """Write an entry as one object of JSON in ASCII, without a line end."""
    return json.dumps(fields_of(entry, version))


def sanitised(text: str) -> str:
    """
    Return a text in which nothing ends a field or a line, or changes how a line is read.

    Controls, marks of direction and whatever else is invisible, commas and equal signs are
    escaped; what is too long is cut; what looks like PEM is left out.
    """
    if "-----BEGIN" in text:
        return "(left out)"
    cut = text if len(text) <= VALUE_LENGTH_MAX else text[:VALUE_LENGTH_MAX] + "…"
    return "".join(map(_escaped, cut))


def _escaped(letter: str) -> str:
    # Categories: C are controls, formats, surrogates and what is not assigned; Z separators.
    category = unicodedata.category(letter)
    is_odd = category[0] == "C" or (category[0] == "Z" and letter != " ")
    if not is_odd and letter not in _SEPARATORS:
        return letter
    code = ord(letter)
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{{{code:x}}}"  # noqa: PLR2004  # a byte


class AuditWriter(Protocol):
    """Where lines go; ``process.logs.writers.Writer``."""

    def write(self, lines: bytes) -> None:
        """Take a line with its end; never raise, and never wait."""

    def reopen(self) -> None:
        """Go on under the same name with what stands there now, or raise OSError and go on."""

    def close(self) -> "Deferred[None]":
        """Send what can still be sent, and let go of it; another line opens it again."""


class AuditTrail:
    """Leaves a line for each privileged request that was answered."""

    def __init__(
        self,
        wall: Callable[[], float],
        version: str,
        text: AuditWriter | None = None,
        json: AuditWriter | None = None,
    ) -> None:
        self._wall = wall
        self._version = version
        self._text = text
        self._json = json

    def note(
        self,
        request: pb.Request,
        actor: Actor,
        response: pb.Response,
        elapsed_seconds: float,
        *,
        error_code: str = "refused",
        fanout: Fanout | None = None,
    ) -> None:
        """
        Write down what came of a request, if it is a privileged one.

        For SubscribeEvents, which is never answered, the caller brings an OK when it begins.
        ``error_code`` counts only for a FAILURE.
        """
        verb = VERBS.get(request.WhichOneof("request_type") or "")
        if verb is None:
            return
        is_ok = response.status == pb.OK
        entry = AuditEntry(
            ts=self._wall(),
            verb=verb,
            actor=actor,
            target=target_of(request),
            is_ok=is_ok,
            error_code="" if is_ok else error_code,
            reason="" if is_ok else response.message,
            elapsed_ms=int(elapsed_seconds * 1000),
            fanout=fanout,
        )
        line = text_line(entry, self._version)
        _log.info("{line}", line=line)
        if self._text is not None:
            self._text.write(line.encode() + b"\n")
        if self._json is not None:
            self._json.write(json_line(entry, self._version).encode() + b"\n")

    def reopen(self) -> None:
        """Go on in files that may be new, each under its name."""
        for writer in (self._text, self._json):
            if writer is None:
                continue
            try:
                writer.reopen()
            except OSError as error:
                _log.error("the audit trail goes on in its old file: {error}", error=error)

    def close(self) -> "Deferred[None]":
        """Send what a slow reader has left; a line that comes later is written all the same."""
        writers = [writer for writer in (self._text, self._json) if writer is not None]
        closed = gatherResults([writer.close() for writer in writers])
        return closed.addCallback(lambda _: None)
